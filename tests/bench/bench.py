#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the benchmark peers and holds their counts to the figures.

usage: bench.py BUILDDIR [WORKLOAD…]        BUILDDIR holds load and peer_thole; WORKLOAD: echo

Prints one JSON line a run of the load generator, then the counts a request, which are free of
noise: instructions by callgrind and system calls by strace, each by the difference of two run
lengths, so that start and end cancel out. Exit 1 when a figure is missed.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

STYLES = ('callback', 'coroutine')
BURST = ['conns=64', 'mode=burst', 'cores=same']
# The most that one echo request may cost on epoll, 64 ready connections or one.
INSTRUCTIONS = {'callback': 300, 'coroutine': 450}
SYSTEM_CALLS_ONE = 3.05
SYSTEM_CALLS_64 = 2.05


class Bench:
    def __init__(self, folder):
        self.load, self.peer = (folder / name for name in ('load', 'peer_thole'))
        self.missed = 0

    def run(self, workload, arguments):
        line = [self.load, workload, f'peer={self.peer}', *arguments]
        done = subprocess.run(line, capture_output=True, text=True, timeout=300)
        if done.returncode:
            sys.stderr.write(done.stderr)
        done.check_returncode()
        return done.stdout.strip()

    def wrapped(self, wrap, workload, arguments, n, read):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, 'out')
            words = ' '.join(wrap) + out
            self.run(workload, [f'wrap={words}', f'n={n}', 'warm=0', *arguments])
            return read(pathlib.Path(out).read_text(encoding='utf-8'))

    def instructions(self, workload, arguments, few, many):
        wrap = ['valgrind', '--tool=callgrind', '--callgrind-out-file=']
        counts = [self.wrapped(wrap, workload, arguments, n, callgrind_total)
                  for n in (few, many)]
        return (counts[1] - counts[0]) / (many - few)

    def system_calls(self, workload, arguments, few, many):
        wrap = ['strace', '-c', '-f', '-o ']
        a, b = (self.wrapped(wrap, workload, arguments, n, strace_counts) for n in (few, many))
        each = {name: (b[name] - a.get(name, 0)) / (many - few) for name in b}
        return sum(each.values()), {k: round(v, 3) for k, v in each.items() if abs(v) >= 0.005}

    def judge(self, what, count, most, more=''):
        fine = count <= most
        self.missed += not fine
        print(f'{what}: {count:.2f} (at most {most}) {"ok" if fine else "MISSED"}{more}',
              flush=True)


def callgrind_total(text):
    return int(re.findall(r'^(?:summary|totals): (\d+)', text, re.M)[-1])


def strace_counts(text):
    counts = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and re.fullmatch(r'[\d.]+', words[0]) and words[-1] != 'total':
            counts[words[-1]] = int(words[3])
    return counts


def echo(bench):
    for style in STYLES:
        for arguments in (BURST + ['n=192000'], ['conns=1', 'n=20000']):
            row = json.loads(bench.run('echo', [*arguments, 's.backend=epoll',
                                                f's.style={style}', f'name=thole_{style}']))
            print(json.dumps(row), flush=True)
    for style in STYLES:
        server = ['s.backend=epoll', f's.style={style}']
        count = bench.instructions('echo', BURST + server, 6400, 19200)
        bench.judge(f'echo {style}, 64 ready: instructions a request', count, INSTRUCTIONS[style])
        timed = bench.instructions('echo', BURST + server + ['s.deadline_ms=30000'], 6400, 19200)
        print(f'echo {style}, 64 ready, each step with a deadline: {timed:.2f} instructions '
              'a request, no figure set', flush=True)
        total, names = bench.system_calls('echo', BURST + server, 6400, 19200)
        bench.judge(f'echo {style}, 64 ready: system calls a request', total, SYSTEM_CALLS_64,
                    f' {names}')
        total, names = bench.system_calls('echo', ['conns=1'] + server, 1000, 3000)
        bench.judge(f'echo {style}, 1 connection: system calls a request', total,
                    SYSTEM_CALLS_ONE, f' {names}')


WORKLOADS = {'echo': echo}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('builddir', type=pathlib.Path)
    parser.add_argument('workload', nargs='*', help=' '.join(WORKLOADS))
    given = parser.parse_args()
    unknown = set(given.workload) - set(WORKLOADS)
    if unknown:
        print(f'bench: unknown workload: {" ".join(sorted(unknown))}', file=sys.stderr)
        return 2
    bench = Bench(given.builddir.resolve())
    try:
        for workload in given.workload or WORKLOADS:
            WORKLOADS[workload](bench)
    except (subprocess.SubprocessError, OSError) as error:
        print(f'bench: {error}', file=sys.stderr)
        return 1
    if bench.missed:
        print(f'bench: {bench.missed} figures missed', file=sys.stderr)
    return 1 if bench.missed else 0


if __name__ == '__main__':
    sys.exit(main())
