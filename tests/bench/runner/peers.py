# SPDX-License-Identifier: BSL-1.0
"""The peers, and how one of them is run."""
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys

BY_LOAD = ('echo', 'accept', 'stream', 'idle', 'connect')
HTTP = 'http'  # its peers are servers of files, driven by wrk
HTTP_LOAD = pathlib.Path(__file__).parents[1] / 'http_load.py'
LACKS = 3  # the exit code of a peer without the workload


class Failed(Exception):
    pass


class Lacking(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    program: str
    words: tuple = ()
    package: str = ''  # Debian's, whose absence leaves it out
    only: str = ''  # the group of workloads that it is for; '': all the others

    def takes(self, group):
        return self.only == (HTTP if group == HTTP else '')


def thole(name, backend, style, *words):
    return Peer(name, 'peer_thole', (f'backend={backend}', f'style={style}', *words))


def http(name, backend):
    return Peer(name, '../../examples/http', ('--listen=127.0.0.1:0', f'--backend={backend}'),
                'libcli11-dev', HTTP)


ALL = (
    thole('thole', 'epoll', 'callback'),
    thole('thole_coroutine', 'epoll', 'coroutine'),
    thole('thole_uring', 'io_uring', 'callback'),
    thole('thole_uring_coroutine', 'io_uring', 'coroutine'),
    thole('thole_lent', 'epoll', 'callback', 'receive=1'),  # buffers that the loop lends
    thole('thole_uring_lent', 'io_uring', 'callback', 'receive=1'),
    thole('thole_select', 'select', 'callback'),
    thole('thole_graceful', 'epoll', 'coroutine', 'graceful=1'),  # its connections part in peace
    thole('thole_uring_graceful', 'io_uring', 'coroutine', 'graceful=1'),
    thole('thole_serve', 'epoll', 'serve'),  # thole::serve(), with its idle deadline
    thole('thole_uring_serve', 'io_uring', 'serve'),
    Peer('raw_epoll', 'peer_raw_epoll'),
    Peer('raw_uring', 'peer_raw_uring', package='liburing-dev'),
    Peer('asio', 'peer_asio', package='libboost1.81-dev'),
    Peer('asio_fast', 'peer_asio_fast', package='libboost1.81-dev'),
    Peer('asio_coroutine', 'peer_asio_coroutine', package='libboost1.81-dev'),
    Peer('libuv', 'peer_libuv', package='libuv1-dev'),
    Peer('libevent', 'peer_libevent', package='libevent-dev'),
    http('http_thole', 'epoll'),
    http('http_thole_uring', 'io_uring'),
    Peer('http_asio', 'http_asio', package='libboost1.81-dev', only=HTTP),
)
NOT_BY_DEFAULT = ('thole_lent', 'thole_uring_lent', 'thole_select', 'thole_graceful',
                  'thole_uring_graceful', 'thole_serve', 'thole_uring_serve')


def is_thole(name):
    return name.startswith('thole')


def run_bounded(line, timeout):
    """(exit code, output, errors). After the time the whole process group is ended: Failed."""
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        output, errors = process.communicate(timeout=timeout)
        return process.returncode, output, errors
    except subprocess.TimeoutExpired:
        raise Failed(f'no end after {timeout} s') from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


class Bench:
    """The folder with the peers, and the time that one run may take."""

    def __init__(self, folder, timeout=60):
        self.folder = pathlib.Path(folder).resolve()
        self.timeout = timeout

    def command(self, peer, workload, words, wrap=()):
        """The command line; `wrap` stands before the peer's own process."""
        program = str(self.folder / peer.program)
        if workload in BY_LOAD or workload == HTTP:
            load = [str(self.folder / 'load')]
            if workload == HTTP:
                load = [sys.executable, str(HTTP_LOAD)]
            line = [*load, workload, f'peer={program}', f'name={peer.name}']
            line += [f's.{word}' for word in peer.words]
            return line + list(words) + ([f'wrap={" ".join(wrap)}'] if wrap else [])
        return [*wrap, program, workload, f'name={peer.name}', *peer.words, *words]

    def run(self, peer, workload, words, wrap=(), timeout=None):
        """The record that the run printed. Lacking, or Failed with the reason."""
        line = self.command(peer, workload, words, wrap)
        code, output, errors = run_bounded(line, timeout or self.timeout)
        if code == LACKS:
            raise Lacking(errors.strip())
        rows = [text for text in output.splitlines() if text.startswith('{')]
        if code or not rows:
            last = errors.strip().splitlines()[-1:] or ['it said nothing']
            raise Failed(f'exit {code}: {last[0]}')
        return json.loads(rows[-1])

    def find(self, wanted=(), groups=()):
        """(peers that run here, {name: why it does not}). `wanted` are names; else those of the
        groups that are to be run, all but a few."""
        names = wanted or [peer.name for peer in ALL if peer.name not in NOT_BY_DEFAULT and
                           any(peer.takes(group) for group in groups or [''])]
        here, absent = [], {}
        for peer in ALL:
            if peer.name not in names:
                continue
            if not (self.folder / peer.program).exists():
                absent[peer.name] = f'not built, {peer.package or "its source"} is missing'
                continue
            try:
                if peer.only == HTTP:  # wrk may be absent as well
                    self.run(peer, HTTP, [])
                elif is_thole(peer.name):  # its backend may be absent
                    self.run(peer, 'post', ['mode=single', 'n=1000'])
                here.append(peer)
            except (Failed, Lacking) as error:
                absent[peer.name] = str(error)
        return here, absent
