"""The registry of metrics: a metric is what is in it. The five are, and whatever else is registered."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
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
_known: dict[str, Definition[Any]] = {module.DEFINITION.name: module.DEFINITION for module in _MODULES}
CATALOG: Mapping[str, Definition[Any]] = MappingProxyType(_known)
VIEWS = (
    "commits", "deployments", "failures", "incidents", "links", "remediations", "repositories", "teams",
)  # fmt: skip
"""What analysts see of the facts: the files of `metrics/sql/views/`."""
ENTRY_POINTS = "shiptally.metrics"
"""The group of the entry points whose modules register metrics."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def register(definition: Definition[Any]) -> None:
    """Let a metric be asked for by its name; one of that name that was registered before is forgotten.

    Raises `ValueError` where the name is no plain word, or one of the five.
    """
    if not _NAME.fullmatch(definition.name):
        raise ValueError(f"name: {definition.name!r} must be small letters, digits and _, a letter first")
    if definition.name in set(MetricName):
        raise ValueError(f"name: {definition.name} is one of the five, which stay what they are")
    _known[definition.name] = definition


@cache
def load_registered() -> None:
    """Load what other packages register, once: the modules that their entry points name."""
    for entry_point in entry_points(group=ENTRY_POINTS):
        entry_point.load()


def own_metrics() -> list[Definition[Any]]:
    """The metrics that are registered beside the five."""
    return [definition for name, definition in CATALOG.items() if name not in set(MetricName)]
