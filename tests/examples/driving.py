# SPDX-License-Identifier: BSL-1.0
"""Starts an example, and asks the system what its connections are in."""
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

COMMAND = os.environ['THOLE_PROBE'].split('\n')  # run_unittest.py names it so
WINDOWS = COMMAND[-1].endswith('.exe')
BACKENDS = ['iocp'] if WINDOWS else os.environ['THOLE_BACKENDS'].split()
PATIENCE = 60  # seconds: no wait in here is meant to last that long


def needs(*programs):
    """The real clients; a machine may not be able to have them."""
    missing = [name for name in programs if not shutil.which(name)]
    return unittest.skipIf(missing, f'not here: {" ".join(missing)}')


def per_backend(module, cases):
    """One class a backend, so that each case of each backend counts."""
    for backend in BACKENDS:
        name = cases.__name__.removesuffix('Cases') + backend.capitalize()
        own = {'backend': backend, '__module__': module['__name__']}  # for its setUpModule
        module[name] = type(name, (cases, unittest.TestCase), own)


def until(holds, what):
    """Waits for what another process does."""
    limit = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > limit:
            raise AssertionError(f'never happened: {what}')
        time.sleep(0.01)


def open_door():
    """A listening socket on a port that nothing of the system's speaks of. Not one that the system
    gives: that may name what another test's client left in TIME_WAIT, or be another test's
    listener a moment after it was closed here."""
    for port in random.sample(range(20_000, 30_000), 100):
        if any(table(port)):
            continue
        try:
            return socket.create_server(('127.0.0.1', port), backlog=128)
        except OSError:
            continue
    raise AssertionError('no port is free')


def free_port():
    """For a server to come, which is awaited meanwhile."""
    with open_door() as door:
        return door.getsockname()[1]


def run(*line, **more):
    return subprocess.run(line, input=more.pop('input', b''), capture_output=True,
                          timeout=PATIENCE, check=False, **more)


def default_signals():
    """What a shell runs in the background ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Example:
    """The example as a process. What it says is gathered by a thread, line by line."""

    def __init__(self, *words):
        self.process = subprocess.Popen([*COMMAND, *words], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        preexec_fn=default_signals)
        self.lines = []
        self.reader = threading.Thread(target=self.gather, daemon=True)
        self.reader.start()

    def gather(self):
        for line in self.process.stdout:
            self.lines.append(line.decode('utf-8').rstrip('\r\n'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE)
        self.process.stdout.close()

    def saying(self, pattern):
        """The match in the first line that has one; waits for it."""
        def find():
            return next(filter(None, (re.search(pattern, line) for line in list(self.lines))), None)
        until(lambda: find() or self.process.poll() is not None, f'{pattern} in {self.lines}')
        found = find()
        if not found:
            self.reader.join(PATIENCE)
            found = find()
        if not found:
            raise AssertionError(f'it ended without {pattern}: {self.lines}')
        return found

    def send(self, number):
        """A signal. Wine makes a CTRL_C_EVENT of SIGINT."""
        self.process.send_signal(number)

    def end(self):
        """The exit code, when it has come."""
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return code


STATES = {1: 'ESTABLISHED', 4: 'FIN_WAIT1', 5: 'FIN_WAIT2', 6: 'TIME_WAIT', 8: 'CLOSE_WAIT',
          9: 'LAST_ACK', 10: 'LISTEN', 11: 'CLOSING'}


def table(port):
    """The lines of all sockets that have that port at one end: (words, own port)."""
    for line in pathlib.Path('/proc/net/tcp').read_text(encoding='ascii').splitlines()[1:]:
        words = line.split()
        own, other = (int(name.split(':')[1], 16) for name in words[1:3])
        if port in (own, other):
            yield words, own


def sockets(port):
    """[(state, whether `port` is its own end)] of all sockets with that port."""
    return [(STATES.get(int(words[3], 16), words[3]), own == port) for words, own in table(port)]


def unread(port):
    """How many bytes have come for the connections of a server that it has not read."""
    return sum(int(words[4].split(':')[1], 16) for words, own in table(port)
               if own == port and int(words[3], 16) == 1)


def at_rest(port):
    """Nobody has anything to do for that port: what there is listens, or only waits (TIME_WAIT)."""
    return not {state for state, _ in sockets(port)} - {'LISTEN', 'TIME_WAIT'}


class Server:
    """A plain server of our own: a thread for each client, which does `deed(client)`."""

    def __init__(self, deed):
        self.deed = deed
        self.door = open_door()
        self.port = self.door.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.door.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.door.close()

    def serve(self):
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            with client:
                self.deed(client)
