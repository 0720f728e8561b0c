"""The settings that moved a number: which, since when, by whom, and the figure under the one before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from metrics.definitions.base import MetricRow
from metrics.domain.instants import from_microseconds
from metrics.domain.settings import (
    DEFAULT_SETTINGS,
    FIGURES_DEPEND_ON,
    OrganizationSettings,
    settings_bound,
    settings_from,
)
from metrics.queries.execution import rows_of
from metrics.sql import read_sql

# Those that links and culprits depend on; the others only decide what is asked.
_SETTLED_BY = frozenset({"production_environments", "attribution_gap_days"})


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting as it was changed last: `value` holds since an instant, `before` held until then."""

    setting: str
    value: Any
    since: datetime
    by: str
    before: Any

    @property
    def moves_facts(self) -> bool:
        """Whether links and culprits depend on it, and not only what is asked."""
        return self.setting in _SETTLED_BY

    def undone(self, settings: OrganizationSettings) -> OrganizationSettings:
        """The settings with the one before in its place."""
        return replace(settings, **{self.setting: self.before})


@dataclass(frozen=True, slots=True)
class SettingImpact:
    """A change of a setting that the number depends on, with what would be answered without it."""

    change: SettingChange
    row_before: MetricRow


def last_changes(cursor: duckdb.DuckDBPyConnection, organization: str) -> Sequence[SettingChange]:
    """Return the last change of every setting that figures depend on and that was ever changed."""
    versions = rows_of(cursor, read_sql("queries", "settings_versions"), {"organization": organization})
    changes: dict[str, SettingChange] = {}
    held = DEFAULT_SETTINGS
    for version in versions:
        settings = settings_from(version)
        since = from_microseconds(version["recorded_us"])
        for name in FIGURES_DEPEND_ON:
            value, before = getattr(settings, name), getattr(held, name)
            if value != before:
                changes[name] = SettingChange(name, value, since, version["recorded_by"], before)
        held = settings
    return list(changes.values())


@contextmanager
def supposing(
    cursor: duckdb.DuckDBPyConnection, organization: str, settings: OrganizationSettings
) -> Iterator[None]:
    """Let the cursor see an organization's links and culprits as they would be under other settings."""
    cursor.execute(
        read_sql("changes", "supposed"), {"organization": organization, **settings_bound(settings)}
    )
    try:
        for table, statement in _SUPPOSED.items():
            bound = {"organization": organization} if "$organization" in statement else None
            cursor.execute(f"create temp table {table} as {statement}", bound)
        yield
    finally:
        # After an error the transaction takes no statement any more, and the cursor is closed.
        with suppress(duckdb.Error):
            for table in ("settings", *_SUPPOSED):
                cursor.execute(f"drop table if exists temp.{table}")


# In the order in which they build on each other.
_SUPPOSED = {
    "changed_streams": "select distinct stream from deployments where organization = $organization",
    "changed_incidents": "select id as incident_id from incidents where organization = $organization",
    "incident_links": read_sql("facts", "incident_links"),
    "remediations": read_sql("facts", "remediations"),
}
