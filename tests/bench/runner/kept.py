# SPDX-License-Identifier: BSL-1.0
"""Runs that --json FILE kept: the table, the counts and the verdicts again, without a new run."""
import json

from runner import compile_cost, counting, growth, peers, verdicts, workloads


def fill(table, key, name, round_number, record):
    """What the table has of one run of a workload, or of a point of the growth."""
    if key.startswith('growth_'):
        table.add(key, name, round_number, workloads.CPU(record))
        return
    for row in workloads.rows_of(key):
        value = row.read(record)
        if value is not None:
            table.add(row.key, name, round_number, value)


class Kept:
    """table, counts (as counting.count_all yields them) and names of the peers in the file.

    A file may hold several sessions: their rounds all count, and of the counts the last ones.
    """

    def __init__(self, lines, wanted=()):
        self.table = verdicts.Table()
        self.keys = set()
        counts, found, session = {}, set(), 0
        for line in lines:
            row = json.loads(line)
            session += row['kind'] == 'machine'
            name = row.get('peer')
            if name is None or wanted and name not in (*wanted, compile_cost.REFERENCE):
                continue
            found.add(name)
            if row['kind'] in (counting.INSTRUCTIONS, counting.CALLS):
                counts[row['workload'], row['kind'], name] = row
            elif row['kind'] == 'run' and 'failed' not in row:
                self.keys.add(row['key'])
                fill(self.table, row['key'], name, (session, row['round']), row)
        self.counts = list(counts.values())
        self.names = [peer.name for peer in peers.ALL if peer.name in found]

    def has_growth(self):
        return any(key.startswith('growth_')
                   for key in (*self.keys, *(row['workload'] for row in self.counts)))

    def growing(self):
        return [name for name in self.names if name in growth.NAMES]
