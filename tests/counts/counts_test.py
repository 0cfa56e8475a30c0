# SPDX-License-Identifier: BSL-1.0
"""What one operation of thole takes, by the benchmarks' own runner: `bench.py --counts` fails where
a figure is exceeded (tests/bench/runner/counting.py has them). Nothing here depends on time."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests' / 'bench'))

from runner import compile_cost  # noqa: E402

WORK = pathlib.Path(os.environ['THOLE_WORK'])
CXX = ' '.join(os.environ.get('THOLE_CXX', 'c++').split('\n'))
PEERS = 'thole,thole_coroutine,thole_uring,thole_uring_coroutine'
OPTIONS = ['--buildtype=release', '-Db_ndebug=true', '-Dbench=enabled', '-Dtests=disabled',
           '-Dtools=disabled', '-Ddocs=disabled', '-Dcmake_package=disabled',
           '-Ddefault_library=static']


def run(*command, timeout=600, **more):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', check=False, timeout=timeout, **more)
    return done.returncode, done.stdout


def need(*command):
    code, output = run(*command)
    if code != 0:
        raise AssertionError(f'exit {code}: {" ".join(map(str, command))}\n{output}')


def setUpModule():
    for tool in ('valgrind', 'strace'):
        if shutil.which(tool) is None:
            raise unittest.SkipTest(f'{tool} is missing')
    code, output = run('strace', '-c', '-o', os.devnull, 'true')
    if code != 0:
        raise unittest.SkipTest(f'strace may not trace here: {output.strip()}')
    if not (WORK / 'build.ninja').exists():
        shutil.rmtree(WORK, ignore_errors=True)
        code, output = run('meson', 'setup', WORK, ROOT, *OPTIONS, env={**os.environ, 'CXX': CXX})
        if code != 0:
            raise AssertionError(output)
    need('ninja', '-C', WORK, 'tests/bench/load', 'tests/bench/peer_thole')


class Counts(unittest.TestCase):
    def hold(self, workload):
        code, output = run(sys.executable, ROOT / 'tests' / 'bench' / 'bench.py',
                           WORK / 'tests' / 'bench', '--counts', workload, '--peers', PEERS)
        print(output)
        self.assertEqual(code, 0, 'a figure is exceeded, or a run failed: see above')
        self.assertRegex(output, r'\b[1-9]\d* figures reached')

    def test_echo(self):
        self.hold('echo')

    def test_accept(self):
        self.hold('accept')

    def test_connect(self):
        self.hold('connect')


class Size(unittest.TestCase):
    """The smallest echo server, stripped, and what it has reached: docs/performance.md says what is
    in it. The figure is 60,000."""
    MOST = {'thole': 85_000, 'thole_coroutine': 85_000}  # a page of 4 KB more than was reached

    def test_smallest_server(self):
        cost = compile_cost.Compile(WORK)
        for name, most in self.MOST.items():
            with self.subTest(name):
                size = cost.record(name)['bytes']
                print(f'{name}: {size} bytes, at most {most}')
                self.assertLessEqual(size, most)


if __name__ == '__main__':
    unittest.main()
