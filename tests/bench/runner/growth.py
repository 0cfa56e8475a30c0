# SPDX-License-Identifier: BSL-1.0
"""What an operation costs as connections and timers grow in number: instructions, which must stay
flat, and CPU time, which is compared with the raw peer's at the same number.

Ten of the connections are busy at a time, whatever their number, so that a batch stays one size.
"""
from runner import counting, verdicts, workloads
from runner.peers import Failed, Lacking, is_thole

NAMES = ('thole', 'thole_coroutine', 'thole_uring', 'thole_uring_coroutine', 'raw_epoll')
WITH_TIMERS = ('thole', 'raw_epoll')  # no kernel in them, and a sleeping coroutine is more than one
RAW = 'raw_epoll'
FLAT, BESIDE_RAW = 1.05, 1.1
BUSY = ('active=10', 'warm=0', 'mode=burst', 'cores=same')


def kinds():
    """(what, command, number, words) of each point."""
    for number in (10, 100, 1000, 10_000):
        yield 'echo', 'echo', number, (f'conns={number}', *BUSY)
    for number in (1000, 10_000, 100_000, 1_000_000):
        yield 'timers', 'timers', number, ('mode=churn', f'live={number}')


def takes_part(what, name):
    return what == 'echo' or name in WITH_TIMERS


def point(what, number):
    return f'growth_{what}_{number}'


def count(bench, peers, say):
    """Yields rows as counting.count_all does."""
    for what, command, number, words in kinds():
        lengths = (2000, 42_000) if what == 'echo' else (100_000, 300_000)
        counted = counting.Counted(point(what, number), 'growth', command, what, words, *lengths)
        for peer in peers:
            if not takes_part(what, peer.name):
                continue
            row = {'workload': counted.key, 'kind': counting.INSTRUCTIONS, 'peer': peer.name}
            say(f'{counted.key} {peer.name}')
            try:
                row['count'], row['detail'] = counting.instructions(bench, peer, counted)
            except Lacking:
                continue
            except Failed as error:
                row['failed'] = str(error)
            yield row


def timed_runs():
    """(what, key, command, words) of what is timed in each round."""
    for what, command, number, words in kinds():
        n = 10_000 if what == 'echo' else 500_000
        yield what, point(what, number), command, (f'n={n}', *words)


def verdict_rows(rows, table, names):
    """Prints the points; returns (what, Verdict or None) for thole's."""
    counts = {(row['workload'], row['peer']): row['count'] for row in rows if 'count' in row}
    judged = []
    for what in ('echo', 'timers'):
        numbers = [number for kind, _, number, _ in kinds() if kind == what]
        print(f'\n{what}: instructions an operation, CPU ns, CPU / {RAW} at that number')
        for name in filter(lambda name, what=what: takes_part(what, name), names):
            own = [counts.get((point(what, number), name)) for number in numbers]
            cells = []
            for number, instructions in zip(numbers, own):
                key = point(what, number)
                cpu, ratio = table.estimate(key, name), table.ratio(key, name, RAW)
                words = [f'{number}:', f'{instructions:.1f}' if instructions else '-',
                         verdicts.number(cpu.median) if cpu else '-']
                if ratio and name != RAW:
                    words.append(verdicts.shown(ratio))
                cells.append(' '.join(words))
                if is_thole(name):
                    figure = workloads.Figure(key, name, BESIDE_RAW, RAW)
                    judged.append((f'{key} CPU {name}', table.judge(figure)))
            print(f'  {name:22} ' + '   '.join(cells))
            if is_thole(name):
                judged.append((f'growth of instructions, {what} {name}', flat(own)))
    return judged


def flat(counts):
    """A Verdict on the largest over the smallest; None if a point is missing."""
    if not counts or None in counts:
        return None
    growth = max(counts) / min(counts)
    return verdicts.Verdict(f'{growth:.3f}x, at most {FLAT}x', growth <= FLAT, True)
