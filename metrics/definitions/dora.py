"""DORA's performance levels by report year, and its Quick Check score, out of `metrics.domain.benchmarks`.

The survey asks for the typical case, so times are judged by their median, and the frequency by the days
with a deployment in a typical week, else in a typical calendar month: docs/metrics.md, section 4.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.definitions.base import Definition, MetricRow
from metrics.definitions.catalog import CATALOG
from metrics.domain.benchmarks import figures

_TOO_SHORT = "window_too_short"


@dataclass(frozen=True, slots=True)
class Level:
    """The performance level by a report year. `level` is None with the reason where there is none.

    `possible` are the tiers that the 95 % interval of what is judged allows, all of them where there is too
    little for an interval; `certain` says that the level is the only one.
    """

    year: int
    level: str | None
    reason: str | None
    possible: Sequence[str] = ()
    certain: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """The Quick Check's score, 0 to 10, beside the mean of all industries; None with the reason.

    `interval95` is what the interval of what is judged allows; None where there is too little for one.
    """

    version: int
    score: float | None
    benchmark: float | None
    reason: str | None
    interval95: tuple[float, float] | None = None


def attribution() -> str:
    """Return whose figures the levels are, to be shown wherever levels are."""
    text: str = figures()["attribution"]
    return text


def level_of(name: str, row: MetricRow, year: int) -> Level:
    """The best tier of the year whose bound is not exceeded.

    The reason for none: the value's own, `window_too_short` (a frequency without a whole week or month),
    `no_tiers` (a year without any), `not_published` (for this metric), `beyond_all_tiers`.
    """
    tiers: Mapping[str, Mapping[str, Any]] = figures()["levels"].get(str(year), {}).get("tiers", {})
    if not tiers:
        return Level(year, None, "no_tiers")
    if not any(name in bounds for bounds in tiers.values()):
        return Level(year, None, "not_published")
    definition = CATALOG[name]
    judged = definition.judge(row)
    if judged is None:
        return Level(year, None, row.reason or _TOO_SHORT)
    level = _tier(definition, tiers, judged)
    possible = _possible(definition, tiers, row)
    reason = "beyond_all_tiers" if level is None else None
    names = [tier for tier in tiers if tier in possible]
    return Level(year, level, reason, names, certain=possible == {level})


def _tier(definition: Definition[Any], tiers: Mapping[str, Mapping[str, Any]], judged: float) -> str | None:
    return next(
        (tier for tier, bounds in tiers.items() if definition.meets(judged, bounds[definition.name])), None
    )


def _possible(
    definition: Definition[Any], tiers: Mapping[str, Mapping[str, Any]], row: MetricRow
) -> set[str | None]:
    """The tiers of everything that the interval of what is judged allows; None is beyond all."""
    interval = definition.bounds(row)
    if interval is None:
        return {*tiers}
    low, high = interval
    steps = [bounds[definition.name] for bounds in tiers.values()]
    numbers = [step for step in steps if isinstance(step, int | float) and low <= step <= high]
    # A tier ends with its bound, and the next begins just after.
    tried = [low, high, *numbers, *(math.nextafter(step, math.inf) for step in numbers if step < high)]
    if definition.judges_in_steps:
        tried = [float(step) for step in range(int(low), int(high) + 1)]
    return {_tier(definition, tiers, value) for value in tried}


def score_of(name: str, row: MetricRow) -> Score:
    """The score of one metric, by the Quick Check's own rules; `not_published` where it has none."""
    quick_check, definition = figures()["quick_check"], CATALOG[name]
    version, benchmark = quick_check["version"], quick_check["benchmark"].get(name)
    if definition.score is None:
        return Score(version, None, None, "not_published")
    judged = definition.judge(row)
    if judged is None:
        return Score(version, None, benchmark, row.reason or _TOO_SHORT)
    interval, found = definition.bounds(row), None
    if interval is not None:
        scores = sorted(definition.score(bound) for bound in interval)
        found = scores[0], scores[1]
    return Score(version, definition.score(judged), benchmark, None, found)


def overall_score(scores: Sequence[Score]) -> Score:
    """The mean of the scores that there are; None where there are none."""
    quick_check = figures()["quick_check"]
    known = [one.score for one in scores if one.score is not None]
    mean = sum(known) / len(known) if known else None
    reason = None if known else "no_scores"
    return Score(quick_check["version"], mean, quick_check["benchmark"]["overall"], reason)
