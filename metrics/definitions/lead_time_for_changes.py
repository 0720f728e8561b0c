"""Lead time for changes: how long a change takes to production. docs/metrics/lead_time_for_changes.md"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    score_of_time,
)
from metrics.definitions.statistics import Interval95, Weeks, intervals_differ, shares_differ
from metrics.definitions.words import count, span


@dataclass(frozen=True, slots=True)
class LeadTimeForChanges:
    """Seconds from a commit's writing to its first deployment: median, mean and p90 over `commits`."""

    value: float | None
    reason: Reason | None
    median_interval95: Interval95 | None
    mean: float | None
    p90: float | None
    commits: int
    coverage: float | None
    negative_lead_times: int


def _read(row: Columns, _: Sequence[str]) -> LeadTimeForChanges:
    reason = None
    if not row["deployments"]:
        reason = Reason.NO_DEPLOYMENTS
    elif not row["commits"]:
        reason = Reason.NO_COMMITS
    return LeadTimeForChanges(
        value=row["value"],
        reason=reason,
        median_interval95=bounds_of(row["median_interval95"]),
        mean=row["mean"],
        p90=row["p90"],
        commits=row["commits"],
        coverage=row["coverage"],
        negative_lead_times=row["negative_lead_times"],
    )


def _differ(
    before: LeadTimeForChanges, after: LeadTimeForChanges, weeks_before: Weeks, weeks_after: Weeks
) -> bool | None:
    """By the shares below the median of both; by the medians' intervals where there are too few weeks."""
    differs = shares_differ(weeks_before, weeks_after)
    return intervals_differ(before.median_interval95, after.median_interval95) if differs is None else differs


def _detail(row: LeadTimeForChanges) -> str:
    coverage = "" if row.coverage is None else f"; {row.coverage:.0%} of deployments carry commits"
    return f"{row.commits} commits{coverage}"


def _shown(row: LeadTimeForChanges) -> Shown:
    commits = f"{count(row.commits)} {'commit' if row.commits == 1 else 'commits'}"
    slowest = [] if row.p90 is None else [f"9 in 10 within {span(row.p90)}"]
    return Shown(
        span(row.value), "" if row.value is None else "median", [commits, *slowest], count(row.commits)
    )


DEFINITION = Definition(
    name=MetricName.LEAD_TIME_FOR_CHANGES,
    title="Lead time for changes",
    short_title="lead time",
    means=(
        "How long a change takes to reach users: from when it was written to the first successful "
        "deployment that carries it. The typical change, which is the median."
    ),
    unit=Unit.SECONDS,
    row=LeadTimeForChanges,
    parameters=("groups", "question", "windows"),
    columns=(
        "value",
        "median_interval95",
        "mean",
        "p90",
        "commits",
        "coverage",
        "negative_lead_times",
        "deployments",
    ),
    read=_read,
    typical=lambda row: row.value,
    differ=_differ,
    bounds=lambda row: row.median_interval95,
    detail=_detail,
    parts={Part.COUNTED: "Commits", Part.LEFT_OUT: "Left out"},
    seconds_title="Lead time",
    shown=_shown,
    directions=("longer", "shorter"),
    size=lambda row: row.commits,
    score=score_of_time,
    differences={
        Profile.DEVLAKE: "The same commits; of two values in the middle the median takes the lower.",
        Profile.MIDDLEWARE: "The same commits; the window holds its last instant too.",
    },
)
