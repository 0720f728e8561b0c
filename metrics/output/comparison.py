"""Whether a change between two windows is more than chance: in a word for programs, in a sentence for people.

Rates by R. G. Newcombe's interval for the difference of two proportions (Statistics in Medicine 17, 1998,
method 10), frequencies by the binomial test of two counts, times by their medians' intervals.
"""

import math
from dataclasses import dataclass

from metrics.definitions.catalog import CATALOG
from metrics.definitions.results import (
    Z95,
    ChangeFailureRate,
    DeploymentFrequency,
    DeploymentReworkRate,
    LeadTimeForChanges,
    MeanTimeToRecover,
    typical,
    wilson95,
)
from metrics.queries.question import Answer

_ALPHA = 0.05
# Beyond it the binomial distribution is as good as normal.
_MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """`distinguishable` is None where there is too little to tell."""

    distinguishable: bool | None
    detail: str


def compare(answer: Answer) -> Comparison | None:
    """What to make of the window beside the one before; None where none is asked for."""
    if answer.previous is None:
        return None
    title = CATALOG[answer.metric].title
    if isinstance(answer.row, MeanTimeToRecover):
        title = "The median time to recover"
    before, after = typical(answer.previous.row), typical(answer.row)
    told = _is_distinguishable(answer)
    if told is None:
        return Comparison(None, f"{title}: too little has been recorded to tell whether it changed.")
    if not told:
        return Comparison(False, f"{title}: what changed is no more than chance would bring about.")
    rose = after is not None and before is not None and after > before
    direction = "rose" if rose else "fell"
    return Comparison(True, f"{title} {direction}, by more than chance would bring about (95 %).")


def _is_distinguishable(answer: Answer) -> bool | None:
    assert answer.previous is not None
    match (answer.previous.row, answer.row):
        case (DeploymentFrequency() as before, DeploymentFrequency() as after):
            return _counts_differ(before.deployments, after.deployments)
        case (
            (ChangeFailureRate() | DeploymentReworkRate()) as before,
            (ChangeFailureRate() | DeploymentReworkRate()) as after,
        ):
            return _rates_differ((before.numerator, before.denominator), (after.numerator, after.denominator))
        case (
            (LeadTimeForChanges() | MeanTimeToRecover()) as before,
            (LeadTimeForChanges() | MeanTimeToRecover()) as after,
        ):
            return _intervals_differ(before.median_interval95, after.median_interval95)
    raise AssertionError("a metric's rows are of one type")


def _counts_differ(before: int, after: int) -> bool | None:
    """Two windows of equal length: without a change each deployment falls into either with equal chance."""
    total, least = before + after, min(before, after)
    if total == 0:
        return None
    if total > _MOST_COUNTED:
        return abs(after - before) > Z95 * math.sqrt(total)
    tail = sum(math.comb(total, count) for count in range(least + 1)) * 2.0**-total
    return 2 * tail < _ALPHA


def _rates_differ(before: tuple[int, int], after: tuple[int, int]) -> bool | None:
    first, second = wilson95(*before), wilson95(*after)
    if first is None or second is None:
        return None
    share, other = before[0] / before[1], after[0] / after[1]
    low = other - share - math.hypot(other - second[0], first[1] - share)
    high = other - share + math.hypot(second[1] - other, share - first[0])
    return not low <= 0 <= high


def _intervals_differ(before: tuple[float, float] | None, after: tuple[float, float] | None) -> bool | None:
    if before is None or after is None:
        return None
    return before[1] < after[0] or after[1] < before[0]
