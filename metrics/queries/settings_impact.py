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
    LINKS_DEPEND_ON,
    OrganizationSettings,
    bound_for_links,
    settings_from,
)
from metrics.queries.execution import rows_of
from metrics.sql import read_sql


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
        return self.setting in LINKS_DEPEND_ON

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
    bound = {"organization": organization, **bound_for_links(settings)}
    try:
        for table, statement in _SUPPOSED.items():
            named = {name: value for name, value in bound.items() if f"${name}" in statement}
            cursor.execute(f"create temp table {table} as {statement}", named)
        yield
    finally:
        # After an error the transaction takes no statement any more, and the cursor is closed.
        with suppress(duckdb.Error):
            for table in _SUPPOSED:
                cursor.execute(f"drop table if exists temp.{table}")


# Temporary tables take the place of the store's. In the order in which they build on each other: nothing is
# set, and what is bound in is in force. Streams and deployments depend on no setting.
_SUPPOSED = {
    "changed_organizations": "select $organization as organization",
    "organization_settings": "select * from main.organization_settings limit 0",
    "settings": read_sql("facts", "settings"),
    "changed_deployables": "select distinct deployable from deployments where organization = $organization",
    "changed_incidents": "select id as incident_id from incidents where organization = $organization",
    "incident_links": read_sql("facts", "incident_links"),
    "remediations": read_sql("facts", "remediations"),
}
