"""The registry of metrics: a metric is what is in it."""

from collections.abc import Mapping
from typing import Any

from metrics.definitions import (
    change_failure_rate,
    deployment_frequency,
    deployment_rework_rate,
    lead_time_for_changes,
    mean_time_to_recover,
)
from metrics.definitions.base import Definition, MetricName

_MODULES = (
    deployment_frequency,
    lead_time_for_changes,
    change_failure_rate,
    mean_time_to_recover,
    deployment_rework_rate,
)
CATALOG: Mapping[MetricName, Definition[Any]] = {
    module.DEFINITION.name: module.DEFINITION for module in _MODULES
}
VIEWS = (
    "commits", "deployments", "failures", "incidents", "links", "remediations", "repositories", "teams",
)  # fmt: skip
"""What analysts see of the facts: the files of `metrics/sql/views/`."""
