"""Deployment frequency: how often the team ships. docs/metrics/deployment_frequency.md"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from metrics.definitions.base import (
    Columns,
    Definition,
    MetricName,
    Part,
    Profile,
    Reason,
    Shown,
    Unit,
    bounds_of,
    score_of_answer,
)
from metrics.definitions.statistics import Interval95, WeekCounts, counts_differ
from metrics.definitions.words import count, frequency

DAILY_DAYS_PER_WEEK = 5


@dataclass(frozen=True, slots=True)
class DeploymentFrequency:
    """Successful deployments per day; durations in seconds."""

    value: float
    reason: Reason | None
    deployments: int
    redeployments: int
    deployment_days: int
    median_days_per_week: float | None
    median_days_per_week_interval95: Interval95 | None
    median_days_per_month: float | None
    median_duration_seconds: float | None
    p90_duration_seconds: float | None
    durations: int


@dataclass(frozen=True, slots=True)
class WholeDeploymentFrequency(DeploymentFrequency):
    """By rules that count whole deployments: `value` a day, rounded down, `per_week` and `per_month`."""

    per_week: int
    per_month: int


class Cadence(IntEnum):
    """How often a team typically deploys; the names are those of the tiers' bounds."""

    LESS = 0
    MONTHLY = 1
    WEEKLY = 2
    ON_DEMAND = 3


# The Quick Check asks finer than days can tell: on demand is its best, and less its second to last.
_ANSWERS = {Cadence.ON_DEMAND: 6, Cadence.WEEKLY: 4, Cadence.MONTHLY: 3, Cadence.LESS: 2}


def _read(row: Columns, _: Sequence[str]) -> DeploymentFrequency:
    given = {name: value for name, value in row.items() if value is not None or not name.startswith("per_")}
    given["median_days_per_week_interval95"] = bounds_of(given.get("median_days_per_week_interval95"))
    kind = WholeDeploymentFrequency if "per_week" in given else DeploymentFrequency
    return kind(reason=None, **given)


def _cadence(row: DeploymentFrequency) -> Cadence | None:
    """By the days with a deployment in a typical week, else in a typical calendar month."""
    weekly, monthly = row.median_days_per_week, row.median_days_per_month
    if weekly is not None and weekly >= DAILY_DAYS_PER_WEEK:
        return Cadence.ON_DEMAND
    if weekly is not None and weekly >= 1:
        return Cadence.WEEKLY
    if monthly is None:
        return None
    return Cadence.MONTHLY if monthly >= 1 else Cadence.LESS


def _cadences(row: DeploymentFrequency) -> tuple[float, float] | None:
    """The least and the most often that the interval of the days in a typical week allows."""
    interval = row.median_days_per_week_interval95
    if interval is None:
        return None
    low, high = (replace(row, median_days_per_week=days) for days in interval)
    bounds = _cadence(low), _cadence(high)
    return None if bounds[0] is None or bounds[1] is None else (bounds[0], bounds[1])


def _detail(row: DeploymentFrequency) -> str:
    typical = _typical_week(row)
    return f"{row.deployments} deployments on {row.deployment_days} days" + (
        f"; {typical}" if typical else ""
    )


def _typical_week(row: DeploymentFrequency) -> str:
    weekly = row.median_days_per_week
    return "" if weekly is None else f"{weekly:g} days in a typical week"


def _shown(row: DeploymentFrequency) -> Shown:
    noun = "deployment" if row.deployments == 1 else "deployments"
    days = f"on {count(row.deployment_days)} {'day' if row.deployment_days == 1 else 'days'}"
    return Shown(
        frequency(row.value), "a day", (f"{count(row.deployments)} {noun}", days), count(row.deployments)
    )


DEFINITION = Definition(
    name=MetricName.DEPLOYMENT_FREQUENCY,
    title="Deployment frequency",
    short_title="frequency",
    means=(
        "How often something new reached users: successful deployments to production, divided by the days "
        "of the window."
    ),
    unit=Unit.PER_DAY,
    row=DeploymentFrequency,
    parameters=("days", "groups", "question", "windows"),
    columns=(
        "value",
        "per_week",
        "per_month",
        "deployments",
        "redeployments",
        "deployment_days",
        "median_days_per_week",
        "median_days_per_week_interval95",
        "median_days_per_month",
        "median_duration_seconds",
        "p90_duration_seconds",
        "durations",
    ),
    read=_read,
    typical=lambda row: row.value,
    differ=lambda _, __, weeks_before, weeks_after: counts_differ(weeks_before, weeks_after),
    week=lambda row: WeekCounts(row.deployments, 1),
    bounds=_cadences,
    judges_in_steps=True,
    detail=_detail,
    parts={Part.COUNTED: "Deployments", Part.LEFT_OUT: "Left out"},
    seconds_title="Took",
    shown=_shown,
    directions=("more often", "less often"),
    more_is_better=True,
    size=lambda row: row.deployments,
    judged_as=_typical_week,
    judged=_cadence,
    meets=lambda judged, bound: judged >= Cadence[bound.upper()],
    score=lambda judged: score_of_answer(_ANSWERS[Cadence(int(judged))]),
    differences={
        Profile.DEVLAKE: "The same deployments; of two values in the middle a median takes the lower.",
        Profile.MIDDLEWARE: (
            "Whole deployments a day, rounded down, over the days in UTC that the window touches; a week is "
            "never below 7 of these days, a month never below 30."
        ),
    },
)
