# SPDX-License-Identifier: BSL-1.0
"""Instructions and system calls an operation: by the difference of two run lengths, so that start
and end cancel out. Free of noise, so the figures are held exactly.

Valgrind has no vDSO: a clock read is a system call there, and what libc spends on it is subtracted.
"""
import dataclasses
import os
import pathlib
import re
import tempfile

from runner import workloads
from runner.peers import Failed, Lacking

INSTRUCTIONS, CALLS = 'instructions', 'calls'
TIMEOUT = 300


@dataclasses.dataclass(frozen=True)
class Counted:
    key: str
    group: str
    command: str
    label: str
    words: tuple
    few: int
    many: int
    kinds: tuple = (INSTRUCTIONS, CALLS)


BURST = ('conns=64', 'warm=0', *workloads.BURST)
ALL = (
    Counted('echo64', 'echo', 'echo', 'echo request, 64 ready', BURST, 6400, 19200),
    Counted('echo64_deadline', 'echo', 'echo', 'echo request, 64 ready, with deadlines',
            (*BURST, 's.deadline_ms=30000'), 6400, 19200),
    Counted('echo1', 'echo', 'echo', 'echo request, 1 connection', ('conns=1', 'warm=0'),
            1000, 3000),
    Counted('accept', 'accept', 'accept', 'accept, a byte and back, close',
            ('conns=32', 'warm=0', 'cores=same'), 1000, 5000),
    Counted('connect', 'connect', 'connect', 'connect with a deadline, a fixed port',
            ('conc=64', 'target=fixed'), 1000, 3000),
    Counted('connect_ephemeral', 'connect', 'connect',
            'connect with a deadline, an ephemeral port of this machine',
            ('conc=64', 'target=ephemeral'), 1000, 3000),
    Counted('pingpong', 'pingpong', 'pingpong', 'round trip, both ends', (), 2000, 6000),
    Counted('post', 'post', 'post', 'post, one thread', ('mode=single',), 20_000, 60_000,
            (INSTRUCTIONS,)),
    Counted('timers', 'timers', 'timers', 'timer, cancel and arm', ('mode=churn', 'live=1000'),
            20_000, 60_000, (INSTRUCTIONS,)),
    Counted('spawn', 'spawn', 'spawn', 'spawn of a coroutine that ends', (), 20_000, 60_000,
            (INSTRUCTIONS,)),
)
GROUPS = tuple(dict.fromkeys(counted.group for counted in ALL))


@dataclasses.dataclass(frozen=True)
class Most:
    """At most so many; `beyond`: more than that other workload takes."""
    key: str
    kind: str
    peers: tuple
    most: float
    beyond: str = ''


CALLBACKS, COROUTINES = ('thole', 'thole_uring'), ('thole_coroutine', 'thole_uring_coroutine')
EPOLL, URING = ('thole', 'thole_coroutine'), ('thole_uring', 'thole_uring_coroutine')
WAIT = 0.02  # a 64th of a wait belongs to each
FIGURES = (
    Most('echo64', INSTRUCTIONS, CALLBACKS, 200),
    Most('echo64', INSTRUCTIONS, COROUTINES, 300),
    Most('echo64_deadline', INSTRUCTIONS, EPOLL + URING, 25, 'echo64'),
    Most('echo64', CALLS, EPOLL, 2.02),
    Most('echo64', CALLS, URING, 0.06),
    Most('echo1', CALLS, EPOLL, 3.0),
    Most('echo1', CALLS, URING, 1.05),
    Most('accept', CALLS, EPOLL + URING, 5.1),
    Most('accept', INSTRUCTIONS, CALLBACKS, 500),
    Most('accept', INSTRUCTIONS, COROUTINES, 800),
    Most('connect', CALLS, EPOLL + URING, 5 + WAIT),
    Most('connect_ephemeral', CALLS, EPOLL + URING, 6 + WAIT),
    Most('connect', INSTRUCTIONS, EPOLL + URING, 500),
    Most('connect_ephemeral', INSTRUCTIONS, EPOLL + URING, 500),
)


def callgrind_counts(text):
    """(instructions in all, those of libc's clock reads)."""
    names, current, skip, clock, total = {}, '', False, 0, None
    for line in text.splitlines():
        named = re.match(r'c?fn=\((\d+)\)(?: (.*))?', line)
        if named:
            if named[2]:
                names[named[1]] = named[2]
            if line.startswith('fn='):
                current = names.get(named[1], '')
        elif line.startswith('calls='):
            skip = True  # the next line is what the callee took
        elif re.match(r'(summary|totals): ', line):
            total = int(line.split()[1])
        elif re.match(r'[\d+*-]', line):
            words = line.split()
            if not skip and 'clock_gettime' in current and len(words) > 1:
                clock += int(words[1])
            skip = False
    if total is None:
        raise Failed('callgrind wrote no total')
    return total, clock


