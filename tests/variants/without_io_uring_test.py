#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The suites for io_uring on a machine that forbids it: each case is skipped and says why; none
fails, and none passes that had no ring. Run by tests/support/run_unittest.py; the words of
$THOLE_PROBE are: WRAPPER, then each suite as NAME=EXECUTABLE."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

WRAPPER, *SUITES = os.environ['THOLE_PROBE'].split('\n')
DIFFERENCES = pathlib.Path(__file__).parents[1] / 'conformance' / 'differences.md'


class WithoutIoUring(unittest.TestCase):
    def rows_of(self, name, executable):
        """What the suite recorded of its cases' ends."""
        words = ['--differences', str(DIFFERENCES)] if name == 'conformance' else []
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run(
                [WRAPPER, executable, '--suite', name, '--backend', 'io_uring', *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=120, env={**os.environ, 'THOLE_RECORD': folder})
            if run.returncode == 77:
                self.skipTest(run.stdout.strip())
            self.assertEqual(run.returncode, 0, run.stdout)
            records = list(pathlib.Path(folder).iterdir())
            self.assertEqual(len(records), 1, records)
            rows = [json.loads(line) for line in records[0].read_text('utf-8').splitlines()]
        return [row for row in rows if row['result'] != 'started']

    def test_each_case_is_skipped_and_says_why(self):
        for name, executable in (word.split('=', 1) for word in SUITES):
            with self.subTest(suite=name):
                rows = [row for row in self.rows_of(name, executable)
                        if row['case'] != 'differences.md']  # it needs no backend
                self.assertGreater(len(rows), 10)
                for row in rows:
                    self.assertEqual(row['result'], 'skipped', row)
                    self.assertIn('io_uring cannot be had here', row['reason'])


if __name__ == '__main__':
    unittest.main()
