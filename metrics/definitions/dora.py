"""DORA's performance levels by report year, and its Quick Check score; out of `metrics.domain.benchmarks`.

The survey asks for the typical case, so times are judged by their median, and the frequency by the days
with a deployment in a typical week, else in a typical calendar month: docs/metrics.md, section 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from metrics.definitions.catalog import MetricName
from metrics.definitions.results import (
    ChangeFailureRate,
    DeploymentFrequency,
    DeploymentReworkRate,
    MetricRow,
    typical,
)
from metrics.domain.benchmarks import figures

DAILY_DAYS_PER_WEEK = 5
_HOUR, _DAY, _WEEK = 3_600, 86_400, 7 * 86_400
_MONTH = 365.25 * 86_400 / 12
# The Quick Check's answers for a time, from six down to two.
_TIME_ANSWERS = (_HOUR, _DAY, _WEEK, _MONTH, 6 * _MONTH)


class _Frequency(IntEnum):
    """How often a team typically deploys."""

    LESS = 0
    MONTHLY = 1
    WEEKLY = 2
    ON_DEMAND = 3


# The Quick Check asks finer than days can tell: on demand is its best, and less its second to last.
_FREQUENCY_ANSWERS = {
    _Frequency.ON_DEMAND: 6,
    _Frequency.WEEKLY: 4,
    _Frequency.MONTHLY: 3,
    _Frequency.LESS: 2,
}


@dataclass(frozen=True, slots=True)
class Level:
    """The performance level by a report year. `level` is None with the reason where there is none."""

    year: int
    level: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """The Quick Check's score, 0 to 10, beside the mean of all industries; None with the reason."""

    version: int
    score: float | None
    benchmark: float
    reason: str | None


def attribution() -> str:
    """Who the figures are from: shown wherever they are."""
    text: str = figures()["attribution"]
    return text


def level_of(name: MetricName, row: MetricRow, year: int) -> Level:
    """The best tier of the year whose bound is not exceeded.

    The reason for none: the value's own, `window_too_short` (a frequency without a whole week or month),
    `no_tiers` (a year without any), `not_published` (for this metric), `beyond_all_tiers`.
    """
    tiers: Mapping[str, Mapping[str, Any]] = figures()["levels"].get(str(year), {}).get("tiers", {})
    if not tiers:
        return Level(year, None, "no_tiers")
    if not any(name in bounds for bounds in tiers.values()):
        return Level(year, None, "not_published")
    judged = _judged(row)
    if judged is None:
        return Level(year, None, row.reason or "window_too_short")
    for tier, bounds in tiers.items():
        if _reaches(judged, bounds[name]):
            return Level(year, tier, None)
    return Level(year, None, "beyond_all_tiers")


def score_of(name: MetricName, row: MetricRow) -> Score:
    """The score of one metric, by the Quick Check's own rules."""
    quick_check = figures()["quick_check"]
    version, benchmark = quick_check["version"], quick_check["benchmark"][name]
    judged = _judged(row)
    if judged is None:
        return Score(version, None, benchmark, row.reason or "window_too_short")
    match row:
        case ChangeFailureRate() | DeploymentReworkRate():
            score = 10 - 10 * min(max(float(judged), 0), 1)
        case DeploymentFrequency():
            score = (_FREQUENCY_ANSWERS[_Frequency(int(judged))] - 1) / 5 * 10
        case _:
            answer = 6 - sum(judged >= bound for bound in _TIME_ANSWERS)
            score = (answer - 1) / 5 * 10
    return Score(version, score, benchmark, None)


def overall_score(scores: Sequence[Score]) -> Score:
    """The mean of the scores that there are; None where there are none."""
    quick_check = figures()["quick_check"]
    known = [one.score for one in scores if one.score is not None]
    mean = sum(known) / len(known) if known else None
    reason = None if known else "no_scores"
    return Score(quick_check["version"], mean, quick_check["benchmark"]["overall"], reason)


def _judged(row: MetricRow) -> float | None:
    """What a level goes by: the typical case."""
    return _frequency(row) if isinstance(row, DeploymentFrequency) else typical(row)


def _frequency(row: DeploymentFrequency) -> _Frequency | None:
    weekly, monthly = row.median_days_per_week, row.median_days_per_month
    if weekly is not None and weekly >= DAILY_DAYS_PER_WEEK:
        return _Frequency.ON_DEMAND
    if weekly is not None and weekly >= 1:
        return _Frequency.WEEKLY
    if monthly is None:
        return None
    return _Frequency.MONTHLY if monthly >= 1 else _Frequency.LESS


def _reaches(judged: float, bound: str | float | None) -> bool:
    if isinstance(bound, str):
        return judged >= _Frequency[bound.upper()]
    return bound is None or judged <= bound
