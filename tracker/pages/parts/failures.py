"""Failed deployments and how they ended, as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metrics.definitions.base import MetricName, Part
from metrics.definitions.words import span
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.words import about, no_break, short_release
from tracker.pages.parts.naming import NamedDeployment, NamedIncident, Names, names_of


@dataclass(frozen=True, slots=True)
class FailedDeployment:
    """A deployment that failed: how that was noticed, what repaired it, how long it took."""

    id: str
    about: str
    release: str
    failed_at: datetime
    incident: NamedIncident | None
    signals: Sequence[str]
    repair: NamedDeployment | None
    is_open: bool
    took: str
    open_for: str

    @property
    def url(self) -> str:
        return f"/deployments/{self.id}"


def latest_failures(asked: Asked, limit: int) -> Sequence[FailedDeployment]:
    """The failed deployments of the window, the last to finish first."""
    page = asked.session.newest_rows(
        asked.parameters(), MetricName.MEAN_TIME_TO_RECOVER, Part.FAILED, limit=limit
    )
    return failures_of(asked, page.rows)


def failures_of(asked: Asked, rows: Sequence[Mapping[str, Any]]) -> Sequence[FailedDeployment]:
    """Rows of the time to recover, with the names of what they refer to."""
    causes = [cause for row in rows for cause in row["causes"] or ()]
    names = names_of(
        asked.service.engine,
        asked.caller.organization,
        [cause["id"] for cause in causes if cause["kind"] == "remediation"],
        [cause["id"] for cause in causes if cause["kind"] == "incident"],
    )
    return [_failure(asked, row, names) for row in rows]


def _failure(asked: Asked, row: Mapping[str, Any], names: Names) -> FailedDeployment:
    causes = row["causes"] or ()
    incidents = [names.incidents.get(cause["id"]) for cause in causes if cause["kind"] == "incident"]
    repairs = [names.deployments.get(cause["id"]) for cause in causes if cause["kind"] == "remediation"]
    signals = [signal for cause in causes for signal in cause["signals"] if cause["kind"] == "remediation"]
    failed_at = row["failed_at"] or row["happened_at"]
    return FailedDeployment(
        id=row["deployment_id"],
        about=about(row["repository"], row["service"]),
        release=short_release(row["version"], row["commit_id"]),
        failed_at=failed_at,
        incident=next(filter(None, incidents), None),
        signals=list(dict.fromkeys(signals)),
        repair=next(filter(None, repairs), None),
        is_open=row["reason"] == "open",
        took="" if row["seconds"] is None else no_break(span(row["seconds"])),
        open_for=asked.clock.ago(failed_at),
    )
