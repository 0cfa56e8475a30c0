# SPDX-License-Identifier: BSL-1.0
"""Medians, their intervals, and ratios of what was run in the same round.

The interval is the one of the order statistics: for n independent values it lies between the
k-th smallest and the k-th largest, where k is the largest for which the chance that the true
median lies outside is at most 5 %. That is exact for every n and asks nothing of the
distribution; below 6 values no such interval exists.
"""
import math
import statistics

FIGURE_ROUNDS = 25  # a ratio's figure is judged on no fewer


def interval_rank(n):
    """k, counted from 1: (k-th smallest, k-th largest) covers the median in 95 % at least."""
    outside, k = 0.0, 0
    while k < n // 2:
        outside += math.comb(n, k) / 2.0 ** n  # P(fewer than k + 1 values below the median)
        if 2 * outside > 0.05:
            break
        k += 1
    return k


class Estimate:
    """The median of some values, and its 95 % interval (None with fewer than 6 values)."""

    def __init__(self, values):
        ordered = sorted(values)
        self.n = len(ordered)
        self.median = statistics.median(ordered)
        rank = interval_rank(self.n)
        self.low, self.high = (ordered[rank - 1], ordered[-rank]) if rank else (None, None)

    @property
    def lower_end(self):
        """What a figure is held to; without an interval the median stands in."""
        return self.median if self.low is None else self.low


def ratios(values, others):
    """Both {round: value}: the ratio of each round that has both."""
    return [value / others[key] for key, value in sorted(values.items())
            if key in others and others[key] > 0]


def ratio(values, others):
    paired = ratios(values, others)
    return Estimate(paired) if paired else None
