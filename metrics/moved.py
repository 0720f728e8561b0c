"""The settings that moved a number: which, since when, by whom, and the figure under the one before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import duckdb

from metrics.records import FailureSignal, OrganizationSettings, from_microseconds
from metrics.rows import MetricRow

GAP = "attribution_gap_days"
# What figures depend on, and how a column of `settings_versions` becomes a field of the settings.
_READ: Mapping[str, Callable[[Any], object]] = {
    "timezone": str,
    "production_environments": tuple,
    "failure_signals": lambda names: tuple(FailureSignal(name) for name in names),
    GAP: int,
}


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting as it was changed last: `value` holds since an instant, `before` held until then."""

    setting: str
    value: Any
    since: datetime
    by: str
    before: Any

    def undone(self, settings: OrganizationSettings) -> OrganizationSettings:
        """The settings with the one before in its place."""
        return replace(settings, **{self.setting: self.before})


@dataclass(frozen=True, slots=True)
class Move:
    """A change of a setting that the number depends on, with what would be answered without it."""

    change: SettingChange
    row_before: MetricRow


def last_changes(cursor: duckdb.DuckDBPyConnection, organization: str) -> Sequence[SettingChange]:
    """Of every setting that figures depend on and that was ever changed, the last change."""
    found = cursor.execute(_VERSIONS, {"organization": organization}).fetchall()
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


_VERSIONS = f"""
    select epoch_us(recorded_at), recorded_by, {", ".join(_READ)}
    from settings_versions
    where organization = $organization
    order by revision
"""
