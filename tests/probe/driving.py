# SPDX-License-Identifier: BSL-1.0
"""Runs the probe and plays its peers: plain sockets on the loopback address."""
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

COMMAND = os.environ['THOLE_PROBE'].split('\n')
WINDOWS = COMMAND[-1].endswith('.exe')
BACKENDS = ['iocp'] if WINDOWS else ['epoll', 'select'] if sys.platform == 'linux' else ['select']
FOREIGN = 'epoll' if WINDOWS else 'iocp'
LOOPBACK = '127.0.0.1'


class Ran:
    def __init__(self, done, seconds):
        # A Windows program ends its lines with CR LF.
        self.out = done.stdout.decode('utf-8').replace('\r\n', '\n')
        self.err = done.stderr.decode('utf-8').replace('\r\n', '\n')
        self.code, self.seconds = done.returncode, seconds

    def __repr__(self):
        return f'exit {self.code} after {self.seconds:.2f} s\n{self.out}{self.err}'

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.out.splitlines()


def probe(*words, **more):
    begin = time.monotonic()
    done = subprocess.run([*COMMAND, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False, **more)
    return Ran(done, time.monotonic() - begin)


def per_backend(module, cases, base):
    """One class a backend, so that each case of each backend counts."""
    for backend in BACKENDS:
        name = cases.__name__.removesuffix('Cases') + backend.capitalize()
        module[name] = type(name, (cases, base), {'backend': backend})


def bound(host=LOOPBACK):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.bind((host, 0))
    return made


def name_of(made):
    host, port = made.getsockname()[:2]
    return f'[{host}]:{port}' if ':' in host else f'{host}:{port}'


class Listening:
    """Accepts, waits `delay` seconds, does `deed(client)`; holds every client until the end."""

    def __init__(self, deed=None, delay=0.0, host=LOOPBACK):
        self.door = bound(host)
        self.door.listen(64)
        self.name = name_of(self.door)
        self.deed, self.delay, self.clients = deed, delay, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        for one in [self.door, *self.clients]:
            one.close()

    def serve(self):
        self.door.settimeout(0.02)
        while not self.over.is_set():
            try:
                client, _ = self.door.accept()
            except (socket.timeout, ConnectionError):
                continue
            self.clients.append(client)
            if self.deed and not self.over.wait(self.delay):
                self.deed(client)


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    client.close()


def finish(client):
    client.close()


def greet(client):
    client.sendall(b'220 here\r\n')


class Refusing:
    """A port that is bound, so that nobody else gets it, and does not listen."""

    def __enter__(self):
        self.socket = bound()
        self.name = name_of(self.socket)
        return self

    def __exit__(self, *_):
        self.socket.close()


class Silent:
    """A listener whose backlog is full: the system drops every further SYN."""

    def __enter__(self):
        self.door = bound()
        self.door.listen(0)
        self.name = name_of(self.door)
        self.fillers = []
        for _ in range(64):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.door.getsockname())
            self.fillers.append(filler)
            if not select.select([], [filler], [], 0.05)[1]:
                return self
        raise AssertionError('the backlog never fills')

    def __exit__(self, *_):
        for one in [*self.fillers, self.door]:
            one.close()


def has_ipv6():
    try:
        bound('::1').close()
    except OSError:
        return False
    return True