def strace_counts(text):
    """{system call: how often} of strace -c."""
    counts = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and re.fullmatch(r'[\d.]+', words[0]) and words[-1] != 'total':
            counts[words[-1]] = int(words[3])
    return counts


def each(few, many, difference):
    """{name: count an operation} of two runs that differ in so many operations."""
    names = {**few, **many}
    counts = {name: (many.get(name, 0) - few.get(name, 0)) / difference for name in names}
    return {name: count for name, count in counts.items() if abs(count) >= 0.005}


def wrapped(bench, peer, counted, n, wrap, read):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, 'out')
        line = [word.replace('OUT', out) for word in wrap]
        bench.run(peer, counted.command, (f'n={n}', *counted.words), line, TIMEOUT)
        return read(pathlib.Path(out).read_text(encoding='utf-8'))


def instructions(bench, peer, counted):
    wrap = ('valgrind', '--tool=callgrind', '--callgrind-out-file=OUT')
    (few, few_clock), (many, many_clock) = (
        wrapped(bench, peer, counted, n, wrap, callgrind_counts)
        for n in (counted.few, counted.many))
    operations = counted.many - counted.few
    clock = (many_clock - few_clock) / operations
    return (many - few) / operations - clock, {'clock reads': round(clock, 1)} if clock else {}


def calls(bench, peer, counted):
    wrap = ('strace', '-c', '-f', '-o', 'OUT')
    few, many = (wrapped(bench, peer, counted, n, wrap, strace_counts)
                 for n in (counted.few, counted.many))
    found = each(few, many, counted.many - counted.few)
    return sum(found.values()), {name: round(count, 2) for name, count in found.items()}


def count_all(bench, peers, groups, say):
    """Yields {'workload', 'kind', 'peer', 'count', 'detail'}, or 'failed' for the last two."""
    tools = {INSTRUCTIONS: instructions, CALLS: calls}
    for counted in ALL:
        if counted.group not in groups:
            continue
        for peer in peers:
            for kind in counted.kinds:
                row = {'workload': counted.key, 'kind': kind, 'peer': peer.name}
                say(f'{counted.key} {kind} {peer.name}')
                try:
                    row['count'], row['detail'] = tools[kind](bench, peer, counted)
                except Lacking:
                    break
                except Failed as error:
                    row['failed'] = str(error)
                yield row


def exact(kind, count):
    """As the figures are written: instructions whole or not at all, calls by two decimals."""
    return round(count, 2) if kind == CALLS else count


def judge(rows, asked):
    """(what, text, reached or None) for each figure and each of its peers that was asked for."""
    found = {(row['workload'], row['kind'], row['peer']): row['count']
             for row in rows if 'count' in row}
    keys = {row['workload'] for row in rows}
    for figure in FIGURES:
        if figure.key not in keys:
            continue
        for peer in filter(asked, figure.peers):
            what = f'{figure.key} {figure.kind} {peer}'
            count = found.get((figure.key, figure.kind, peer))
            base = found.get((figure.beyond, figure.kind, peer)) if figure.beyond else 0
            if count is None or base is None:
                yield what, '', None
                continue
            count = exact(figure.kind, count - base)
            more = f' more than {figure.beyond}' if figure.beyond else ''
            yield (what, f'{count:.2f}{more}, at most {figure.most:g}{more}',
                   count <= figure.most)


def print_counts(rows, names):
    for counted in ALL:
        own = [row for row in rows if row['workload'] == counted.key]
        if not own:
            continue
        print(f'\nA {counted.label}')
        for name in names:
            words = []
            for row in own:
                if row['peer'] != name:
                    continue
                if 'failed' in row:
                    words.append(f'{row["kind"]}: {row["failed"]}')
                    continue
                detail = ', '.join(f'{key} {value:g}' for key, value in row['detail'].items())
                words.append(f'{row["count"]:9.2f} {row["kind"]}' +
                             (f' ({detail})' if detail else ''))
            print(f'  {name:22} {"   ".join(words) or "-"}')


def markdown(rows, names):
    """One line an operation: instructions / system calls."""
    found = {(row['workload'], row['kind'], row['peer']): row['count']
             for row in rows if 'count' in row}
    lines = ['| instructions / system calls | ' + ' | '.join(names) + ' |',
             '|---|' + '---:|' * len(names)]
    for counted in ALL:
        cells = [' / '.join(f'{found[counted.key, kind, name]:.{1 + (kind == CALLS)}f}'
                            for kind in counted.kinds if (counted.key, kind, name) in found)
                 for name in names]
        if any(cells):
            lines.append(f'| {counted.label} | ' + ' | '.join(cell or '-' for cell in cells) + ' |')
    return lines
