# SPDX-License-Identifier: BSL-1.0
"""The smallest echo server: what it costs to compile, and how large it is."""
import os
import pathlib
import random
import resource
import shutil
import subprocess
import tempfile

from runner.peers import Failed, Lacking

MINI = pathlib.Path(__file__).resolve().parents[1] / 'mini'
ROOT = MINI.parents[2]
REFERENCE = 'reference'  # a file with the headers that any such library needs, and no more
SOURCES = {  # peer: source, libraries
    REFERENCE: ('floor.cpp', ()),
    'thole': ('thole.cpp', ('thole',)),
    'thole_coroutine': ('thole_coroutine.cpp', ('thole',)),
    'raw_epoll': ('raw_epoll.cpp', ()),
    'raw_uring': ('raw_uring.cpp', ('-luring',)),
    'asio': ('asio.cpp', ()),
    'asio_coroutine': ('asio_coroutine.cpp', ()),
    'libuv': ('libuv.cpp', ('-luv',)),
    'libevent': ('libevent.cpp', ('-levent_core',)),
}
FLAGS = ('-O2', '-std=c++20', '-DNDEBUG')
LINK = ('-pthread', '-Wl,--gc-sections')  # for every peer alike


def run(line, timeout=120):
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise Failed(f'no end after {timeout} s') from None
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or ['no word'])[0])
    return done.stdout


class Compile:
    """Sizes are taken once, times at each call."""

    def __init__(self, build):
        self.build = pathlib.Path(build)
        self.compiler = os.environ.get('CXX', 'c++')
        self.sizes = {}

    def flags(self):
        return [*FLAGS, f'-I{ROOT / "include"}', f'-I{self.build / "include"}']

    def libraries(self, names):
        found = []
        for name in names:
            if name == 'thole':
                text = run(['pkg-config', '--static', '--libs-only-l',
                            str(self.build / 'meson-private' / 'thole.pc')])
                found += [str(self.build / 'src' / 'libthole.a')]
                found += [word for word in text.split() if word != '-lthole']
            else:
                found.append(name)
        return found

    def record(self, name):
        if name not in SOURCES:
            raise Lacking('no smallest echo server')
        source = MINI / SOURCES[name][0]
        with tempfile.TemporaryDirectory() as folder:
            made = os.path.join(folder, 'made.o')
            # The macro is there so that no cache can answer for the compiler.
            line = [self.compiler, *self.flags(), f'-DBENCH_RUN={random.getrandbits(60)}',
                    '-c', str(source), '-o', made]
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            run(line)
            user = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            if name not in self.sizes:
                self.sizes[name] = self.size(source, made, SOURCES[name][1])
        lines, size = self.sizes[name]
        return {'peer': name, 'workload': 'compile', 'user_s': user, 'lines': lines,
                'bytes': size}

    def size(self, source, made, libraries):
        text = run([self.compiler, *self.flags(), '-E', '-P', str(source)])
        program = made + '.program'
        run([self.compiler, made, *self.libraries(libraries), *LINK, '-o', program])
        if shutil.which('strip'):
            run(['strip', program])
        return len(text.splitlines()), os.path.getsize(program)
