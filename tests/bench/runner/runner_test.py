# SPDX-License-Identifier: BSL-1.0
"""What the table says is only as good as this: medians, intervals, pairs, parsing, verdicts."""
import contextlib
import io
import json
import math
import pathlib
import random
import stat
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import bench
from runner import (compile_cost, counting, growth, kept, paired, peers, report, verdicts,
                    workloads)


class Intervals(unittest.TestCase):
    def test_ranks_of_the_tables(self):
        # Order statistics of the median, 95 %: the ranks that textbooks print.
        for n, rank in ((5, 0), (6, 1), (8, 1), (9, 2), (12, 3), (20, 6), (25, 8), (50, 18)):
            with self.subTest(n=n):
                self.assertEqual(paired.interval_rank(n), rank)

    def test_each_rank_is_the_largest_that_covers(self):
        for n in range(6, 80):
            rank = paired.interval_rank(n)
            outside = [2 * sum(math.comb(n, i) for i in range(k)) / 2 ** n
                       for k in (rank, rank + 1)]
            self.assertLessEqual(outside[0], 0.05)
            self.assertGreater(outside[1], 0.05)

    def test_the_true_median_is_inside_in_95_of_100(self):
        numbers = random.Random(7)
        inside = 0
        for _ in range(2000):
            estimate = paired.Estimate([numbers.expovariate(1) for _ in range(25)])
            inside += estimate.low <= math.log(2) <= estimate.high
        self.assertGreater(inside, 1900)

    def test_median_and_ends(self):
        estimate = paired.Estimate([9, 1, 8, 2, 7, 3, 6, 4, 5])
        self.assertEqual((estimate.median, estimate.low, estimate.high), (5, 2, 8))
        self.assertEqual(paired.Estimate([4, 1]).median, 2.5)

    def test_few_values_have_no_interval(self):
        estimate = paired.Estimate([3, 1, 2])
        self.assertIsNone(estimate.low)
        self.assertEqual(estimate.lower_end, 2)


class Ratios(unittest.TestCase):
    def test_only_rounds_that_both_have(self):
        self.assertEqual(paired.ratios({0: 2, 1: 9, 3: 8}, {0: 1, 2: 5, 3: 4}), [2, 2])

    def test_the_median_of_ratios_not_the_ratio_of_medians(self):
        # Every round was half as busy as the one before; the pairs do not mind.
        slow = {i: 3.0 / 2 ** i for i in range(9)}
        fast = {i: 1.0 / 2 ** i for i in range(9)}
        estimate = paired.ratio(slow, fast)
        self.assertEqual((estimate.median, estimate.low, estimate.high), (3, 3, 3))

    def test_nothing_is_divided_by_zero(self):
        self.assertIsNone(paired.ratio({0: 1.0}, {0: 0.0}))


def table_of(thole, raw):
    table = verdicts.Table()
    for i, (own, other) in enumerate(zip(thole, raw)):
        table.add('row', 'thole', i, own)
        table.add('row', 'raw_epoll', i, other)
    return table


class Verdicts(unittest.TestCase):
    ratio = workloads.Figure('row', 'thole', 1.03, 'raw_epoll')

    def test_reached_by_the_lower_end(self):
        # The median is above the figure, the eighth of 25 is not.
        values = [1.02] * 8 + [1.06] * 17
        verdict = table_of(values, [1.0] * 25).judge(self.ratio)
        self.assertTrue(verdict.reached and verdict.sure)
        self.assertIn('reached', str(verdict))

    def test_missed_when_the_lower_end_is_above(self):
        values = [1.02] * 7 + [1.06] * 18
        verdict = table_of(values, [1.0] * 25).judge(self.ratio)
        self.assertFalse(verdict.reached)
        self.assertIn('MISSED', str(verdict))

    def test_few_rounds_are_said(self):
        verdict = table_of([1.0] * 24, [1.0] * 24).judge(self.ratio)
        self.assertTrue(verdict.reached)
        self.assertFalse(verdict.sure)
        self.assertIn('too few rounds', str(verdict))

    def test_values_are_judged_like_ratios(self):
        table = table_of([14, 14, 16, 16, 16, 16, 16], [1] * 7)
        self.assertTrue(table.judge(workloads.Figure('row', 'thole', 14)).reached)
        self.assertFalse(table.judge(workloads.Figure('row', 'thole', 13.9)).reached)

    def test_no_value_no_verdict(self):
        table = table_of([1], [1])
        self.assertIsNone(table.judge(workloads.Figure('row', 'thole_uring', 1)))
        self.assertIsNone(table.judge(workloads.Figure('row', 'thole', 1, 'asio')))

    def test_a_block_of_the_table(self):
        row = workloads.Row('row', 'A label', None)
        lines = '\n'.join(report.block(table_of([2.0] * 9, [1.0] * 9), row,
                                       ['thole', 'raw_epoll', 'asio']))
        self.assertRegex(lines, r'A label')
        self.assertRegex(lines, r'thole +2 \[2 … 2\] +2 \[2 … 2\]')
        self.assertRegex(lines, r'asio +-')


    def test_a_line_of_markdown(self):
        workload = workloads.Workload('key', 'group', 'command', (),
                                      (workloads.Row('row', 'A label', None),))
        lines = report.markdown(table_of([3.0] * 2, [2.0] * 2), [workload],
                                ['thole', 'raw_epoll', 'asio'])
        self.assertEqual(lines[-1], '| A label | 3 (1.50) | 2 | - |')

    def test_what_a_run_could_not_tell(self):
        self.assertIsNone(workloads.extra('fire_ns')({'extra': {'arm_ns': 1}}))


