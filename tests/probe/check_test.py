# SPDX-License-Identifier: BSL-1.0
"""Every outcome of `thole-probe check`, on every backend, against plain sockets."""
import datetime
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from driving import (WINDOWS, Listening, Refusing, Silent, finish, greet, has_ipv6,  # noqa
                     per_backend, probe, reset)

TARGET_KEYS = ['target', 'outcome', 'remote', 'local', 'dns_ms', 'connect_ms', 'total_ms',
               'tls_ms', 'first_byte_ms', 'kernel', 'error', 'attempts']
ATTEMPT_KEYS = ['remote', 'outcome', 'took_ms', 'name']
ERROR_KEYS = ['outcome', 'category', 'value', 'name', 'message', 'phase']


class CheckCases:
    backend = ''

    def check(self, *words, **more):
        return probe('--backend', self.backend, 'check', *words, **more)

    def one(self, outcome, code, *words):
        """One target, twice: the row for people says what the object for programs says."""
        ran = self.check(*words, '--json')
        self.assertEqual((ran.code, ran.err), (code, ''), ran)
        self.assertEqual(len(ran.json['targets']), 1)
        self.assertEqual(ran.json['run']['backend'], self.backend)
        self.assertEqual(ran.json['summary']['exit_code'], code)
        found = ran.json['targets'][0]
        self.assertEqual(list(found), TARGET_KEYS)
        self.assertEqual(found['outcome'], outcome, ran)
        if outcome == 'open':
            self.assertIsNone(found['error'])
        else:
            self.assertEqual(list(found['error']), ERROR_KEYS)
            self.assertEqual(found['error']['outcome'], outcome)
        text = self.check(*words)
        self.assertEqual((text.code, text.err), (code, ''), text)
        self.assertEqual(len(text.lines), 1, text)
        self.assertRegex(text.out, rf'\A{outcome} +{words[0].replace("[", ".")} +\d+\.\d ms')
        found['row'] = text.out
        return found

    def test_open(self):
        with Listening() as peer:
            found = self.one('open', 0, peer.name)
        self.assertEqual(found['remote'], peer.name)
        self.assertRegex(found['local'], r'\A127\.0\.0\.1:\d+\Z')
        self.assertGreaterEqual(found['connect_ms'], 0)
        self.assertEqual(found['total_ms'], found['connect_ms'])
        self.assertIsNone(found['first_byte_ms'])

    def test_refused(self):
        with Refusing() as peer:
            found = self.one('refused', 4, peer.name)
        self.assertIn('nothing listens on ' + peer.name.split(':')[1], found['row'])
        self.assertIn('REFUSED', found['error']['name'])
        self.assertEqual(found['error']['phase'], 'connect')
        self.assertEqual(found['error']['category'], 'winsock' if WINDOWS else 'errno')
        self.assertEqual(found['remote'], peer.name)
        self.assertIsNone(found['connect_ms'])

    def test_timeout(self):
        with Silent() as peer:
            found = self.one('timeout', 5, peer.name, '-t', '300ms')
        self.assertIn('no answer in 300 ms', found['row'])
        self.assertEqual(found['error']['category'], 'thole')
        self.assertEqual(found['error']['name'], 'deadline_reached')
        self.assertGreaterEqual(found['total_ms'], 300)
        self.assertLess(found['total_ms'], 2900)  # not the default of 3 s

    def by_name(self, outcome, code, *words):
        """The same for a name, whose rows are several."""
        ran = self.check(*words, '--json')
        self.assertEqual((ran.code, ran.err), (code, ''), ran)
        found = ran.json['targets'][0]
        self.assertEqual(list(found), TARGET_KEYS)
        self.assertEqual(found['outcome'], outcome, ran)
        self.assertIsNotNone(found['dns_ms'])
        self.assertGreaterEqual(found['dns_ms'], 0)
        self.assertGreaterEqual(found['total_ms'], found['dns_ms'])
        for each in found['attempts']:
            self.assertEqual(list(each), ATTEMPT_KEYS)
            self.assertGreaterEqual(each['took_ms'], 0)
        text = self.check(*words)
        self.assertEqual((text.code, text.err), (code, ''), text)
        self.assertRegex(text.lines[0], rf'\A{outcome} +{words[0]} +\d+\.\d ms .*name \d+\.\d ms\Z')
        found['rows'] = text.lines[1:]
        return found

    def test_name_open(self):
        with Listening() as peer:
            port = peer.name.split(':')[1]
            found = self.by_name('open', 0, 'localhost:' + port)
        self.assertEqual(found['target'], {'input': 'localhost:' + port, 'host': 'localhost',
                                           'port': int(port)})
        self.assertEqual(found['remote'], peer.name)
        self.assertIsNone(found['error'])
        self.assertGreaterEqual(found['connect_ms'], 0)
        self.assertGreaterEqual(found['total_ms'], found['connect_ms'])
        # ::1 comes first, where nobody listens.
        self.assertEqual([each['remote'] for each in found['attempts']],
                         ['[::1]:' + port, peer.name])
        self.assertNotEqual(found['attempts'][0]['outcome'], 'open')
        self.assertEqual(found['attempts'][1]['outcome'], 'open')
        self.assertIn('[::1]:' + port, found['rows'][0])
        self.assertEqual(found['rows'][1].split(), ['open', peer.name])

    def test_name_refused(self):
        with Refusing() as peer:
            port = peer.name.split(':')[1]
            found = self.by_name('refused', 4, 'localhost:' + port)
        self.assertEqual(found['error']['phase'], 'connect')
        self.assertEqual(len(found['attempts']), 2)
        self.assertEqual(found['attempts'][1]['outcome'], 'refused')
        self.assertIn('REFUSED', found['attempts'][1]['name'])
        self.assertEqual(found['remote'], peer.name)
        self.assertEqual(len(found['rows']), 2)

    def test_name_not_found(self):
        found = self.by_name('dns-not-found', 3, 'example.invalid:80')
        self.assertEqual((found['error']['phase'], found['error']['name']),
                         ('resolve', 'name_not_found'))
        self.assertEqual((found['attempts'], found['remote']), ([], None))
        self.assertIsNone(found['connect_ms'])
        self.assertEqual(found['rows'], [])

    def test_name_unknown_to_the_system(self):
        ran = self.check('no-such-name-of-thole.example:80', '-t', '30s', '--json')
        found = ran.json['targets'][0]
        self.assertIn(found['outcome'], ('dns-not-found', 'dns-temporary', 'timeout'), ran)
        self.assertEqual(ran.code, 5 if found['outcome'] == 'timeout' else 3, ran)
        self.assertEqual(found['error']['phase'], 'resolve')

    def test_name_timeout(self):
        # On the loopback address a name has two addresses; the silent one is the second.
        with Silent() as peer:
            found = self.by_name('timeout', 5, 'localhost:' + peer.name.split(':')[1],
                                 '-t', '300ms')
        self.assertEqual(found['error']['name'], 'deadline_reached')
        self.assertGreaterEqual(found['total_ms'], 300)
        self.assertEqual(found['attempts'][-1]['outcome'], 'timeout')

    def test_two_names_two_causes(self):
        ran = self.check('localhost:1', 'example.invalid:80', '-t', '2s')
        self.assertEqual((ran.code, ran.err), (1, ''), ran)
        self.assertTrue(ran.lines[0].startswith('refused '), ran)
        self.assertRegex(ran.out, r'(?m)^dns-not-found +example\.invalid:80 ')
        self.assertEqual(ran.lines[-1], '0 of 2 open')

    def test_every_name_unknown(self):
        ran = self.check('a.invalid:80', 'b.invalid:80', '--json')
        self.assertEqual(ran.code, 3, ran)
        self.assertEqual(ran.json['summary']['by_outcome'], {'dns-not-found': 2})

    def test_numbers_have_no_resolution_time(self):
        with Listening() as one, Refusing() as other:
            ran = self.check(one.name, other.name, '--json')
        self.assertEqual([each['dns_ms'] for each in ran.json['targets']], [None, None])
        self.assertEqual([[each['outcome'] for each in one['attempts']]
                          for one in ran.json['targets']], [['open'], ['refused']])

    def test_name_held(self):
        with Listening(finish, 0.1) as peer:
            found = self.by_name('closed-early', 8, 'localhost:' + peer.name.split(':')[1],
                                 '--hold', '5s')
        self.assertEqual(found['error']['phase'], 'receive')

    def test_reset_while_held(self):
        with Listening(reset, 0.1) as peer:
            found = self.one('reset', 4, peer.name, '--hold', '5s')
        self.assertEqual(found['error']['phase'], 'receive')
        self.assertGreaterEqual(found['total_ms'], found['connect_ms'])
        self.assertLess(found['total_ms'], 4000)

    def test_closed_early(self):
        with Listening(finish, 0.1) as peer:
            found = self.one('closed-early', 8, peer.name, '--hold', '5s')
        self.assertEqual(found['error']['name'], 'end_of_stream')
        self.assertEqual(found['error']['phase'], 'receive')
        self.assertLess(found['total_ms'], 4000)

    def test_first_byte(self):
        with Listening(greet, 0.1) as peer:
            found = self.one('open', 0, peer.name, '--hold', '5s')
        self.assertGreaterEqual(found['first_byte_ms'], found['connect_ms'])
        self.assertLess(found['total_ms'], 4000)
        self.assertIn('first byte after', found['row'])

    def test_quiet_while_held(self):
        with Listening() as peer:
            found = self.one('open', 0, peer.name, '--hold', '200ms')
        self.assertIsNone(found['first_byte_ms'])
        self.assertGreaterEqual(found['total_ms'], 200)
        self.assertIn('quiet for 200 ms', found['row'])

    def test_reset_without_hold_is_open(self):
        with Listening(reset, 0.1) as peer:
            self.one('open', 0, peer.name)

    def test_unreachable(self):
        # The one address to which every machine refuses to send TCP by itself.
        ran = self.check('255.255.255.255:80', '-t', '1s', '--json')
        found = ran.json['targets'][0]
        if found['outcome'] not in ('net-unreachable', 'host-unreachable'):
            self.skipTest('this system says ' + str(found['error']))
        self.assertEqual(ran.code, 6, ran)
        self.assertLess(found['total_ms'], 900)

    @unittest.skipUnless(has_ipv6(), 'this machine has no ::1')
    def test_ipv6(self):
        with Listening(host='::1') as peer:
            found = self.one('open', 0, peer.name)
        self.assertEqual(found['remote'], peer.name)
        self.assertEqual(found['target']['host'], '::1')
        self.assertRegex(found['local'], r'\A\[::1\]:\d+\Z')

    def test_unspecified_address_is_loopback(self):
        with Listening() as peer:
            found = self.one('open', 0, '0.0.0.0:' + peer.name.split(':')[1])
        self.assertEqual(found['remote'], peer.name)

    def test_all_open(self):
        with Listening() as one, Listening() as other:
            ran = self.check(one.name, other.name)
        self.assertEqual(ran.code, 0, ran)
        self.assertEqual(ran.lines[-1], '2 of 2 open')

    def test_some_open(self):
        with Listening() as one, Refusing() as other:
            ran = self.check(one.name, other.name)
        self.assertEqual(ran.code, 1, ran)
        self.assertEqual([line.split()[:2] for line in ran.lines[:2]],
                         [['open', one.name], ['refused', other.name]])
        self.assertEqual(ran.lines[2], '1 of 2 open')

    def test_mixed_failures(self):
        with Refusing() as one, Silent() as other:
            ran = self.check(one.name, other.name, '-t', '300ms')
        self.assertEqual(ran.code, 1, ran)
        self.assertEqual(ran.lines[-1], '0 of 2 open')

    def test_refused_and_reset_are_one_kind(self):
        with Refusing() as one, Listening(reset, 0.1) as other:
            ran = self.check(one.name, other.name, '--hold', '3s')
        self.assertEqual(ran.code, 4, ran)

    def test_in_parallel(self):
        with Silent() as silent, Listening() as open_one:
            names = [silent.name] * 8 + [open_one.name]
            ran = self.check(*names, '-t', '500ms', '--json')
        self.assertEqual(ran.code, 1, ran)
        self.assertLess(ran.json['summary']['elapsed_ms'], 8 * 500 / 2)
        times = [each['total_ms'] for each in ran.json['targets']]
        self.assertLess(times[-1], min(times[:-1]))  # it did not wait for the others
        self.assertEqual(ran.json['summary']['by_outcome'], {'timeout': 8, 'open': 1})

    def test_many(self):
        with Listening() as one, Refusing() as other:
            ran = self.check(*[one.name, other.name] * 30, '--json')
        self.assertEqual(ran.code, 1, ran)
        self.assertEqual(ran.json['summary']['by_outcome'], {'open': 30, 'refused': 30})

    def test_columns(self):
        with Listening() as one, Refusing() as other, Silent() as third:
            ran = self.check('0.0.0.0:' + one.name.split(':')[1], other.name, third.name,
                             '-t', '1200ms')
        rows = ran.lines[:3]
        self.assertEqual({row.index(row.split()[1]) for row in rows}, {len('timeout') + 2}, ran)
        self.assertEqual(len({row.index(' ms') for row in rows}), 1, ran)
        self.assertEqual(ran.lines[-1], '1 of 3 open')

    @unittest.skipIf(WINDOWS, 'no limit of descriptors there')
    def test_no_descriptor_left(self):
        import resource

        def narrow():
            resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
        with Silent() as peer:
            ran = self.check(*[peer.name] * 40, '-t', '300ms', '--json', preexec_fn=narrow)
        by_outcome = ran.json['summary']['by_outcome']
        self.assertEqual(set(by_outcome), {'timeout', 'local-error'}, ran)
        self.assertEqual(sum(by_outcome.values()), 40)
        self.assertIn('EMFILE', [(each['error'] or {}).get('name') for each in ran.json['targets']])
        self.assertEqual(ran.code, 1, ran)

    def test_object(self):
        with Listening() as one, Refusing() as other:
            ran = self.check(one.name, other.name, '-t', '2s', '--hold', '50ms', '--json')
        got = ran.json
        self.assertEqual(list(got), ['schema', 'run', 'targets', 'summary'])
        self.assertEqual(got['schema'], 1)
        run = got['run']
        self.assertEqual((run['tool'], run['command'], run['backend']),
                         ('thole-probe', 'check', self.backend))
        self.assertEqual((run['timeout_ms'], run['hold_ms']), (2000, 50))
        self.assertTrue(run['reason'])
        when = datetime.datetime.strptime(run['time'], '%Y-%m-%dT%H:%M:%S.%fZ')
        self.assertLess(abs((datetime.datetime.utcnow() - when).total_seconds()), 60)
        host, port = one.name.split(':')
        self.assertEqual(got['targets'][0]['target'],
                         {'input': one.name, 'host': host, 'port': int(port)})
        summary = got['summary']
        self.assertEqual((summary['targets'], summary['open'], summary['failed']), (2, 1, 1))
        self.assertGreaterEqual(summary['elapsed_ms'], 50)


per_backend(globals(), CheckCases, unittest.TestCase)
