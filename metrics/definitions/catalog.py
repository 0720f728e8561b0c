"""The registry of metrics: one typed entry for each file in `metrics/sql/metrics/`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from metrics.definitions.results import (
    ChangeFailureRate,
    DeploymentFrequency,
    DeploymentReworkRate,
    LeadTimeForChanges,
    MeanTimeToRecover,
    MetricRow,
)


class Unit(StrEnum):
    PER_DAY = "per day"
    RATIO = "ratio"
    SECONDS = "seconds"


class MetricName(StrEnum):
    """The metrics, in the order in which a summary shows them."""

    DEPLOYMENT_FREQUENCY = "deployment_frequency"
    LEAD_TIME_FOR_CHANGES = "lead_time_for_changes"
    CHANGE_FAILURE_RATE = "change_failure_rate"
    MEAN_TIME_TO_RECOVER = "mean_time_to_recover"
    DEPLOYMENT_REWORK_RATE = "deployment_rework_rate"


@cache
def read_sql(folder: str, name: str) -> str:
    """The text of `metrics/sql/<folder>/<name>.sql`."""
    return files("metrics").joinpath("sql", folder, f"{name}.sql").read_text(encoding="utf-8")


@cache
def sql_files(folder: str) -> Sequence[str]:
    """The names of the files in `metrics/sql/<folder>`, in order."""
    found = files("metrics").joinpath("sql", folder).iterdir()
    return sorted(file.name.removesuffix(".sql") for file in found)


@dataclass(frozen=True)
class Definition:
    """A metric: its SQL, what it binds, the columns that it gives and the row that they become."""

    name: MetricName
    title: str
    unit: Unit
    row: type[MetricRow]
    parameters: Sequence[str]
    columns: Sequence[str]

    @property
    def sql(self) -> str:
        return read_sql("metrics", self.name)


_DEFINITIONS = (
    Definition(
        name=MetricName.DEPLOYMENT_FREQUENCY,
        title="Deployment frequency",
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
            "median_days_per_month",
            "median_duration_seconds",
            "p90_duration_seconds",
            "durations",
        ),
    ),
    Definition(
        name=MetricName.LEAD_TIME_FOR_CHANGES,
        title="Lead time for changes",
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
    ),
    Definition(
        name=MetricName.CHANGE_FAILURE_RATE,
        title="Change failure rate",
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
    ),
    Definition(
        name=MetricName.MEAN_TIME_TO_RECOVER,
        title="Mean time to recover",
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
    ),
    Definition(
        name=MetricName.DEPLOYMENT_REWORK_RATE,
        title="Deployment rework rate",
        unit=Unit.RATIO,
        row=DeploymentReworkRate,
        parameters=("groups", "question", "windows"),
        columns=("value", "numerator", "denominator", "by_rollback", "by_hotfix", "by_fix"),
    ),
)
VIEWS = ("deployments", "failures", "links")
"""What analysts see of the facts: the files of `metrics/sql/views/`."""
CATALOG: Mapping[MetricName, Definition] = {definition.name: definition for definition in _DEFINITIONS}
