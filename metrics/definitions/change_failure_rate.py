"""Change failure rate: how many deployments needed repair. docs/metrics/change_failure_rate.md"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrics.definitions.base import (
    Columns,
    Definition,
    MetricName,
    Part,
    Profile,
    Reason,
    Unit,
    score_of_share,
)
from metrics.definitions.rates import differ_by_more_than_chance, rate_detail, shown_rate, week_of_rate
from metrics.definitions.statistics import Interval95, wilson95


@dataclass(frozen=True, slots=True)
class ChangeFailureRate:
    """Failed deployments over all that reached users."""

    value: float | None
    reason: Reason | None
    numerator: int
    denominator: int
    interval95: Interval95 | None
    by_signal: Mapping[str, int]
    unattributed: int
    did_not_reach_production: int


def _read(row: Columns, signals: Sequence[str]) -> ChangeFailureRate:
    return ChangeFailureRate(
        value=row["value"],
        reason=Reason.NO_DEPLOYMENTS if row["value"] is None else None,
        numerator=row["numerator"],
        denominator=row["denominator"],
        interval95=wilson95(row["numerator"], row["denominator"]),
        by_signal={signal: row[f"by_{signal}"] for signal in signals},
        unattributed=row["unattributed"],
        did_not_reach_production=row["did_not_reach_production"],
    )


DEFINITION = Definition(
    name=MetricName.CHANGE_FAILURE_RATE,
    title="Change failure rate",
    short_title="failure rate",
    means=(
        "The share of deployments that reached users and needed repair: by an incident, a rollback, a hotfix "
        "or a fix."
    ),
    unit=Unit.RATIO,
    row=ChangeFailureRate,
    parameters=("groups", "question", "windows"),
    columns=(
        "value",
        "numerator",
        "denominator",
        "by_incident",
        "by_rollback",
        "by_hotfix",
        "by_fix",
        "by_status",
        "unattributed",
        "did_not_reach_production",
    ),
    read=_read,
    typical=lambda row: row.value,
    differ=differ_by_more_than_chance,
    week=week_of_rate,
    bounds=lambda row: row.interval95,
    detail=rate_detail,
    size=lambda row: row.denominator,
    parts={Part.NUMERATOR: "Failed", Part.COUNTED: "All", Part.LEFT_OUT: "Left out"},
    shown=lambda row: shown_rate(row, "needed repair"),
    score=score_of_share,
    is_about_failures=True,
    names_causes=True,
    differences={
        Profile.DEVLAKE: (
            "Only incidents make failures, and each goes to the last successful deployment of all "
            "repositories asked for before it, however long before; repairs make none."
        ),
        Profile.MIDDLEWARE: (
            "Failed deployments are in the denominator; only incidents make failures, and each goes to the "
            "latest deployment of all repositories asked for; without deployments the rate is 0."
        ),
    },
)
