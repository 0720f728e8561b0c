"""Mean time to recover: how long users waited for a repair. docs/metrics/mean_time_to_recover.md"""

from collections.abc import Sequence
from dataclasses import dataclass

from metrics.definitions.base import (
    Columns,
    Definition,
    MetricName,
    Note,
    Part,
    Profile,
    Reason,
    Shown,
    Unit,
    bounds_of,
    score_of_time,
)
from metrics.definitions.statistics import Interval95, intervals_differ
from metrics.definitions.words import count, span


@dataclass(frozen=True, slots=True)
class MeanTimeToRecover:
    """Seconds until a failed deployment was repaired: mean, median and p90 over `recovered` of them."""

    value: float | None
    reason: Reason | None
    median: float | None
    median_interval95: Interval95 | None
    p90: float | None
    recovered: int
    open: int
    incidents: int
    unattributed_incidents: int


def _read(row: Columns, _: Sequence[str]) -> MeanTimeToRecover:
    reason = None
    if row["value"] is not None:
        pass
    elif not row["deployments"]:
        reason = Reason.NO_DEPLOYMENTS
    elif not row["failures"]:
        reason = Reason.NO_FAILURES
    elif not row["recovered"]:
        reason = Reason.NONE_RECOVERED
    return MeanTimeToRecover(
        value=row["value"],
        reason=reason,
        median=row["median"],
        median_interval95=bounds_of(row["median_interval95"]),
        p90=row["p90"],
        recovered=row["recovered"],
        open=row["open"],
        incidents=row["incidents"],
        unattributed_incidents=row["unattributed_incidents"],
    )


def _detail(row: MeanTimeToRecover) -> str:
    median = "" if row.median is None else f"median {span(row.median)}; "
    return f"{median}{row.recovered} recovered, {row.open} open"


def _shown(row: MeanTimeToRecover) -> Shown:
    outcome = f"{count(row.recovered)} recovered, {count(row.open)} open"
    median = [] if row.median is None else [f"median {span(row.median)}"]
    return Shown(
        span(row.value), "" if row.value is None else "mean", [*median, outcome], count(row.recovered)
    )


_NO_INCIDENTS = Note(
    "no_incidents",
    "No incidents are reported here: failures are known only by their repairs, and those that nobody has "
    "repaired are not among the open ones.",
)


DEFINITION = Definition(
    name=MetricName.MEAN_TIME_TO_RECOVER,
    title="Mean time to recover",
    short_title="recovery",
    means=(
        "How long users waited after a deployment failed: until its incident was over, or until the "
        "deployment that repaired it. The mean, with the typical case, the median, beside it."
    ),
    unit=Unit.SECONDS,
    row=MeanTimeToRecover,
    parameters=("groups", "question", "windows"),
    columns=(
        "value",
        "median",
        "median_interval95",
        "p90",
        "recovered",
        "open",
        "incidents",
        "unattributed_incidents",
        "deployments",
        "failures",
    ),
    read=_read,
    # One long outage moves the mean.
    typical=lambda row: row.median,
    typical_title="The median time to recover",
    differ=lambda before, after, *_: intervals_differ(before.median_interval95, after.median_interval95),
    bounds=lambda row: row.median_interval95,
    detail=_detail,
    parts={Part.FAILED: "Failed", Part.LEFT_OUT: "Left out"},
    seconds_title="Time to recover",
    shown=_shown,
    directions=("longer", "shorter"),
    size=lambda row: row.recovered + row.open,
    score=score_of_time,
    is_about_failures=True,
    notes=lambda row: () if row.incidents else (_NO_INCIDENTS,),
    differences={
        Profile.DEVLAKE: (
            "From the deployment's finish, not the incident's start, to the last resolution of the incidents "
            "that went to it; repairs say nothing."
        ),
        Profile.MIDDLEWARE: (
            "The mean over incidents, not deployments, from start to resolution, by when they were resolved."
        ),
    },
)
