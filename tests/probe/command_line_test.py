# SPDX-License-Identifier: BSL-1.0
"""What the probe makes of its command line: words, refusals, help. Nothing may be sent."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from driving import BACKENDS, COMMAND, FOREIGN, WINDOWS, Listening, Refusing, bound, probe  # noqa

GOOD = '127.0.0.1:9'

# The words after the program, and what the one line on stderr must speak of.
REFUSED = {
    'nonsense': (['check', 'nonsense'], 'no port'),
    'name_without_port': (['check', 'example.net'], 'no port'),
    'name_with_empty_port': (['check', 'example.net:'], 'no port'),
    'name_with_port_0': (['check', 'example.net:0'], 'port 0'),
    'name_with_port_65536': (['check', 'example.net:65536'], '65535'),
    'name_with_port_of_letters': (['check', 'example.net:http'], "'http'"),
    'name_with_blank': (['check', 'example net:80'], 'not an address or a name'),
    'name_with_slash': (['check', 'example.net/:80'], 'not an address or a name'),
    'name_too_long': (['check', 'a.' * 127 + 'a:80'], 'not an address or a name'),
    'name_that_ends_in_a_number': (['check', 'example.7:80'], 'not an address or a name'),
    'address_in_an_old_form': (['check', '0x7f000001:80'], 'not an address or a name'),
    'short_address': (['check', '127.1:80'], 'not an address or a name'),
    'name_in_brackets': (['check', '[localhost]:80'], 'not an address or a name'),
    'no_host': (['check', ':80'], 'not an address or a name'),
    'bad_one_among_good_ones': (['check', GOOD, 'nonsense', GOOD], "'nonsense'"),
    'no_target': (['check'], 'no target'),
    'missing_port': (['check', '127.0.0.1'], 'no port'),
    'empty_port': (['check', '127.0.0.1:'], 'no port'),
    'port_0': (['check', '127.0.0.1:0'], 'port 0'),
    'port_65536': (['check', '127.0.0.1:65536'], '65535'),
    'port_of_letters': (['check', '127.0.0.1:http'], "'http'"),
    'negative_port': (['check', '127.0.0.1:-1'], "'-1'"),
    'ipv6_without_brackets': (['check', '::1:80'], 'brackets'),
    'ipv6_without_port': (['check', '[::1]'], 'brackets|no port'),
    'ipv4_of_five': (['check', '1.2.3.4.5:80'], 'not an address'),
    'ipv4_out_of_range': (['check', '1.2.3.256:80'], 'not an address'),
    'empty_target': (['check', ''], 'no port|not an address'),
    'control_characters': (['check', 'a\x1b[31m\nb:1'], 'not an address'),
    'bare_timeout': (['check', GOOD, '-t', '3'], 'did you mean 3s'),
    'bare_hold': (['check', GOOD, '--hold', '0.5'], 'did you mean 0.5s'),
    'negative_timeout': (['check', GOOD, '-t', '-3s'], 'not a duration'),
    'zero_timeout': (['check', GOOD, '-t', '0s'], 'more than nothing'),
    'empty_timeout': (['check', GOOD, '-t', ''], 'not a duration'),
    'odd_unit': (['check', GOOD, '-t', '3 fortnights'], 'not a duration'),
    'two_points': (['check', GOOD, '-t', '1.5.2s'], 'not a duration'),
    'huge_timeout': (['check', GOOD, '-t', '99999999999999999999h'], 'too long'),
    'timeout_without_value': (['check', GOOD, '-t'], 'timeout'),
    'unknown_backend': (['--backend', 'kqueue', 'check', GOOD], "'kqueue'"),
    'unknown_backend_after': (['check', GOOD, '--backend', 'kqueue'], "'kqueue'"),
    'backend_without_value': (['check', GOOD, '--backend'], 'backend'),
    'unknown_option': (['check', GOOD, '--frob'], '--frob'),
    'unknown_global_option': (['--frob', 'check', GOOD], '--frob'),
    'unknown_command': (['ping', '--json'], "'ping'"),
    'demo_with_argument': (['demo', GOOD], 'demo takes no argument'),
    'demo_with_unknown_option': (['demo', '--hold', '3s'], '--hold'),
    'target_without_command': ([GOOD], f'did you mean `thole-probe check {GOOD}`'),
    'ipv6_without_command': (['[::1]:80'], r'did you mean `thole-probe check \[::1\]:80`'),
    'name_without_command': (['example.net:80'], 'did you mean `thole-probe check example.net:80`'),
    'target_before_option': (['1.2.3.4:80', '--json'], 'thole-probe check 1.2.3.4:80`'),
}


class Refusals(unittest.TestCase):
    def refuse(self, words, expected):
        ran = probe(*words)
        self.assertEqual(ran.code, 2, ran)
        self.assertEqual(ran.out, '', ran)
        self.assertEqual(ran.err.count('\n'), 1, ran)
        self.assertTrue(ran.err.startswith('thole-probe: '), ran)
        self.assertTrue(ran.err.isprintable() or ran.err[:-1].isprintable(), repr(ran.err))
        self.assertRegex(ran.err, expected)

    def test_nothing_is_sent(self):
        with bound() as door:
            door.listen(8)
            door.setblocking(False)
            good = '127.0.0.1:%d' % door.getsockname()[1]
            for words in (['nonsense'], ['-t', '3'], ['--backend', 'kqueue'], ['--frob']):
                self.assertEqual(probe('check', good, *words).code, 2)
            with self.assertRaises(BlockingIOError):
                door.accept()


def add_refusals():
    for name, (words, expected) in REFUSED.items():
        def case(self, words=words, expected=expected):
            self.refuse(words, expected)
        setattr(Refusals, 'test_' + name, case)


add_refusals()


class Help(unittest.TestCase):
    def help(self, *words):
        ran = probe(*words)
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        # People look for an example first.
        self.assertLess(ran.out.index('Examples:'), ran.out.index('Options'), ran)
        self.assertTrue(all(len(line) <= 100 for line in ran.lines), ran)
        return ran.out

    def test_help(self):
        text = self.help('--help')
        for word in ('check', 'demo', '--backend', '--json', '--help', '--version', 'Exit codes'):
            self.assertIn(word, text)
        self.assertEqual(self.help('-h'), text)

    def test_help_of_check(self):
        text = self.help('check', '--help')
        for word in ('--timeout', '-t', '--hold', '--backend', '--json', 'closed-early', '250ms'):
            self.assertIn(word, text)
        self.assertEqual(self.help('--help', 'check'), text)

    def test_help_of_demo(self):
        self.assertIn('four loopback peers', self.help('demo', '-h'))

    def test_help_comes_before_complaints(self):
        self.help('check', 'nonsense', '--frob', '--help')

    def test_no_command(self):
        ran = probe()
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertIn('Examples:', ran.err)

    def test_only_globals(self):
        ran = probe('--json', '--backend', BACKENDS[0])
        self.assertEqual((ran.code, ran.out), (2, ''), ran)
        self.assertIn('Examples:', ran.err)

    def test_version(self):
        ran = probe('--version')
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        self.assertRegex(ran.out, r'\Athole-probe \d+\.\d+\.\d+\n\Z')
        self.assertEqual(probe('-V').out, ran.out)

    def test_version_as_json(self):
        ran = probe('--version', '--json')
        self.assertEqual(ran.code, 0, ran)
        self.assertEqual(ran.json['schema'], 1)
        self.assertRegex(ran.json['version'], r'\A\d+\.\d+\.\d+\Z')


class Globals(unittest.TestCase):
    def places(self, *option):
        """The same answer wherever a global option stands."""
        with Refusing() as peer:
            for words in ([*option, 'check', peer.name], ['check', *option, peer.name],
                          ['check', peer.name, *option],
                          ['check', '-t', '2s', *option, '--', peer.name]):
                with self.subTest(words):
                    ran = probe(*words)
                    self.assertEqual((ran.code, ran.err), (4, ''), ran)
                    yield ran

    def test_json_anywhere(self):
        for ran in self.places('--json'):
            self.assertEqual(ran.json['targets'][0]['outcome'], 'refused')

    def test_backend_anywhere(self):
        for backend in BACKENDS:
            for ran in self.places('--backend', backend):
                self.assertTrue(ran.out.startswith('refused '), ran)

    def test_backend_with_equals_sign(self):
        for ran in self.places('--backend=' + BACKENDS[-1], '--json'):
            self.assertEqual(ran.json['run']['backend'], BACKENDS[-1])

    def test_auto_backend(self):
        for ran in self.places('--backend', 'auto', '--json'):
            self.assertEqual(ran.json['run']['backend'], BACKENDS[0])

    def test_durations(self):
        for text, ms in (('250ms', 250), ('3s', 3000), ('1.5s', 1500), ('2m', 120000),
                         ('.5s', 500), ('1h', 3600000)):
            with Refusing() as peer, self.subTest(text):
                run = probe('check', peer.name, '-t', text, '--json').json['run']
                self.assertEqual((run['timeout_ms'], run['hold_ms']), (ms, None))

    def test_between_targets(self):
        with Refusing() as one, Refusing() as other:
            ran = probe('check', one.name, '--json', '-t', '2s', other.name)
            self.assertEqual([each['target']['input'] for each in ran.json['targets']],
                             [one.name, other.name])


class Backends(unittest.TestCase):
    def test_one_that_is_not_there(self):
        with Listening() as peer:
            ran = probe('check', peer.name, '--backend', FOREIGN)
            self.assertEqual((ran.code, ran.out), (7, ''), ran)
            self.assertEqual(ran.err.count('\n'), 1, ran)
            self.assertIn(FOREIGN, ran.err)
            self.assertEqual(peer.clients, [])

    def test_one_that_is_not_there_as_json(self):
        ran = probe('check', GOOD, '--backend', FOREIGN, '--json')
        self.assertEqual(ran.code, 7, ran)
        self.assertIn(ran.json['run']['reason'], ran.err)
        self.assertIsNone(ran.json['run']['backend'])
        self.assertEqual(ran.json['targets'][0]['outcome'], 'local-error')
        self.assertEqual(ran.json['summary']['exit_code'], 7)

    def test_demo_on_one_that_is_not_there(self):
        ran = probe('demo', '--backend', FOREIGN)
        self.assertEqual((ran.code, ran.out), (7, ''), ran)

    def test_a_wish_falls_back(self):
        with Refusing() as peer:
            ran = probe('check', peer.name, '--json', env={**os.environ, 'THOLE_BACKEND': FOREIGN})
            self.assertEqual(ran.code, 4, ran)
            self.assertEqual(ran.json['run']['backend'], BACKENDS[0])
            self.assertIn(FOREIGN, ran.json['run']['reason'])

    def test_the_default_is_the_first(self):
        with Refusing() as peer:
            run = probe('check', peer.name, '--json').json['run']
            self.assertEqual(run['backend'], BACKENDS[0])
            self.assertTrue(run['reason'])

    def test_the_simulated_network(self):
        ran = probe('check', '192.0.2.1:80', '[2001:db8::1]:80', '--backend', 'sim', '--json')
        self.assertIn(ran.code, (4, 5, 6), ran)
        self.assertEqual(ran.json['run']['backend'], 'sim')
        self.assertNotIn('open', ran.json['summary']['by_outcome'])

    @unittest.skipIf(WINDOWS, 'a POSIX device')
    def test_a_result_that_cannot_be_written(self):
        with Refusing() as peer, open('/dev/full', 'wb') as full:
            import subprocess
            done = subprocess.run([*COMMAND, 'check', peer.name], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 7)
            self.assertIn(b'stdout', done.stderr)
