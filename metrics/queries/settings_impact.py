"""The settings that moved a number: which, since when, by whom, and the figure under the one before."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import duckdb

from metrics.definitions.base import MetricRow
from metrics.domain.instants import from_microseconds
from metrics.domain.settings import OrganizationSettings, settings_bound
from metrics.domain.vocabulary import FailureSignal
from metrics.sql import read_sql

# What figures depend on, and how a column of `settings_versions` becomes a field of the settings.
_READ: Mapping[str, Callable[[Any], object]] = {
    "timezone": str,
    "production_environments": tuple,
    "failure_signals": lambda names: tuple(FailureSignal(name) for name in names),
    "attribution_gap_days": int,
}
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
    """Of every setting that figures depend on and that was ever changed, the last change."""
    found = cursor.execute(
        read_sql("queries", "settings_versions"), {"organization": organization}
    ).fetchall()
    changes: dict[str, SettingChange] = {}
    held: Mapping[str, object] = {
        field.name: field.default for field in fields(OrganizationSettings) if field.name in _READ
    }
    for recorded_us, recorded_by, *values in found:
        version = {name: read(value) for (name, read), value in zip(_READ.items(), values, strict=True)}
        for name, value in version.items():
            if value != held[name]:
                changes[name] = SettingChange(
                    name, value, from_microseconds(recorded_us), recorded_by, held[name]
                )
        held = version
    return list(changes.values())


@contextmanager
def supposing(
    cursor: duckdb.DuckDBPyConnection, organization: str, settings: OrganizationSettings
) -> Iterator[None]:
    """Has the cursor see an organization's links and culprits as they would be under other settings."""
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
