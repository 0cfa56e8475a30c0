#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the benchmark peers in paired rounds, or counts what an operation takes.

usage: bench.py BUILDDIR [WORKLOAD…] [--rounds N] [--peers NAME,…] [--json FILE] [--counts]
                [--markdown FILE] [--from JSON] [--quick]   BUILDDIR holds load and the peers

Each round runs every workload on every peer, in an order shuffled anew. The table has medians with
their 95 % intervals (of the order statistics: see runner/paired.py) and, as the median of each
round's ratio, how that compares with raw_epoll and asio. A figure is reached when the lower end
of its interval is at or under it; a ratio wants 25 rounds.
--counts: instructions and system calls an operation instead, and exit 1 if a figure is missed.
--markdown FILE: beside it one table, a line a row, for a page (-: the output).
--from JSON: nothing is run; all this of what --json kept. --quick: short runs, to see that all
goes well.
WORKLOAD: one of the table's, and three that are run only by name: growth (more
and more connections, timers), floor (prices of kernel crossings) and http (wrk
against the http example and against the same server with Boost.Asio).
"""
import argparse
import json
import pathlib
import random
import sys
import time

from runner import (compile_cost, counting, growth, kept, machine, peers, report, verdicts,
                    workloads)
from runner.peers import Failed, Lacking

BY_NAME_ONLY = ('growth', 'floor')


class Session:
    """What the jobs share: peers, the JSON file, what failed."""

    def __init__(self, given):
        self.given = given
        self.bench = peers.Bench(given.builddir)
        self.compile = compile_cost.Compile(self.bench.folder.parents[1])
        self.file = open(given.json, 'a', encoding='utf-8') if given.json else None
        self.here, self.absent = self.bench.find(given.peers, groups_of(given))
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
    names = [peer.name for peer in session.here if peer.takes(workload.group)]
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
        if record:
            kept.fill(session.table, workload.key, name, round_number, record)


def run_table(session, chosen):
    for round_number in range(session.given.rounds):
        for workload in random.sample(chosen, len(chosen)):
            if workload.rounds == 0 or round_number < workload.rounds:
                run_workload(session, workload, round_number)
    session.say('')


def run_counts(session, groups):
    rows = []
    for row in counting.count_all(session.bench, session.here, groups, session.say):
        session.write(row)
        if 'failed' in row:
            session.failed(f'{row["workload"]} {row["kind"]} {row["peer"]}', row['failed'])
        rows.append(row)
    session.say('')
    return rows


def run_growth(session):
    """Instructions once, times in each round."""
    chosen = [peer for peer in session.here if peer.name in growth.NAMES]
    rows = []
    for row in growth.count(session.bench, chosen, session.say):
        session.write(row)
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
                    kept.fill(session.table, key, peer.name, round_number, record)
    session.say('')
    return rows


class Page:
    """What is shown of a session, or of a file that one kept; and what it is held to."""

    def __init__(self, given, names, asked):
        self.names = names
        self.given = given
        self.others = {peer.name for peer in peers.ALL}.difference(asked) if asked else ()
        self.judged, self.tables = [], []

    def asked(self, name):
        """Figures of peers that nobody asked for are not without a value."""
        return name not in self.others

    def show_table(self, table, chosen):
        report.print_table(table, chosen, self.names)
        self.tables.append(report.markdown(table, chosen, self.names))
        rows = {row.key for workload in chosen for row in workload.rows}
        self.judged += [
            (f'{figure.row} {figure.peer}' + (f' / {figure.versus}' if figure.versus else ''),
             table.judge(figure))
            for figure in workloads.FIGURES
            if figure.row in rows and self.asked(figure.peer) and self.asked(figure.versus)]

    def show_counts(self, rows):
        counting.print_counts(rows, self.names)
        self.tables.append(counting.markdown(rows, self.names))
        self.judged += [
            (what, None if reached is None else verdicts.Verdict(text, reached, True))
            for what, text, reached in counting.judge(rows, self.asked)]

    def show_growth(self, rows, table, names):
        judged = growth.verdict_rows(rows, table, names)
        self.judged += [pair for pair in judged if pair[1] or not self.given.counts]

    def end(self):
        report.print_verdicts(self.judged)
        if self.given.markdown:
            report.write_page(self.given.markdown, self.tables)

    def missed(self):
        return any(verdict and not verdict.reached for _, verdict in self.judged)


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


def known_workloads():
    return dict.fromkeys((*workloads.GROUPS, *counting.GROUPS, *BY_NAME_ONLY))


def parse(words=None):
    known = known_workloads()
    parser = argparse.ArgumentParser(prog='bench', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('builddir', type=pathlib.Path)
    parser.add_argument('workload', nargs='*', metavar='WORKLOAD', help=' '.join(known))
    parser.add_argument('--rounds', type=int, default=25)
    parser.add_argument('--peers', type=lambda text: text.split(','), default=[])
    parser.add_argument('--json', type=pathlib.Path)
    parser.add_argument('--counts', action='store_true')
    parser.add_argument('--markdown', type=pathlib.Path, metavar='FILE')
    parser.add_argument('--from', type=pathlib.Path, metavar='JSON', dest='kept')
    parser.add_argument('--quick', action='store_true')
    given = parser.parse_intermixed_args(words)  # workloads may stand after options
    unknown = [word for word in given.workload if word not in known]
    names = [peer.name for peer in peers.ALL]
    unknown += [name for name in given.peers if name not in names]
    if unknown or given.rounds < 1:
        parser.error(f'unknown: {" ".join(unknown)}' if unknown else '--rounds is 1 or more')
    return given


def groups_of(given):
    own = counting.GROUPS if given.counts else workloads.GROUPS
    if given.workload:
        return [word for word in given.workload if word in own]
    return [word for word in own if word not in workloads.BY_NAME]


def show_kept(given):
    """--from: what a file has of the workloads that were asked for."""
    with open(given.kept, encoding='utf-8') as lines:
        file = kept.Kept(lines, given.peers)
    page = Page(given, file.names, file.names)
    asked = given.workload or known_workloads()
    chosen = [workload for workload in workloads.ALL
              if workload.group in asked and workload.key in file.keys]
    keys = {counted.key for counted in counting.ALL if counted.group in asked}
    counts = [row for row in file.counts if row['workload'] in keys]
    if chosen and not given.counts:
        page.show_table(file.table, chosen)
    if counts:
        page.show_counts(counts)
    if 'growth' in asked and file.has_growth():
        page.show_growth(file.counts, file.table, file.growing())
    page.end()
    return 1 if given.counts and page.missed() else 0


def run_all(given):
    begun = time.monotonic()
    session = Session(given)
    page = Page(given, [peer.name for peer in session.here], given.peers)
    groups = groups_of(given)
    if groups and given.counts:
        page.show_counts(run_counts(session, groups))
    elif groups:
        chosen = [workload for workload in workloads.ALL if workload.group in groups]
        run_table(session, chosen)
        page.show_table(session.table, chosen)
    if 'growth' in given.workload:
        rows = run_growth(session)
        page.show_growth(rows, session.table,
                         [name for name in page.names if name in growth.NAMES])
    if 'floor' in given.workload:
        run_floor(session)
    page.end()
    for name, why in session.absent.items():
        print(f'\nleft out: {name}: {why}')
    session.close()
    print(f'\n{time.monotonic() - begun:.0f} s, {len(session.failures)} runs failed')
    for failure in session.failures:
        print(f'  {failure}')
    return 1 if session.failures or (given.counts and page.missed()) else 0


def main():
    given = parse()
    return show_kept(given) if given.kept else run_all(given)


if __name__ == '__main__':
    sys.exit(main())
