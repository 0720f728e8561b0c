"""The rows behind a number, in the words of a manager."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metrics.definitions.words import span
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.words import about, no_break, rule_words, short_release
from tracker.pages.parts.naming import NamedDeployment, NamedIncident, Names, names_of


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a deployment counts as failed, and why it is this one."""

    incident: NamedIncident | None
    repair: NamedDeployment | None
    kind: str
    rule: str
    happened_at: datetime | None


@dataclass(frozen=True, slots=True)
class BehindRow:
    """One row: what it is, when it happened, what it says, and the reason where it is left out."""

    kind: str
    url: str | None
    about: str
    release: str
    title: str
    happened_at: datetime | None
    signals: Sequence[str]
    causes: Sequence[Cause]
    repairs: NamedDeployment | None
    method: str
    took: str
    reason: str | None


def behind_rows(asked: Asked, rows: Sequence[Mapping[str, Any]]) -> Sequence[BehindRow]:
    """Rows of an explanation with the names of what they refer to."""
    causes = [cause for row in rows for cause in row.get("causes") or ()]
    incidents = [row["id"] for row in rows if row["kind"] == "incident"]
    names = names_of(
        asked.service.engine,
        asked.caller.organization,
        [
            *[cause["id"] for cause in causes if cause["kind"] == "remediation"],
            *[row.get("repairs_id") for row in rows],
        ],
        [*incidents, *[cause["id"] for cause in causes if cause["kind"] == "incident"]],
    )
    return [_behind(row, names) for row in rows]


def _behind(row: Mapping[str, Any], names: Names) -> BehindRow:
    kind = row["kind"]
    seconds = row.get("seconds")
    incident = names.incidents.get(row["id"]) if kind == "incident" else None
    deployment_id = row["id"] if kind == "remediation" else row["deployment_id"]
    url = incident.url if incident else f"/deployments/{deployment_id}" if deployment_id else None
    return BehindRow(
        kind=kind,
        url=url,
        about=about(row["repository"], row["service"]) or "whole production",
        release=short_release(row["version"], row["commit_id"]) if kind != "incident" else "",
        title=incident.title if incident else row["id"][:10] if kind == "commit" else "",
        happened_at=row["happened_at"],
        signals=row.get("signals") or (),
        causes=[_cause(cause, names) for cause in row.get("causes") or ()],
        repairs=names.deployments.get(row.get("repairs_id") or ""),
        method=rule_words(row.get("method")),
        took="" if seconds is None else no_break(span(seconds)),
        reason=row["reason"],
    )


def _cause(cause: Mapping[str, Any], names: Names) -> Cause:
    is_incident = cause["kind"] == "incident"
    return Cause(
        incident=names.incidents.get(cause["id"] or "") if is_incident else None,
        repair=None if is_incident else names.deployments.get(cause["id"] or ""),
        kind="Incident" if is_incident else "Repair",
        rule=rule_words(cause["method"]),
        happened_at=cause["happened_at"],
    )
