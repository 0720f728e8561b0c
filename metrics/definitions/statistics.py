"""Intervals, and whether two figures differ by more than chance would bring about. All at 95 %."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

# The two-sided 95 % quantile of the normal distribution.
Z95 = 1.959963984540054

Interval95 = tuple[float, float]


def wilson95(numerator: float, denominator: float, quantile: float = Z95) -> Interval95 | None:
    """The 95 % Wilson score interval of a proportion, within [0, 1]; None for 0 of 0.

    `quantile` is that of the distribution by which the proportion is judged.

    E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).
    """
    if denominator == 0:
        return None
    share, weight = numerator / denominator, quantile**2 / denominator
    middle = (share + weight / 2) / (1 + weight)
    reach = (
        quantile * math.sqrt(share * (1 - share) / denominator + weight / (4 * denominator)) / (1 + weight)
    )
    # Rounding must not carry a bound past the proportion itself.
    low = 0.0 if numerator == 0 else max(0.0, middle - reach)
    high = 1.0 if numerator == denominator else min(1.0, middle + reach)
    return low, high


def quantile_of_t(freedom: float) -> float:
    """The two-sided 95 % quantile of Student's t; infinite below one degree of freedom.

    M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 26.7.5, and a table of its first few.
    """
    if freedom < 1:
        return math.inf
    if freedom < len(_T95):
        below, part = int(freedom), freedom % 1
        return _T95[below - 1] * (1 - part) + _T95[below] * part
    return sum(part / freedom**power for power, part in enumerate(T95_SERIES))


T95_SERIES = (
    Z95,
    (Z95**3 + Z95) / 4,
    (5 * Z95**5 + 16 * Z95**3 + 3 * Z95) / 96,
    (3 * Z95**7 + 19 * Z95**5 + 17 * Z95**3 - 15 * Z95) / 384,
)
"""The coefficients of its series in 1 / degrees of freedom: of the powers 0 to 3."""
# For 1, 2, … degrees of freedom.
_T95 = (12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.30600, 2.26216, 2.22814)


def _median_rank(n: int) -> int:
    """Of n values in order, the place of the lower bound of their median's 95 % interval, counted from 1; as
    far from the other end is the upper one. 0 where n is too small.

    The chance that no more than k of them lie below the median is binomial: W. J. Conover, Practical
    Nonparametric Statistics, section 3.2.
    """
    chances = accumulate(math.comb(n, k) for k in range(n + 1))
    return sum(1 for chance in chances if 40 * chance <= 2**n)


MEDIAN_RANKS = tuple(_median_rank(n) for n in range(1, 101))
"""For 1, 2, … values; beyond, the normal approximation is as good."""


@dataclass(frozen=True, slots=True)
class WeekCounts:
    """Of a whole week, how many of how many: failed of deployments, say."""

    counted: float
    of: float


Weeks = Sequence[WeekCounts]
FEWEST_WEEKS = 4
"""With fewer whole weeks nobody can tell how much they differ from each other."""


def counts_differ(before: Weeks, after: Weeks) -> bool | None:
    """Whether the counts of whole weeks differ by Welch's test; None with fewer than four in either.

    Deployments are no independent events: weeks differ from each other by more than chance would have it.
    B. L. Welch, The generalization of Student's problem, Biometrika 34 (1947).
    """
    if min(len(before), len(after)) < FEWEST_WEEKS:
        return None
    counts = [[week.counted for week in weeks] for weeks in (before, after)]
    if not any(map(any, counts)):
        return None
    apart = statistics.fmean(counts[1]) - statistics.fmean(counts[0])
    spread, other = (statistics.variance(one) / len(one) for one in counts)
    if spread + other == 0:
        return apart != 0
    freedom = (spread + other) ** 2 / sum(
        part**2 / (len(one) - 1) for part, one in zip((spread, other), counts, strict=True)
    )
    return abs(apart) > quantile_of_t(freedom) * math.sqrt(spread + other)


def shares_differ(before: Weeks, after: Weeks) -> bool | None:
    """Whether the shares of two windows differ, with weeks as clusters; None with fewer than four in either.

    W. G. Cochran, Sampling Techniques, section 3.12: the variance of a ratio of clusters' totals.
    """
    if min(len(before), len(after)) < FEWEST_WEEKS:
        return None
    shares = [_share(weeks) for weeks in (before, after)]
    if shares[0] is None or shares[1] is None:
        return None
    spread = math.sqrt(sum(_cluster_variance(weeks) for weeks in (before, after)))
    return abs(shares[1] - shares[0]) > quantile_of_t(len(before) + len(after) - 2) * spread


def _share(weeks: Weeks) -> float | None:
    total = sum(week.of for week in weeks)
    return sum(week.counted for week in weeks) / total if total else None


def _cluster_variance(weeks: Weeks) -> float:
    """The variance of a share whose parts come in weeks."""
    total, share = sum(week.of for week in weeks), _share(weeks) or 0.0
    squares = sum((week.counted - share * week.of) ** 2 for week in weeks)
    return len(weeks) / (len(weeks) - 1) * squares / total**2 if total else 0.0


def _design_effect(before: Weeks, after: Weeks) -> float:
    """How many times the variance of two shares is that of independent events; at least 1."""
    totals = [sum(week.of for week in weeks) for weeks in (before, after)]
    shares = [_share(weeks) or 0.0 for weeks in (before, after)]
    binomial = sum(share * (1 - share) / total for share, total in zip(shares, totals, strict=True) if total)
    clustered = sum(_cluster_variance(weeks) for weeks in (before, after))
    return max(1.0, clustered / binomial) if binomial else 1.0


def rates_differ(
    before: tuple[int, int], after: tuple[int, int], weeks_before: Weeks, weeks_after: Weeks
) -> bool | None:
    """Whether two proportions, each a numerator and a denominator, differ; None where one is of nothing.

    Where their weeks differ from each other by more than chance, the counts say as much less.
    R. G. Newcombe, Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17 (1998), method 10.
    """
    effect, quantile = 1.0, Z95
    if min(len(weeks_before), len(weeks_after)) >= FEWEST_WEEKS:
        effect = _design_effect(weeks_before, weeks_after)
        quantile = quantile_of_t(len(weeks_before) + len(weeks_after) - 2)
    first, second = (wilson95(numerator / effect, of / effect, quantile) for numerator, of in (before, after))
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
