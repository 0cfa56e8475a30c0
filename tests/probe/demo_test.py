# SPDX-License-Identifier: BSL-1.0
"""The demo: four peers of its own, four outcomes, well under three seconds."""
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from driving import per_backend, probe  # noqa

EXPECTED = ['open', 'refused', 'timeout', 'reset']


class DemoCases:
    backend = ''

    def test_text(self):
        ran = probe('demo', '--backend', self.backend)
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        self.assertIn(self.backend, ran.lines[0])
        self.assertEqual(ran.lines[1].split(),
                         ['target', 'peer', 'expected', 'outcome', 'time', 'cause'])
        rows = [re.split(r'  +', line) for line in ran.lines[2:6]]
        self.assertEqual([row[2] for row in rows], EXPECTED, ran)
        self.assertEqual([row[3] for row in rows], EXPECTED, ran)
        self.assertTrue(all(re.fullmatch(r'\d+\.\d ms', row[4]) for row in rows), ran)
        self.assertEqual(rows[2][5], 'the deadline of 500 ms came first')
        self.assertRegex(rows[1][5], 'REFUSED')
        self.assertEqual(ran.lines[6:], ['4 of 4 as expected'])

    def test_object(self):
        ran = probe('--json', 'demo', '--backend', self.backend)
        self.assertEqual((ran.code, ran.err), (0, ''), ran)
        targets = ran.json['targets']
        self.assertEqual([each['expected'] for each in targets], EXPECTED)
        self.assertEqual([each['outcome'] for each in targets], EXPECTED)
        self.assertTrue(all(each['cause'] and each['peer'] for each in targets))
        self.assertEqual(ran.json['run']['command'], 'demo')
        self.assertEqual(ran.json['summary']['exit_code'], 0)
        self.assertGreaterEqual(targets[2]['total_ms'], 500)
        self.assertEqual(targets[3]['error']['phase'], 'receive')
        self.assertGreaterEqual(targets[3]['total_ms'], 50)

    def test_takes_well_under_three_seconds(self):
        took = probe('demo', '--backend', self.backend, '--json').json['summary']['elapsed_ms']
        self.assertLess(took, 2500)

    def test_again_and_again(self):
        for _ in range(3):
            ran = probe('demo', '--backend', self.backend)
            self.assertEqual(ran.code, 0, ran)


per_backend(globals(), DemoCases, unittest.TestCase)


class DemoElsewhere(unittest.TestCase):
    def test_not_on_the_simulated_network(self):
        ran = probe('demo', '--backend', 'sim')
        self.assertEqual((ran.code, ran.out), (7, ''), ran)
        self.assertIn('real sockets', ran.err)

    def test_default_backend(self):
        self.assertEqual(probe('demo').code, 0)
