#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the benchmark peers in paired rounds, or counts what an operation takes.

usage: bench.py BUILDDIR [WORKLOAD…] [--rounds N] [--peers NAME,…] [--json FILE] [--counts]
                [--markdown] [--quick]   BUILDDIR holds load and the peers

Each round runs every workload on every peer, in an order shuffled anew. The table has medians with
their 95 % intervals (of the order statistics: see runner/paired.py) and, as the median of each
round's ratio, how that compares with raw_epoll and asio. A figure is reached when the lower end
of its interval is at or under it; a ratio wants 25 rounds.
--counts: instructions and system calls an operation instead, and exit 1 if a figure is missed.
--markdown: one table, a line a row, for a page. --quick: short runs, to see that all goes well.
WORKLOAD: one of the table's, and two that are run only by name: growth (more
and more connections, timers) and floor (prices of kernel crossings).
"""
import argparse
import json
import pathlib
import random
import sys
import time

from runner import compile_cost, counting, growth, machine, peers, report, verdicts, workloads
from runner.peers import Failed, Lacking

BY_NAME_ONLY = ('growth', 'floor')


class Session:
    """What the jobs share: peers, the JSON file, what failed."""

    def __init__(self, given):
        self.given = given
        self.bench = peers.Bench(given.builddir)
        self.compile = compile_cost.Compile(self.bench.folder.parents[1])
        self.file = open(given.json, 'a', encoding='utf-8') if given.json else None
        self.here, self.absent = self.bench.find(given.peers)
        self.failures = []
        self.lacking = set()
        self.table = verdicts.Table()
        self.write(machine.describe())

    def write(self, row):
        if self.file:
            self.file.write(json.dumps(row) + '\n')
            self.file.flush()

    def say(self, text):
        if sys.stderr.isatty():
            print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)

    def failed(self, what, error):
        self.failures.append(f'{what}: {error}')
        print(f'bench: {what}: {error}', file=sys.stderr, flush=True)

    def run(self, key, name, round_number, read):
        """One run of one peer: kept in the file and given back; None if there is nothing."""
        if (key, name) in self.lacking:
            return None
        self.say(f'round {round_number + 1}: {key} {name}')
        row = {'kind': 'run', 'key': key, 'peer': name, 'round': round_number}
        begun = time.monotonic()
        try:
            record = read()
        except Lacking:
            self.lacking.add((key, name))
            return None
        except Failed as error:
            self.failed(f'{key} {name}, round {round_number + 1}', error)
            self.write({**row, 'failed': str(error)})
            return None
        self.write({**record, **row, 'took': round(time.monotonic() - begun, 3)})
        return record

    def close(self):
        self.say('')
        if self.file:
            self.file.close()


def shortened(words):
    """--quick: a twentieth of the operations."""
    short = []
    for word in words:
        key, _, value = word.partition('=')
        short.append(f'{key}={max(int(value) // 20, 1000)}' if key in ('n', 'bytes') and
                     int(value) > 1000 else word)
    return short


def run_workload(session, workload, round_number):
    names = [peer.name for peer in session.here]
    by_name = {peer.name: peer for peer in session.here}
    if workload.key == 'compile':
        names.append(compile_cost.REFERENCE)
    random.shuffle(names)
    words = shortened(workload.words) if session.given.quick else workload.words
    for name in names:
        if workload.key == 'compile':
            def read(name=name):
                return session.compile.record(name)
        else:
            def read(peer=by_name[name]):
                return session.bench.run(peer, workload.command, words)
        record = session.run(workload.key, name, round_number, read)
        for row in workload.rows if record else ():
            value = row.read(record)
            if value is not None:
                session.table.add(row.key, name, round_number, value)


def run_table(session, groups):
    chosen = [workload for workload in workloads.ALL if workload.group in groups]
    for round_number in range(session.given.rounds):
        for workload in random.sample(chosen, len(chosen)):
            if workload.rounds == 0 or round_number < workload.rounds:
                run_workload(session, workload, round_number)
    session.say('')
    show = report.print_markdown if session.given.markdown else report.print_table
    show(session.table, chosen, [peer.name for peer in session.here])
    rows = {row.key for workload in chosen for row in workload.rows}
    return [(f'{figure.row} {figure.peer}' + (f' / {figure.versus}' if figure.versus else ''),
             session.table.judge(figure))
            for figure in workloads.FIGURES if figure.row in rows]


def run_counts(session, groups):
    rows = []
    for row in counting.count_all(session.bench, session.here, groups, session.say):
        session.write({'kind': 'count', **row})
        if 'failed' in row:
            session.failed(f'{row["workload"]} {row["kind"]} {row["peer"]}', row['failed'])
        rows.append(row)
    session.say('')
    counting.print_counts(rows, [peer.name for peer in session.here])
    return [(what, None if reached is None else verdicts.Verdict(text, reached, True))
            for what, text, reached in counting.judge(rows)]


def run_growth(session):
    """Instructions once, times in each round."""
    chosen = [peer for peer in session.here if peer.name in growth.NAMES]
    rows = []
    for row in growth.count(session.bench, chosen, session.say):
        session.write({'kind': 'count', **row})
        if 'failed' in row:
            session.failed(f'{row["workload"]} {row["peer"]}', row['failed'])
        rows.append(row)
    for round_number in range(0 if session.given.counts else session.given.rounds):
        for what, key, command, words in growth.timed_runs():
            own = [peer for peer in chosen if growth.takes_part(what, peer.name)]
            for peer in random.sample(own, len(own)):
                record = session.run(
                    key, peer.name, round_number,
                    lambda peer=peer: session.bench.run(peer, command, words))
                if record:
                    session.table.add(key, peer.name, round_number, workloads.CPU(record))
    session.say('')
    judged = growth.verdict_rows(rows, session.table, [peer.name for peer in chosen])
    return [pair for pair in judged if pair[1] or not session.given.counts]


def run_floor(session):
    program = session.bench.folder / 'floor'
    if not program.exists():
        session.absent['floor'] = 'not built, liburing-dev is missing'
        return
    try:
        code, output, errors = peers.run_bounded([str(program)], 120)
    except Failed as error:
        code, output, errors = 1, '', str(error)
    if code:
        session.failed('floor', errors.strip())
    print('\nPrices of kernel crossings, CPU ns')
    for line in output.splitlines():
        row = json.loads(line)
        session.write({'kind': 'floor', **row})
        print(f'  {row["workload"]:40} {row["ns"]:10.1f}')


def parse(words=None):
    known = dict.fromkeys((*workloads.GROUPS, *counting.GROUPS, *BY_NAME_ONLY))
    parser = argparse.ArgumentParser(prog='bench', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('builddir', type=pathlib.Path)
    parser.add_argument('workload', nargs='*', metavar='WORKLOAD', help=' '.join(known))
    parser.add_argument('--rounds', type=int, default=25)
    parser.add_argument('--peers', type=lambda text: text.split(','), default=[])
    parser.add_argument('--json', type=pathlib.Path)
    parser.add_argument('--counts', action='store_true')
    parser.add_argument('--markdown', action='store_true')
    parser.add_argument('--quick', action='store_true')
    given = parser.parse_intermixed_args(words)  # workloads may stand after options
    unknown = [word for word in given.workload if word not in known]
    names = [peer.name for peer in peers.ALL]
    unknown += [name for name in given.peers if name not in names]
    if unknown or given.rounds < 1:
        parser.error(f'unknown: {" ".join(unknown)}' if unknown else '--rounds is 1 or more')
    return given


def main():
    given = parse()
    begun = time.monotonic()
    session = Session(given)
    own = counting.GROUPS if given.counts else workloads.GROUPS
    groups = [word for word in given.workload if word in own] if given.workload else own
    judged = []
    if groups:
        judged += run_counts(session, groups) if given.counts else run_table(session, groups)
    if 'growth' in given.workload:
        judged += run_growth(session)
    if 'floor' in given.workload:
        run_floor(session)
    report.print_verdicts(judged)
    for name, why in session.absent.items():
        print(f'\nleft out: {name}: {why}')
    session.close()
    print(f'\n{time.monotonic() - begun:.0f} s, {len(session.failures)} runs failed')
    for failure in session.failures:
        print(f'  {failure}')
    missed = any(verdict and not verdict.reached for _, verdict in judged)
    return 1 if session.failures or (given.counts and missed) else 0


if __name__ == '__main__':
    sys.exit(main())
