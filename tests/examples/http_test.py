# SPDX-License-Identifier: BSL-1.0
"""The http example with curl and wrk."""
import os
import pathlib
import signal
import socket
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from driving import WINDOWS, Example, needs, per_backend, run, unread, until  # noqa


def setUpModule():
    """A folder with files, one secret beside it."""
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    HttpCases.root = root = pathlib.Path(folder.name, 'root')
    (root / 'folder').mkdir(parents=True)
    (pathlib.Path(folder.name) / 'secret').write_text('secret', encoding='utf-8')
    (root / 'large').write_bytes(os.urandom(3_000_000))
    (root / 'small.txt').write_bytes(b'hello\r\n' * 100)
    (root / 'empty').touch()
    (root / 'folder' / 'index.html').write_text('<p>index', encoding='utf-8')
    (root / 'a b%c.txt').write_text('percent', encoding='utf-8')
    if not WINDOWS:  # Wine follows a link without telling
        (root / 'link').symlink_to('../secret')


class HttpCases:
    backend = ''
    root = None

    def setUp(self):
        self.http = Example('--root', str(self.root), '--listen', '127.0.0.1:0',
                            '--backend', self.backend)
        self.addCleanup(self.http.__exit__)
        found = self.http.saying(r'^listening on (127\.0\.0\.1:(\d+)) \((\w+)\)$')
        self.url, self.port = f'http://{found[1]}/', int(found[2])
        self.assertEqual(found[3], self.backend)

    def curl(self, *words):
        """(status codes, what came)."""
        done = run('curl', '-sS', '--path-as-is', '--max-time', '30',
                   '-w', '%{stderr}%{http_code} %{num_connects}\n', *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr.decode().splitlines(), done.stdout

    def exchange(self, request):
        """What a client gets that sends bytes and then reads to the end."""
        with socket.create_connection(('127.0.0.1', self.port), 30) as client:
            client.sendall(request)
            got = b''
            while piece := client.recv(65536):
                got += piece
        return got

    @needs('curl')
    def test_files_arrive_byte_for_byte(self):
        for name in ('large', 'small.txt', 'empty'):
            said, got = self.curl(self.url + name)
            self.assertEqual(said, ['200 1'])
            self.assertEqual(got, (self.root / name).read_bytes())
        self.assertEqual(self.curl(self.url + 'a%20b%25c.txt?q')[1], b'percent')
        self.assertEqual(self.curl(self.url + 'folder/')[1], b'<p>index')

    @needs('curl')
    def test_types_and_lengths(self):
        head = self.curl('-I', self.url + 'small.txt')[1].decode()
        self.assertIn('HTTP/1.1 200 OK\r\n', head)
        self.assertIn('Content-Type: text/plain; charset=utf-8\r\n', head)
        self.assertIn('Content-Length: 700\r\n', head)
        head = self.curl('-I', self.url + 'folder/index.html')[1].decode()
        self.assertIn('Content-Type: text/html; charset=utf-8\r\n', head)

    @needs('curl')
    def test_a_connection_is_kept(self):
        name = self.url + 'small.txt'
        said, got = self.curl(name, '-w', '%{stderr}%{http_code} %{num_connects}\n', name)
        self.assertEqual([line.split()[0] for line in said], ['200', '200'])
        self.assertEqual(sum(int(line.split()[1]) for line in said), 1, 'one connection for both')
        self.assertEqual(len(got), 1400)

    @needs('curl')
    def test_a_connection_is_closed_when_asked(self):
        name = self.url + 'small.txt'
        said, _ = self.curl('-H', 'Connection: close', name, name)
        self.assertEqual(sum(int(line.split()[1]) for line in said), 2)
        got = self.exchange(b'GET /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
        self.assertIn(b'Connection: close\r\n', got)

    @needs('curl')
    def test_what_is_refused(self):
        for path, status in (('none', '404'), ('../secret', '403'), ('folder/../../secret', '403'),
                             ('%2e%2e/secret', '403'), ('..%2fsecret', '400'),
                             ('small.txt%00', '400'), ('..%5csecret', '404'), ('x' * 3000, '414'),
                             ('', '403')):
            self.assertEqual(self.curl(self.url + path)[0], [status + ' 1'], path)
        if not WINDOWS:
            self.assertEqual(self.curl(self.url + 'link')[0], ['403 1'])
        self.assertEqual(self.curl('-X', 'DELETE', self.url)[0], ['405 1'])
        self.assertEqual(self.curl('-X', 'BREW', self.url)[0], ['501 1'])
        self.assertEqual(self.curl('-H', 'X: ' + 'a' * 9000, self.url)[0], ['431 1'])
        self.assertEqual(self.curl('-X', 'GET', '-H', 'Content-Length: 70000', self.url,
                                   '-H', 'Expect: 100-continue', '-d', 'a')[0], ['413 1'])

    def test_pipelined_and_byte_by_byte(self):
        one = b'GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n'
        last = b'GET /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
        got = self.exchange(one * 20 + last)
        self.assertEqual(got.count(b'HTTP/1.1 200 OK\r\n'), 21)
        self.assertEqual(got.count((self.root / 'small.txt').read_bytes()), 20)
        with socket.create_connection(('127.0.0.1', self.port), 30) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(one)):
                client.sendall(one[i:i + 1])
            self.assertTrue(client.recv(65536).startswith(b'HTTP/1.1 200 OK\r\n'))

    @needs('curl')
    def test_an_interrupt_ends_the_idle_and_waits_for_the_busy(self):
        idle = socket.create_connection(('127.0.0.1', self.port), 30)
        busy = socket.create_connection(('127.0.0.1', self.port), 30)
        with idle, busy:
            for each in (idle, busy):
                each.sendall(b'GET /empty HTTP/1.1\r\nHost: a\r\n\r\n')
                self.assertIn(b'Connection: keep-alive', each.recv(4096))
            busy.sendall(b'GET /large HTTP/1.1\r\nHo')  # half of a request: it has begun
            until(lambda: unread(self.port) == 0, 'it was read')
            self.http.send(signal.SIGINT)
            self.http.saying('^draining')
            self.assertEqual(idle.recv(1), b'')
            idle.close()
            busy.sendall(b'st: a\r\n\r\n')
            got = b''
            while piece := busy.recv(65536):
                got += piece
            head, _, body = got.partition(b'\r\n\r\n')
            self.assertIn(b'Connection: close', head)
            self.assertEqual(body, (self.root / 'large').read_bytes())
            busy.close()
            self.assertEqual(self.http.end(), 0)
        self.assertIn('drained: 1 idle, 1 finished, 0 aborted', self.http.lines)

    @needs('wrk')
    def test_wrk_sees_no_error(self):
        done = run('wrk', '-t1', '-c64', '-d1s', self.url + 'small.txt').stdout.decode()
        self.assertRegex(done, r'[1-9]\d* requests in')
        self.assertNotIn('Socket errors', done)
        self.assertNotIn('Non-2xx', done)


if WINDOWS:
    del HttpCases.test_wrk_sees_no_error  # a second of Wine's own speed shows nothing more

per_backend(globals(), HttpCases)


class Words(unittest.TestCase):
    def test_what_makes_no_sense(self):
        for words, code in ((['--help'], 0), (['--no-such'], 2), (['--root', '/no/such/folder'], 1),
                            (['--listen', 'nowhere'], 1)):
            with Example(*words) as http:
                self.assertEqual(http.process.wait(60), code, words)
