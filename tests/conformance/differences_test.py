#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The test of the conformance test: it runs with a table that lacks a row, or has one too many,
and must fail and name it. Run by tests/support/run_unittest.py; the words of $THOLE_PROBE are the
command: [wine] EXECUTABLE --backend NAME."""
import os
import pathlib
import subprocess
import tempfile
import unittest

COMMAND = os.environ['THOLE_PROBE'].split('\n')
PLATFORM, OTHER = ('windows', 'posix') if 'iocp' in COMMAND else ('posix', 'windows')
TABLE = pathlib.Path(__file__).with_name('differences.md').read_text(encoding='utf-8')
REASON = 'A sentence that gives a reason.'


def rows_here():
    """The lines of the table that count on this platform, each with its scenario's name."""
    for line in TABLE.splitlines():
        cells = [cell.strip() for cell in line.split('|')[1:-1]]
        if len(cells) == 5 and cells[1] in ('all', PLATFORM):
            yield line, cells[0]


class Differences(unittest.TestCase):
    def play(self, table, cases, *words):
        """Gives the exit code, and what was printed."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, 'differences.md')
            path.write_text(table, encoding='utf-8')
            # Its cases are no record of this run.
            surroundings = {key: value for key, value in os.environ.items()
                            if key != 'THOLE_RECORD'}
            run = subprocess.run(
                [*COMMAND, '--differences', str(path), '--run_test=' + cases,
                 '--catch_system_errors=no', '--color_output=no', *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=300, env=surroundings)
        return run.returncode, run.stdout

    def refused(self, table, cases, *words):
        code, told = self.play(table, cases)
        self.assertNotEqual(code, 0, told)
        self.assertNotIn('unknown', told)  # Boost.Test about a case that there is not
        for word in words:
            self.assertIn(word, told)

    def accepted(self, table, cases):
        code, told = self.play(table, cases)
        self.assertEqual(code, 0, told)
        return told

    def with_row(self, scenario, ours, theirs, platform='all', reason=REASON):
        return f'{TABLE}| {scenario} | {platform} | {ours} | {theirs} | {reason} |\n'

    def test_the_table_as_it_is(self):
        self.accepted(TABLE, 'table')
        names = sorted({name for _, name in rows_here()})
        self.assertGreater(len(names), 8)
        told = self.accepted(TABLE, ':'.join('*/' + name for name in names))
        self.assertIn(f'thole-client/thole-server: {len(names)} scenarios, 0 failed', told)

    def test_each_row_is_needed(self):
        for line, name in rows_here():
            with self.subTest(row=line):
                self.refused(TABLE.replace(line + '\n', ''), '*/' + name,
                             'a difference without a row', name)

    def test_a_row_of_the_other_platform_does_not_count(self):
        line, name = next((line, name) for line, name in rows_here() if '| all |' in line)
        changed = TABLE.replace(line, line.replace('| all |', f'| {OTHER} |'))
        self.refused(changed, '*/' + name, 'a difference without a row', name)

    def test_a_row_that_says_something_else(self):
        line, name = next((line, name) for line, name in rows_here()
                          if name == 'connect_port_zero')
        changed = TABLE.replace(line, line.replace('invalid_argument', 'timed_out'))
        self.refused(changed, '*/' + name, f'stale row "{name}', 'thole no longer differs so',
                     'got "client connect invalid_argument"')

    def test_a_stale_row_of_traces_that_agree(self):
        table = self.with_row('read_what_there_is', "client read ok 'other'",
                              "client read ok 'hello'")
        self.refused(table, '*/read_what_there_is', 'stale row "read_what_there_is',
                     'thole no longer differs so')

    def test_a_stale_row_of_a_line_that_boost_asio_has_not(self):
        table = self.with_row('read_what_there_is', 'client read closed', 'client read cancelled')
        self.refused(table, '*/read_what_there_is', 'stale row "read_what_there_is',
                     'Boost.Asio has no such line')

    def test_a_row_of_no_scenario(self):
        table = self.with_row('no_such_scenario', 'client read closed', 'client read cancelled')
        self.refused(table, 'table', 'stale row "no_such_scenario', 'there is no such scenario')

    def test_a_row_where_its_scenario_does_not_run(self):
        table = self.with_row('read_bytes_then_reset', 'client read closed',
                              'client read connection_reset')
        self.refused(table, 'table', 'stale row "read_bytes_then_reset', 'does not run on windows')

    def test_a_row_counts_on_the_side_of_its_lines_only(self):
        table = self.with_row('read_what_there_is', "client read ok 'other'",
                              "client read ok 'hello'")
        self.accepted(table, 'asio-client_thole-server/read_what_there_is')
        self.refused(table, 'thole-client_asio-server/read_what_there_is', 'stale row')

    def test_rows_that_cannot_be_read(self):
        ours, theirs = 'client read closed', 'client read cancelled'
        name = 'read_what_there_is'
        for table, word in (
                (self.with_row(name, ours, theirs, platform='unix'), 'platform'),
                (self.with_row(name, ours, theirs, reason='because'), 'no sentence'),
                (self.with_row(name, ours, ours), 'the same'),
                (self.with_row(name, ours + '; ' + ours, theirs), 'not as many lines'),
                (self.with_row(name, 'read closed', theirs), 'client or server'),
                (self.with_row(name, 'server read closed', theirs), 'different sides'),
                (f'{TABLE}| {name} | all | {ours} | {theirs} |\n', 'five cells')):
            with self.subTest(word=word):
                self.refused(table, 'table', word)

    def test_a_scenario_that_hangs_fails_with_its_trace(self):
        code, told = self.play(TABLE, '*/connect_pending_until_deadline', '--guard', '0')
        self.assertNotEqual(code, 0, told)
        self.assertIn('(it stopped) it never ended: client connect', told)

    def test_no_table(self):
        run = subprocess.run([*COMMAND, '--differences', '/nowhere/differences.md'],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=300)
        self.assertEqual(run.returncode, 2, run.stdout)
        self.assertIn('cannot read /nowhere/differences.md', run.stdout)


if __name__ == '__main__':
    unittest.main()
