# SPDX-License-Identifier: BSL-1.0
"""Holds the estimates of thole's rows to their figures."""
import dataclasses

from runner import paired


@dataclasses.dataclass
class Verdict:
    text: str
    reached: bool
    sure: bool  # enough rounds

    def __str__(self):
        word = 'reached' if self.reached else 'MISSED'
        return f'{word}: {self.text}' + ('' if self.sure else ' (too few rounds to say)')


def number(value):
    if value == 0 or abs(value) >= 1000:
        return f'{value:.0f}'
    return f'{value:.3g}'


def shown(estimate):
    if estimate.low is None:
        return number(estimate.median)
    return f'{number(estimate.median)} [{number(estimate.low)} … {number(estimate.high)}]'


class Table:
    """values[row][peer] = {round: value}"""

    def __init__(self):
        self.values = {}

    def add(self, row, peer, round_number, value):
        self.values.setdefault(row, {}).setdefault(peer, {})[round_number] = value

    def estimate(self, row, peer):
        values = self.values.get(row, {}).get(peer)
        return paired.Estimate(values.values()) if values else None

    def ratio(self, row, peer, versus):
        peers = self.values.get(row, {})
        if peer not in peers or versus not in peers:
            return None
        return paired.ratio(peers[peer], peers[versus])

    def judge(self, figure):
        """A Verdict; None if a value is missing."""
        if figure.versus:
            estimate = self.ratio(figure.row, figure.peer, figure.versus)
            unit = f'x {figure.versus}'
        else:
            estimate = self.estimate(figure.row, figure.peer)
            unit = ''
        if estimate is None:
            return None
        text = f'{shown(estimate)}{unit}, at most {figure.most:g}{unit}'
        enough = paired.FIGURE_ROUNDS if figure.versus else 6
        return Verdict(text, estimate.lower_end <= figure.most, estimate.n >= enough)
