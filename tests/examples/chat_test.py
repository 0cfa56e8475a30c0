# SPDX-License-Identifier: BSL-1.0
"""The chat example: guests with ncat, and one that reads nothing."""
import pathlib
import signal
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from driving import PATIENCE, WINDOWS, Example, needs, per_backend  # noqa

LINES = 600


class ChatCases:
    backend = ''

    def setUp(self):
        self.chat = Example('--listen', '127.0.0.1:0', '--backend', self.backend)
        self.addCleanup(self.chat.__exit__)
        found = self.chat.saying(r'^listening on 127\.0\.0\.1:(\d+) \((\w+)\)$')
        self.port = int(found[1])

    def guest(self, buffer=0):
        made = socket.socket()
        self.addCleanup(made.close)
        if buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        made.settimeout(PATIENCE)
        made.connect(('127.0.0.1', self.port))
        return made

    @needs('ncat')
    def test_ncat_hears_what_ncat_says(self):
        def guest():
            made = subprocess.Popen(['ncat', '127.0.0.1', str(self.port)], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE)
            self.addCleanup(made.stdout.close)
            self.addCleanup(made.wait)
            self.addCleanup(made.kill)
            return made
        one = guest()
        self.assertEqual(one.stdout.readline(), b'* guest 1 is here\n')
        two = guest()
        self.assertEqual(two.stdout.readline(), b'* guest 2 is here\n')
        self.assertEqual(one.stdout.readline(), b'* guest 2 is here\n')
        one.stdin.write(b'hello\nthere\n')
        one.stdin.flush()
        for each in (one, two):
            self.assertEqual(each.stdout.readline(), b'guest 1: hello\n')
            self.assertEqual(each.stdout.readline(), b'guest 1: there\n')
        one.stdin.close()
        self.assertEqual(two.stdout.readline(), b'* guest 1 has left\n')
        two.stdin.close()
        self.assertEqual(one.wait(PATIENCE), 0)

    def test_a_slow_reader_is_dropped_and_the_others_go_on(self):
        slow = self.guest(buffer=4096)
        talker = self.guest()
        listener = self.guest()
        # In step with those two: neither is one who reads slowly.
        with talker.makefile('rb') as own, listener.makefile('rb') as other:
            self.assertEqual(other.readline(), b'* guest 3 is here\n')
            while own.readline() != b'* guest 3 is here\n':
                pass
            left = 0
            for i in range(LINES):
                line = b'%d %s\n' % (i, b'x' * 1000)
                talker.sendall(line)
                for each in (own, other):
                    heard = each.readline()
                    if heard == b'* guest 1 has left\n':
                        left += 1
                        heard = each.readline()
                    self.assertEqual(heard, b'guest 2: ' + line)
        self.assertEqual(left, 2)
        self.chat.saying('a guest reads too slowly: dropped')
        got = 0
        with self.assertRaises(ConnectionResetError):  # never the end of a whole conversation
            while piece := slow.recv(65536):
                got += len(piece)
        self.assertLess(got, LINES * 1000)
        if not WINDOWS:
            self.chat.send(signal.SIGUSR1)
            self.chat.saying(r'^accepted 3, .*dropped 1, ')

    def test_a_line_without_end_ends_a_guest(self):
        one = self.guest()
        one.sendall(b'x' * 4000)
        got = b''
        while piece := one.recv(65536):
            got += piece
        self.assertEqual(got, b'* guest 1 is here\n')

    def test_an_interrupt_drains(self):
        one = self.guest()
        self.assertEqual(one.recv(100), b'* guest 1 is here\n')
        self.chat.send(signal.SIGINT)
        self.assertEqual(one.recv(100), b'')
        one.close()
        self.assertEqual(self.chat.end(), 0)


if WINDOWS:
    del ChatCases.test_ncat_hears_what_ncat_says  # echo_test.py shows ncat under Wine

per_backend(globals(), ChatCases)