class Tables(unittest.TestCase):
    def test_figures_name_what_there_is(self):
        rows = {row.key for workload in workloads.ALL for row in workload.rows}
        names = {peer.name for peer in peers.ALL} | {compile_cost.REFERENCE, ''}
        for figure in workloads.FIGURES:
            self.assertIn(figure.row, rows)
            self.assertIn(figure.peer, names)
            self.assertIn(figure.versus, names)
        keys = {counted.key for counted in counting.ALL}
        for figure in counting.FIGURES:
            self.assertIn(figure.key, keys)
            self.assertIn(figure.beyond or figure.key, keys)
            self.assertLessEqual(set(figure.peers), names)
        self.assertLessEqual(set(growth.NAMES), names)
        self.assertLessEqual(set(compile_cost.SOURCES), names)

    def test_keys_are_unique(self):
        for keys in ([workload.key for workload in workloads.ALL],
                     [row.key for workload in workloads.ALL for row in workload.rows],
                     [counted.key for counted in counting.ALL]):
            self.assertEqual(len(keys), len(set(keys)))

    def test_smallest_servers_are_there(self):
        for source, _ in compile_cost.SOURCES.values():
            self.assertTrue((compile_cost.MINI / source).exists(), source)


class CommandLine(unittest.TestCase):
    def test_workloads_stand_before_and_after_options(self):
        given = bench.parse(['folder', 'echo', '--counts', 'accept', '--peers', 'thole,asio',
                             'connect', '--rounds=3'])
        self.assertEqual(given.workload, ['echo', 'accept', 'connect'])
        self.assertEqual((given.counts, given.rounds, given.peers), (True, 3, ['thole', 'asio']))

    def test_what_is_unknown_is_refused(self):
        for words in (['echoes'], ['--peers=nobody'], ['--rounds=0']):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
                bench.parse(['folder', *words])
            self.assertIn('bench: error', said.getvalue())

    def test_quick_runs_keep_what_is_no_length(self):
        self.assertEqual(bench.shortened(['conns=512', 'n=40000', 'n=600', 'mode=burst']),
                         ['conns=512', 'n=2000', 'n=600', 'mode=burst'])


CALLGRIND = '''version: 1
events: Ir

fl=(1) a.c
fn=(1) main
16 100
cfn=(2) clock_gettime@@GLIBC_2.17
calls=3 0
17 999
+1 20
fn=(2)
* 30
-2 12
fn=(3) work
0x12 7
totals: 1168
'''
STRACE = '''% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.001000           1      1000           sendto
 40.00    0.000500           1       500        12 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.001500           1      1500        12 total
'''


class Parsing(unittest.TestCase):
    def test_callgrind_total_and_clock(self):
        # What a callee took is not counted twice.
        self.assertEqual(counting.callgrind_counts(CALLGRIND), (1168, 42))

    def test_callgrind_without_a_total(self):
        with self.assertRaises(peers.Failed):
            counting.callgrind_counts('fn=(1) main\n16 100\n')

    def test_strace_with_and_without_errors(self):
        self.assertEqual(counting.strace_counts(STRACE), {'sendto': 1000, 'recvfrom': 500})

    def test_difference_of_two_lengths(self):
        few, many = {'send': 110, 'brk': 5}, {'send': 310, 'brk': 5, 'poll': 100}
        self.assertEqual(counting.each(few, many, 100), {'send': 2.0, 'poll': 1.0})


