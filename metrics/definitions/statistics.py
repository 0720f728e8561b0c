"""Intervals, and whether two figures differ by more than chance would bring about. All at 95 %."""

import math

# The two-sided 95 % quantile of the normal distribution.
Z95 = 1.959963984540054
_ALPHA = 0.05
# Beyond it the binomial distribution is as good as normal.
_MOST_COUNTED = 1_000

Interval95 = tuple[float, float]


def wilson95(numerator: int, denominator: int) -> Interval95 | None:
    """The 95 % Wilson score interval of a proportion, within [0, 1]; None for 0 of 0.

    E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).
    """
    if denominator == 0:
        return None
    share, weight = numerator / denominator, Z95**2 / denominator
    middle = (share + weight / 2) / (1 + weight)
    reach = Z95 * math.sqrt(share * (1 - share) / denominator + weight / (4 * denominator)) / (1 + weight)
    # Rounding must not carry a bound past the proportion itself.
    low = 0.0 if numerator == 0 else max(0.0, middle - reach)
    high = 1.0 if numerator == denominator else min(1.0, middle + reach)
    return low, high


def counts_differ(before: int, after: int) -> bool | None:
    """Whether the counts of two windows of equal length differ by the binomial test; None for 0 and 0.

    Without a change each deployment falls into either window with equal chance.
    """
    total, least = before + after, min(before, after)
    if total == 0:
        return None
    if total > _MOST_COUNTED:
        return abs(after - before) > Z95 * math.sqrt(total)
    tail = sum(math.comb(total, count) for count in range(least + 1)) * 2.0**-total
    return 2 * tail < _ALPHA


def rates_differ(before: tuple[int, int], after: tuple[int, int]) -> bool | None:
    """Whether two proportions, each a numerator and a denominator, differ; None where one is of nothing.

    R. G. Newcombe, Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17 (1998), method 10.
    """
    first, second = wilson95(*before), wilson95(*after)
    if first is None or second is None:
        return None
    share, other = before[0] / before[1], after[0] / after[1]
    low = other - share - math.hypot(other - second[0], first[1] - share)
    high = other - share + math.hypot(second[1] - other, share - first[0])
    return not low <= 0 <= high


def intervals_differ(before: Interval95 | None, after: Interval95 | None) -> bool | None:
    """Whether two intervals have nothing in common; None where one is not known."""
    if before is None or after is None:
        return None
    return before[1] < after[0] or after[1] < before[0]
