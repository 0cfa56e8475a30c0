# SPDX-License-Identifier: BSL-1.0
"""The reconnecting client: a thousand connections later nothing of them is left."""
import pathlib
import socket
import struct
import sys
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from driving import (PATIENCE, WINDOWS, Example, Server, at_rest, free_port, needs,  # noqa
                     per_backend, run, sockets, until)

CYCLES = 200 if WINDOWS else 1000


class ReconnectCases:
    backend = ''

    def client(self, port, cycles, least=1, most=4):
        return Example('--port', str(port), '--cycles', str(cycles), '--least', str(least),
                       '--most', str(most), '--backend', self.backend)

    def test_a_thousand_cycles_leave_nothing(self):
        heard = []

        def deed(client):
            heard.append(client.recv(6, socket.MSG_WAITALL))
            client.sendall(b'welcome\n')  # and closes first: what waits is ours, not the client's
        with Server(deed) as server, self.client(server.port, CYCLES) as client:
            self.assertEqual(client.process.wait(PATIENCE), 0)
            self.assertEqual(heard, [b'hello\n'] * CYCLES)
            self.assertEqual(client.lines.count('welcome'), CYCLES)
            states = sockets(server.port)
            self.assertNotIn('CLOSE_WAIT', [state for state, _ in states])
            # No port of the client's is taken: not one socket has the server as its other end.
            until(lambda: not [state for state, own in sockets(server.port) if not own],
                  'the last of its sockets is gone')

    def test_resets_are_ends_as_well(self):
        def deed(client):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            client.close()
        with Server(deed) as server, self.client(server.port, 50) as client:
            self.assertEqual(client.process.wait(PATIENCE), 0)
            pauses = len([line for line in client.lines if 'again in' in line])
            # Under Wine a reset may overtake the end of the connect, which has failed then.
            self.assertGreaterEqual(pauses, 50)
            self.assertTrue(WINDOWS or pauses == 50, pauses)
            if WINDOWS:  # Wine 8 hides a reset from a later read: the client may have closed first
                until(lambda: at_rest(server.port), 'all are at rest')
            else:
                self.assertEqual(sockets(server.port), [('LISTEN', True)])

    def test_what_others_left_is_not_counted(self):
        # A port may name what the client of an earlier server left in TIME_WAIT.
        with Server(lambda client: client.recv(1)) as server:
            port = server.port
            socket.create_connection(('127.0.0.1', port)).close()
            until(lambda: ('TIME_WAIT', False) in sockets(port), 'it closed first')
        offers = mock.patch('random.sample', lambda *_: range(port, port + 100))
        with offers, Server(None) as server:
            self.assertEqual(sockets(server.port), [('LISTEN', True)])

    def test_a_server_that_comes_late_is_found(self):
        with socket.socket() as held:
            held.bind(('127.0.0.1', 0))
            port = held.getsockname()[1]
            with self.client(port, 1, 5, 20) as client:
                client.saying('again in')  # refused
                held.listen(1)
                taken, _ = held.accept()
                with taken:
                    self.assertEqual(taken.recv(6), b'hello\n')
                self.assertEqual(client.process.wait(PATIENCE), 0)

    def test_the_pauses_grow(self):
        with socket.socket() as held:
            held.bind(('127.0.0.1', 0))
            with self.client(held.getsockname()[1], 1, 8, 64) as client:
                until(lambda: len(client.lines) >= 5 or client.process.poll() is not None,
                      'five attempts')
                pauses = [int(line.split()[-2]) for line in client.lines[:5]]
        for pause, bound in zip(pauses, (8, 16, 32, 64, 64)):
            self.assertLessEqual(pause, bound)
            self.assertGreaterEqual(pause, bound // 2)

    @needs('ncat')
    def test_with_ncat(self):
        port = free_port()
        with self.client(port, 2, 5, 20) as client:
            for _ in range(2):
                until(lambda: run('ncat', '-l', '127.0.0.1', str(port), '--send-only',
                                  input=b'from ncat\n').returncode == 0, 'ncat had a client')
            self.assertEqual(client.process.wait(PATIENCE), 0)
            self.assertEqual(client.lines.count('from ncat'), 2)


per_backend(globals(), ReconnectCases)