def counts_of(**found):
    return [{'workload': key.split('__')[0], 'kind': key.split('__')[1], 'peer': 'thole',
             'count': count, 'detail': {}} for key, count in found.items()]


class CountFigures(unittest.TestCase):
    def judged(self, **found):
        return {what: reached for what, _, reached in counting.judge(counts_of(**found), bool)
                if what.endswith(' thole')}

    def test_exactly(self):
        self.assertTrue(self.judged(echo64__instructions=200.0)['echo64 instructions thole'])
        self.assertFalse(self.judged(echo64__instructions=200.1)['echo64 instructions thole'])

    def test_calls_by_two_decimals(self):
        self.assertTrue(self.judged(connect__calls=5.0249)['connect calls thole'])
        self.assertFalse(self.judged(connect__calls=5.026)['connect calls thole'])

    def test_deadlines_are_what_they_add(self):
        what = 'echo64_deadline instructions thole'
        for added, reached in ((25, True), (26, False)):
            found = self.judged(echo64__instructions=150.0,
                                echo64_deadline__instructions=150.0 + added)
            self.assertIs(found[what], reached)
        self.assertIsNone(self.judged(echo64_deadline__instructions=160.0)[what])

    def test_what_was_not_counted_is_not_judged(self):
        self.assertEqual(set(self.judged(accept__calls=5.0)),
                         {'accept calls thole', 'accept instructions thole'})

    def test_growth_is_flat_or_not(self):
        self.assertTrue(growth.flat([100, 104, 105]).reached)
        self.assertFalse(growth.flat([100, 106, 100]).reached)
        self.assertIsNone(growth.flat([100, None]))


