"""Deployment rework rate: how many deployments were repairs. docs/metrics/deployment_rework_rate.md"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrics.definitions.base import (
    Columns,
    Definition,
    MetricName,
    Part,
    Profile,
    Reason,
    SignalUse,
    Unit,
    score_of_share,
)
from metrics.definitions.rates import differ_by_more_than_chance, rate_detail, shown_rate, week_of_rate
from metrics.definitions.statistics import Interval95, wilson95


@dataclass(frozen=True, slots=True)
class DeploymentReworkRate:
    """Remediations over successful deployments."""

    value: float | None
    reason: Reason | None
    numerator: int
    denominator: int
    interval95: Interval95 | None
    by_signal: Mapping[str, int]


def _read(row: Columns, signals: Sequence[str]) -> DeploymentReworkRate:
    return DeploymentReworkRate(
        value=row["value"],
        reason=None if row["denominator"] else Reason.NO_DEPLOYMENTS,
        numerator=row["numerator"],
        denominator=row["denominator"],
        interval95=wilson95(row["numerator"], row["denominator"]),
        by_signal={signal: row[f"by_{signal}"] for signal in signals if f"by_{signal}" in row},
    )


DEFINITION = Definition(
    name=MetricName.DEPLOYMENT_REWORK_RATE,
    title="Deployment rework rate",
    short_title="rework rate",
    means=(
        "The share of deployments that were not planned but made to repair an earlier one: rollbacks, "
        "hotfixes and fixes."
    ),
    unit=Unit.RATIO,
    row=DeploymentReworkRate,
    parameters=("groups", "question", "windows"),
    columns=("value", "numerator", "denominator", "by_rollback", "by_hotfix", "by_fix"),
    read=_read,
    typical=lambda row: row.value,
    differ=differ_by_more_than_chance,
    week=week_of_rate,
    bounds=lambda row: row.interval95,
    detail=rate_detail,
    size=lambda row: row.denominator,
    parts={Part.NUMERATOR: "Repairs", Part.COUNTED: "All", Part.LEFT_OUT: "Left out"},
    shown=lambda row: shown_rate(row, "were repairs"),
    score=score_of_share,
    signal_use=SignalUse.REWORK,
    differences={
        Profile.DEVLAKE: "DevLake has no rework rate; this is the service's own.",
        Profile.MIDDLEWARE: (
            "Middleware has no rework rate; this is the service's own, with the window's last instant."
        ),
    },
)
