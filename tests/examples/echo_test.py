# SPDX-License-Identifier: BSL-1.0
"""The echo example with ncat, and how it is asked for its counters and for its end."""
import os
import pathlib
import signal
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from driving import WINDOWS, Example, at_rest, needs, per_backend, run, sockets, until  # noqa


class EchoCases:
    backend = ''

    def setUp(self):
        self.echo = Example('--listen', '127.0.0.1:0', '--backend', self.backend)
        self.addCleanup(self.echo.__exit__)
        found = self.echo.saying(r'^listening on 127\.0\.0\.1:(\d+) \((\w+)\)$')
        self.port = int(found[1])
        self.assertEqual(found[2], self.backend)

    def client(self):
        made = socket.create_connection(('127.0.0.1', self.port), 30)
        self.addCleanup(made.close)
        made.sendall(b'hello')
        self.assertEqual(made.recv(5, socket.MSG_WAITALL), b'hello')
        return made

    @needs('ncat')
    def test_ncat_gets_back_what_it_said(self):
        said = os.urandom(1_000_000)
        done = run('ncat', '127.0.0.1', str(self.port), input=said)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, said)

    @unittest.skipIf(WINDOWS, 'Ctrl-Break cannot be sent to a program under Wine from outside')
    def test_counters_when_asked(self):
        clients = [self.client() for _ in range(3)]
        self.echo.send(signal.SIGUSR1)
        self.echo.saying(r'^accepted 3, absorbed 0, shed 0, active 3,')
        for each in clients:
            each.close()
        until(lambda: at_rest(self.port), 'they are gone')
        self.echo.send(signal.SIGUSR1)
        self.echo.saying(r'^accepted 3, .*active 0, closing 0; closed: ended 3,')

    def test_an_interrupt_drains(self):
        clients = [self.client() for _ in range(3)]
        self.echo.send(signal.SIGINT)
        for each in clients:
            self.assertEqual(each.recv(1), b'')  # a FIN, and no reset
            each.close()
        self.assertEqual(self.echo.end(), 0)
        self.assertIn('drained: 3 idle, 0 finished, 0 aborted', self.echo.lines)
        self.assertNotIn('CLOSE_WAIT', [state for state, _ in sockets(self.port)])

    @unittest.skipIf(WINDOWS, 'Wine ends a program on SIGTERM by itself')
    def test_so_does_a_termination(self):
        self.echo.send(signal.SIGTERM)
        self.assertEqual(self.echo.end(), 0)
        self.assertIn('drained: 0 idle, 0 finished, 0 aborted', self.echo.lines)

    @unittest.skipIf(WINDOWS, 'the exit code is that of a signal')
    def test_a_second_interrupt_ends_it_at_once(self):
        one = self.client()
        one.settimeout(0.5)
        with self.assertRaises(TimeoutError):  # it does not read, so the echo waits: it is busy
            one.sendall(bytes(50_000_000))
        self.echo.send(signal.SIGINT)
        self.echo.saying('^draining')
        self.echo.send(signal.SIGINT)
        self.assertEqual(self.echo.end(), -signal.SIGINT)


per_backend(globals(), EchoCases)
