"""DORA's performance levels by report year, and its Quick Check score, out of `metrics.domain.benchmarks`.

The survey asks for the typical case, so times are judged by their median, and the frequency by the days
with a deployment in a typical week, else in a typical calendar month: docs/metrics.md, section 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.definitions.base import MetricName, MetricRow
from metrics.definitions.catalog import CATALOG
from metrics.domain.benchmarks import figures

_TOO_SHORT = "window_too_short"


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
    """Return whose figures the levels are, to be shown wherever levels are."""
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
    definition = CATALOG[name]
    judged = definition.judge(row)
    if judged is None:
        return Level(year, None, row.reason or _TOO_SHORT)
    for tier, bounds in tiers.items():
        if definition.meets(judged, bounds[name]):
            return Level(year, tier, None)
    return Level(year, None, "beyond_all_tiers")


def score_of(name: MetricName, row: MetricRow) -> Score:
    """The score of one metric, by the Quick Check's own rules."""
    quick_check = figures()["quick_check"]
    version, benchmark = quick_check["version"], quick_check["benchmark"][name]
    judged = CATALOG[name].judge(row)
    if judged is None:
        return Score(version, None, benchmark, row.reason or _TOO_SHORT)
    return Score(version, CATALOG[name].score(judged), benchmark, None)


def overall_score(scores: Sequence[Score]) -> Score:
    """The mean of the scores that there are; None where there are none."""
    quick_check = figures()["quick_check"]
    known = [one.score for one in scores if one.score is not None]
    mean = sum(known) / len(known) if known else None
    reason = None if known else "no_scores"
    return Score(quick_check["version"], mean, quick_check["benchmark"]["overall"], reason)
