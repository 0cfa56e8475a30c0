#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Adds up what the legs of tools/dev test have left behind.

usage: totals.py [--expect BACKEND]... [--broken LEG]... [LEG=BUILDFOLDER]...

A test that writes a record (BUILDFOLDER/records/LEG/TEST.jsonl) counts by its cases, any other
one counts as one. Prints what failed, the table case x backend with the reasons of its skips,
and last "N passed, N failed, N skipped". A case that tests/scenario/cases.txt lists for an
expected backend and that did not run there is a hole, and a hole is a failure. One that holds by
construction has no test; if there is one after all, its row is stale, and that is a failure too.
"""
import argparse
import json
import pathlib
import re
import sys

BACKENDS = ['sim', 'epoll', 'select', 'io_uring', 'iocp']
CASES = pathlib.Path(__file__).resolve().parents[2] / 'tests' / 'scenario' / 'cases.txt'


class Case:
    def __init__(self, leg, test, backend, name, result, reason):
        self.leg, self.test, self.backend = leg, test, backend
        self.name, self.result, self.reason = name, result, reason


def recorded(leg, test, path):
    """The cases of one process: the last line about a case counts."""
    ends = {}
    for line in path.read_text(encoding='utf-8').splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # cut off by a crash: the line before says "started"
            continue
        ends[row['case']] = Case(leg, test, row['backend'], row['case'], row['result'],
                                 row['reason'])
    for case in ends.values():
        if case.result == 'started':
            case.result, case.reason = 'failed', 'it started and never ended: the process died'
    return list(ends.values())


def read_leg(leg, folder):
    log = folder / 'meson-logs' / (leg + '.json')
    cases = []
    for line in log.read_text(encoding='utf-8').splitlines() if log.exists() else []:
        row = json.loads(line)
        test = row['name'].split(' / ')[-1].split(':')[-1]
        record = folder / 'records' / leg / (test + '.jsonl')
        fine = row['result'] in ('OK', 'EXPECTEDFAIL', 'SKIP')
        if record.exists():
            own = recorded(leg, test, record)
            if not fine and not any(case.result == 'failed' for case in own):
                own.append(Case(leg, test, '', '(the process)', 'failed', row['result']))
            cases += own
        else:
            result = 'skipped' if row['result'] == 'SKIP' else 'passed' if fine else 'failed'
            cases.append(Case(leg, test, '', test, result, '' if fine else row['result']))
    return cases


def cell(results):
    for result, word in (('failed', 'FAIL'), ('passed', 'ok'), ('skipped', 'skip')):
        if result in results:
            return word
    return '.'


CONSTRUCTION = 'by-construction:'


def required():
    """Of each case the backends that must show it, and why others hold by construction."""
    rows, constructed = {}, {}
    for line in CASES.read_text(encoding='utf-8').splitlines() if CASES.exists() else []:
        words = line.split('#')[0].split()
        if len(words) > 1 and words[1] == CONSTRUCTION:
            constructed[words[0]] = ' '.join(words[2:])
        elif words:
            rows[words[0]] = words[1:]
    return rows, constructed


def table(cases, expected):
    """Prints the table and returns its holes: what is missing in it, and what is stale."""
    cells, reasons = {}, {}
    rows, constructed = required()
    for case in cases:
        match = re.match(r'([A-Z]{2}\d{2})\b', case.name)
        if not case.test.startswith('scenario') or not match:
            continue
        where = (match[1], case.backend)
        cells.setdefault(where, set()).add(case.result)
        if case.result == 'skipped':
            reasons.setdefault(case.reason, {}).setdefault(case.backend, set()).add(match[1])
    if not cells and not expected:
        return []
    holes = []
    print('\n' + 'case'.ljust(8) + ''.join(name.ljust(9) for name in BACKENDS).rstrip())
    for row in sorted(set(rows) | set(constructed) | {where[0] for where in cells}):
        line = row.ljust(8)
        if row in constructed:
            if row not in {where[0] for where in cells}:
                print(line + 'by construction')
                continue
            holes.append(f'{row} has a test: its row in cases.txt, "by construction", is stale')
        for backend in BACKENDS:
            word = cell(cells.get((row, backend), ()))
            if word == '.' and backend in expected and backend in rows.get(row, ()):
                word = 'HOLE'
                holes.append(f'{row} on {backend}')
            line += word.ljust(9)
        print(line.rstrip())
    for row, reason in sorted(constructed.items()):
        if row in rows or not reason:
            holes.append(f'{row} by construction: listed twice, or without a reason')
        print(f'by construction: {row}: {reason}')
    if expected and not rows:
        holes.append('every case: tests/scenario/cases.txt is empty or missing')
    for reason, where in sorted(reasons.items()):
        places = '; '.join(f'{" ".join(sorted(ids))} on {backend}'
                           for backend, ids in sorted(where.items()))
        print(f'skip: {places}: {reason}')
    return holes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--expect', action='append', default=[], choices=BACKENDS)
    parser.add_argument('--broken', action='append', default=[])
    parser.add_argument('legs', nargs='*')
    given = parser.parse_intermixed_args()
    cases = []
    for word in given.legs:
        leg, folder = word.split('=', 1)
        cases += read_leg(leg, pathlib.Path(folder))
    print()
    for case in cases:
        if case.result == 'failed':
            reason = f': {case.reason}' if case.reason else ''
            print(f'FAILED {case.leg} {case.test}: {case.name}{reason}')
    holes = table(cases, given.expect)
    for hole in holes:
        print(f'FAILED case: {hole}')
    for leg in given.broken:
        print(f'FAILED {leg}: does not build')
    count = {result: sum(case.result == result for case in cases)
             for result in ('passed', 'failed', 'skipped')}
    count['failed'] += len(holes) + len(given.broken)
    print('{passed} passed, {failed} failed, {skipped} skipped'.format(**count))
    return 1 if count['failed'] or not count['passed'] else 0


if __name__ == '__main__':
    sys.exit(main())
