"""What a metric answers: one frozen row a window, each rate with its counts, each absence with its reason."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from metrics.domain.vocabulary import FailureSignal

# The two-sided 95 % quantile of the normal distribution.
Z95 = 1.959963984540054


class Reason(StrEnum):
    """Why a value cannot be computed; the first that holds."""

    NO_DEPLOYMENTS = "no_deployments"
    NO_FAILURES = "no_failures"
    NONE_RECOVERED = "none_recovered"
    NO_COMMITS = "no_commits"


def wilson95(numerator: int, denominator: int) -> tuple[float, float] | None:
    """The 95 % Wilson score interval of a proportion, within [0, 1]; None for 0 of 0.

    E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).
    """
    if denominator == 0:
        return None
    share, weight = numerator / denominator, Z95**2 / denominator
    middle = (share + weight / 2) / (1 + weight)
    reach = Z95 * math.sqrt(share * (1 - share) / denominator + weight / (4 * denominator)) / (1 + weight)
    # Rounding must not carry a bound past the proportion itself.
    low = 0.0 if numerator == 0 else max(0.0, middle - reach)
    high = 1.0 if numerator == denominator else min(1.0, middle + reach)
    return low, high


def _bounds(found: list[float] | None) -> tuple[float, float] | None:
    return None if found is None else (found[0], found[1])


Columns = Mapping[str, Any]
"""One row of a metric's SQL file, by column."""


@dataclass(frozen=True, slots=True)
class DeploymentFrequency:
    """Successful deployments per day; durations in seconds."""

    value: float
    reason: Reason | None
    deployments: int
    redeployments: int
    deployment_days: int
    median_days_per_week: float | None
    median_days_per_month: float | None
    median_duration_seconds: float | None
    p90_duration_seconds: float | None
    durations: int

    @classmethod
    def read(cls, row: Columns, _: Iterable[FailureSignal]) -> "DeploymentFrequency":
        given = {
            name: value for name, value in row.items() if value is not None or not name.startswith("per_")
        }
        return (WholeDeploymentFrequency if "per_week" in given else DeploymentFrequency)(
            reason=None, **given
        )


@dataclass(frozen=True, slots=True)
class WholeDeploymentFrequency(DeploymentFrequency):
    """By rules that count whole deployments: `value` a day, rounded down, `per_week` and `per_month`."""

    per_week: int
    per_month: int


@dataclass(frozen=True, slots=True)
class ChangeFailureRate:
    """Failed deployments over all that reached users."""

    value: float | None
    reason: Reason | None
    numerator: int
    denominator: int
    interval95: tuple[float, float] | None
    by_signal: Mapping[str, int]
    unattributed: int
    did_not_reach_production: int

    @classmethod
    def read(cls, row: Columns, signals: Iterable[FailureSignal]) -> Self:
        return cls(
            value=row["value"],
            reason=Reason.NO_DEPLOYMENTS if row["value"] is None else None,
            numerator=row["numerator"],
            denominator=row["denominator"],
            interval95=wilson95(row["numerator"], row["denominator"]),
            by_signal={signal.value: row[f"by_{signal.value}"] for signal in signals},
            unattributed=row["unattributed"],
            did_not_reach_production=row["did_not_reach_production"],
        )


@dataclass(frozen=True, slots=True)
class MeanTimeToRecover:
    """Seconds until a failed deployment was repaired: mean, median and p90 over `recovered` of them."""

    value: float | None
    reason: Reason | None
    median: float | None
    median_interval95: tuple[float, float] | None
    p90: float | None
    recovered: int
    open: int
    incidents: int
    unattributed_incidents: int

    @classmethod
    def read(cls, row: Columns, _: Iterable[FailureSignal]) -> Self:
        reason = None
        if row["value"] is not None:
            pass
        elif not row["deployments"]:
            reason = Reason.NO_DEPLOYMENTS
        elif not row["failures"]:
            reason = Reason.NO_FAILURES
        elif not row["recovered"]:
            reason = Reason.NONE_RECOVERED
        return cls(
            value=row["value"],
            reason=reason,
            median=row["median"],
            median_interval95=_bounds(row["median_interval95"]),
            p90=row["p90"],
            recovered=row["recovered"],
            open=row["open"],
            incidents=row["incidents"],
            unattributed_incidents=row["unattributed_incidents"],
        )


@dataclass(frozen=True, slots=True)
class LeadTimeForChanges:
    """Seconds from a commit's writing to its first deployment: median, mean and p90 over `commits`."""

    value: float | None
    reason: Reason | None
    median_interval95: tuple[float, float] | None
    mean: float | None
    p90: float | None
    commits: int
    coverage: float | None
    negative_lead_times: int

    @classmethod
    def read(cls, row: Columns, _: Iterable[FailureSignal]) -> Self:
        reason = None
        if not row["deployments"]:
            reason = Reason.NO_DEPLOYMENTS
        elif not row["commits"]:
            reason = Reason.NO_COMMITS
        return cls(
            value=row["value"],
            reason=reason,
            median_interval95=_bounds(row["median_interval95"]),
            mean=row["mean"],
            p90=row["p90"],
            commits=row["commits"],
            coverage=row["coverage"],
            negative_lead_times=row["negative_lead_times"],
        )


@dataclass(frozen=True, slots=True)
class DeploymentReworkRate:
    """Remediations over successful deployments."""

    value: float | None
    reason: Reason | None
    numerator: int
    denominator: int
    interval95: tuple[float, float] | None
    by_signal: Mapping[str, int]

    @classmethod
    def read(cls, row: Columns, signals: Iterable[FailureSignal]) -> Self:
        return cls(
            value=row["value"],
            reason=None if row["denominator"] else Reason.NO_DEPLOYMENTS,
            numerator=row["numerator"],
            denominator=row["denominator"],
            interval95=wilson95(row["numerator"], row["denominator"]),
            by_signal={
                signal.value: row[f"by_{signal.value}"] for signal in signals if f"by_{signal.value}" in row
            },
        )


MetricRow = (
    DeploymentFrequency | ChangeFailureRate | MeanTimeToRecover | LeadTimeForChanges | DeploymentReworkRate
)


def typical(row: MetricRow) -> float | None:
    """What a change or a level is told by: of recoveries the median, for one long outage moves the mean."""
    return row.median if isinstance(row, MeanTimeToRecover) else row.value