class Kept(unittest.TestCase):
    """What --json kept is shown again by --from."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = pathlib.Path(self.folder.name, 'kept')
        self.page = pathlib.Path(self.folder.name, 'page')

    def shown(self, rows, *words):
        self.file.write_text(''.join(json.dumps(row) + '\n' for row in rows), encoding='utf-8')
        with contextlib.redirect_stdout(io.StringIO()) as said:
            code = bench.show_kept(bench.parse(['no-folder', f'--from={self.file}',
                                                f'--markdown={self.page}', *words]))
        return code, said.getvalue(), self.page.read_text(encoding='utf-8')

    @staticmethod
    def runs(peer, *values):
        return [{'kind': 'run', 'key': 'spawn', 'peer': peer, 'round': i,
                 'extra': {'cpu_ns_per_op': value}} for i, value in enumerate(values)]

    def test_table_and_page(self):
        rows = [{'kind': 'machine'}, *self.runs('thole_coroutine', 30, 50, 40),
                *self.runs('asio_coroutine', 300, 250, 400),
                {'kind': 'run', 'key': 'spawn', 'peer': 'asio', 'round': 0, 'failed': 'why'}]
        _, said, page = self.shown(rows)
        self.assertIn('spawn_cpu thole_coroutine: 40, at most 40', said)
        self.assertNotIn('without a value', said)
        self.assertEqual(page.splitlines()[0],
                         '| figure | thole_coroutine | asio | asio_coroutine |')
        self.assertEqual(page.splitlines()[2:],
                         ['| spawn of a coroutine that ends, CPU ns | 40 | - | 300 |'])

    def test_sessions_of_one_file_are_rounds_of_one_table(self):
        first, second = self.runs('thole_coroutine', 10, 20), self.runs('thole_coroutine', 90, 99)
        kept_runs = kept.Kept(map(json.dumps, [{'kind': 'machine'}, *first,
                                               {'kind': 'machine'}, *second]))
        estimate = kept_runs.table.estimate('spawn_cpu', 'thole_coroutine')
        self.assertEqual((estimate.n, estimate.median), (4, 55))

    def test_counts_are_judged_and_the_last_ones_count(self):
        rows = [row for count in (900.0, 450.0) for row in counts_of(accept__instructions=count)]
        code, said, page = self.shown(rows + counts_of(accept__calls=5.09), '--counts')
        self.assertEqual(code, 0)
        self.assertIn('accept instructions thole: 450.00, at most 500', said)
        self.assertIn('| 450.0 / 5.09 |', page)
        self.assertEqual(self.shown(counts_of(accept__instructions=501), '--counts')[0], 1)

    def test_only_what_was_asked_for(self):
        rows = [*self.runs('thole_coroutine', 30), *counts_of(accept__calls=5.0)]
        self.assertNotIn('spawn', self.shown(rows, 'accept')[1])
        _, said, page = self.shown(rows, '--peers=thole')
        self.assertNotIn('coroutine', said + page)
        self.assertIn('figures without a value: accept instructions thole', said)


class Running(unittest.TestCase):
    """Peers that are scripts."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.bench = peers.Bench(self.folder.name, timeout=20)

    def program(self, name, text):
        path = pathlib.Path(self.folder.name, name)
        path.write_text('#!/bin/sh\n' + text, encoding='utf-8')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return peers.Peer(name, name, ('style=callback',))

    def test_the_record_is_the_last_line(self):
        peer = self.program('peer_x', 'echo "words: $*"; echo \'{"ops": 3}\'')
        self.assertEqual(self.bench.run(peer, 'post', ['n=1']), {'ops': 3})

    def test_arguments_reach_the_peer(self):
        peer = self.program('peer_x', 'printf \'{"words": "%s"}\' "$*"')
        self.assertEqual(self.bench.run(peer, 'post', ['n=1'])['words'],
                         'post name=peer_x style=callback n=1')

    def test_the_load_generator_passes_them_on(self):
        self.program('load', 'printf \'{"words": "%s"}\' "$*"')
        words = self.bench.run(self.program('peer_x', ''), 'echo', ['n=1'], ['strace', '-f'])
        self.assertIn('s.style=callback n=1 wrap=strace -f', words['words'])
        self.assertIn(f'peer={self.bench.folder / "peer_x"} name=peer_x', words['words'])

    def test_servers_of_files_are_for_http_alone(self):
        for peer in peers.ALL:
            of_files = peer.name.startswith('http_')
            self.assertEqual((peer.takes('http'), peer.takes('echo')), (of_files, not of_files))
        words = self.bench.command(peers.http('x', 'epoll'), 'http', ['size=1'])
        self.assertEqual(words[2:], ['http', f'peer={self.bench.folder / "../../examples/http"}',
                                     'name=x', 's.--listen=127.0.0.1:0', 's.--backend=epoll',
                                     'size=1'])

    def test_lacking_and_failing_differ(self):
        with self.assertRaises(peers.Lacking):
            self.bench.run(self.program('peer_x', 'exit 3'), 'post', [])
        with self.assertRaisesRegex(peers.Failed, 'exit 1: no luck'):
            self.bench.run(self.program('peer_x', 'echo no luck >&2; exit 1'), 'post', [])
        with self.assertRaisesRegex(peers.Failed, 'nothing'):
            self.bench.run(self.program('peer_x', 'exit 0'), 'post', [])

    def test_a_wedged_peer_ends_with_its_children(self):
        note = pathlib.Path(self.folder.name, 'children')
        peer = self.program('peer_x', f'sleep 100 & echo $! >{note}; wait')
        begun = time.monotonic()
        with self.assertRaisesRegex(peers.Failed, 'no end after 1 s'):
            self.bench.run(peer, 'post', [], timeout=1)
        self.assertLess(time.monotonic() - begun, 60)
        child = int(note.read_text(encoding='utf-8'))
        for _ in range(1000):  # it may still be a zombie of somebody else's
            try:
                state = pathlib.Path(f'/proc/{child}/stat').read_text(encoding='utf-8')
            except OSError:
                return
            if state.rpartition(')')[2].split()[0] == 'Z':
                return
            time.sleep(0.01)
        self.fail('a child of the wedged peer lives on')

    def test_who_is_not_built_is_named(self):
        here, absent = self.bench.find(['libuv'])
        self.assertEqual(here, [])
        self.assertIn('libuv1-dev', absent['libuv'])

    def test_a_backend_that_is_absent_is_named(self):
        self.program('peer_thole', 'case "$*" in *io_uring*) echo no ring >&2; exit 2;; esac; '
                                   'echo "{}"')
        here, absent = self.bench.find(['thole', 'thole_uring'])
        self.assertEqual([peer.name for peer in here], ['thole'])
        self.assertIn('no ring', absent['thole_uring'])

    def test_a_row_of_each_workload_reads_its_record(self):
        record = {'ops_per_s': 5.0, 'p50_us': 1.0, 'p99_us': 1.0, 'user_s': 1, 'lines': 1,
                  'bytes': 1, 'extra': dict.fromkeys(
                      ('cpu_ns_per_op', 'cpu_s_per_gb', 'gb_per_s', 'arm_ns', 'cancel_ns',
                       'rearm_ns', 'fire_ns', 'bytes_per_timer', 'early', 'bytes_per_conn',
                       'base_rss_kb'), 1.0)}
        for workload in workloads.ALL:
            for row in workload.rows:
                self.assertGreater(row.read(json.loads(json.dumps(record))), 0, row.key)
