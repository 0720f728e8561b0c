"""The lines of an export: a record with the fields of its POST, and what the service has added."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from metrics.domain.deployments import DeploymentFacts, NewDeployment
from metrics.domain.fields import Body, Instant, Name, RepositoryUrl, ServiceName
from metrics.domain.incidents import NewIncident
from metrics.domain.instants import from_microseconds, instant_of
from metrics.domain.pushes import NewPush
from metrics.domain.settings import SettingsChange
from tracker.deployments.service import RecordedDeployment
from tracker.incidents.service import RecordedIncident
from tracker.records.ledger import Version


class LineType(StrEnum):
    """What a line of an export is."""

    DEPLOYMENT = "deployment"
    INCIDENT = "incident"
    REPOSITORY = "repository"
    SETTINGS = "settings"
    PUSH = "push"


class _Exported(Body):
    """What every line has. The last four are those of a version, where all versions were exported."""

    id: str
    created_at: Instant
    revision: int | None = Field(None, description="In the database that it comes from; not kept.")
    recorded_at: Instant | None = None
    recorded_by: str | None = None
    token_id: str | None = None
    deleted: bool = False


class ExportedDeployment(_Exported, NewDeployment):
    type: Literal[LineType.DEPLOYMENT]
    triggered_by: str


class ExportedIncident(_Exported, NewIncident):
    type: Literal[LineType.INCIDENT]


class ExportedRepository(_Exported):
    type: Literal[LineType.REPOSITORY]
    repository_url: RepositoryUrl
    service: ServiceName = ""
    team: Name | None = None
    aliases: list[Name] = Field(default_factory=list)


class ExportedSettings(_Exported, SettingsChange):
    type: Literal[LineType.SETTINGS]


class ExportedPush(_Exported, NewPush):
    type: Literal[LineType.PUSH]


ExportedLine = ExportedDeployment | ExportedIncident | ExportedRepository | ExportedSettings | ExportedPush
EXPORTED: dict[LineType, type[ExportedLine]] = {
    LineType.DEPLOYMENT: ExportedDeployment,
    LineType.INCIDENT: ExportedIncident,
    LineType.REPOSITORY: ExportedRepository,
    LineType.SETTINGS: ExportedSettings,
    LineType.PUSH: ExportedPush,
}


def version_fields(version: Version, *, with_history: bool) -> dict[str, Any]:
    """The fields of a line that say when and by whom."""
    always: dict[str, Any] = {"id": version.id, "created_at": from_microseconds(version.created_at)}
    if not with_history:
        return always
    return always | {
        "revision": version.revision,
        "recorded_at": from_microseconds(version.recorded_at),
        "recorded_by": version.recorded_by,
        "token_id": version.token_id,
        "deleted": version.superseded_revision == version.revision,
    }


# Worked out from others when the line is read.
_DERIVED = frozenset({"repository_host", "repository_path", "repository_key"})


def deployment_fields(recorded: RecordedDeployment) -> dict[str, Any]:
    """The fields of a deployment's line; the inverse of `ExportedDeployment.sent`."""
    facts: DeploymentFacts = recorded.facts
    fields: dict[str, Any] = {name: value for name, value in vars(facts).items() if name not in _DERIVED}
    commits = [
        {"sha": commit["sha"], "committed_at": from_microseconds(int(commit["committed_at"]))}
        for commit in facts.commits
    ]
    return fields | {
        "type": LineType.DEPLOYMENT,
        "started_at": instant_of(facts.started_at),
        "finished_at": instant_of(facts.finished_at),
        "commits": commits,
    }


def incident_fields(recorded: RecordedIncident) -> dict[str, Any]:
    """The fields of an incident's line; the inverse of `ExportedIncident.sent`."""
    fields: dict[str, Any] = dict(vars(recorded.facts))
    repository = fields.pop("repository")
    started_at: datetime = from_microseconds(recorded.facts.started_at)
    return fields | {
        "type": LineType.INCIDENT,
        "started_at": started_at,
        "resolved_at": instant_of(recorded.facts.resolved_at),
        "repository_url": None if repository is None else repository.url,
    }


def push_fields(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a push's line."""
    commits = [
        {**one, "committed_at": from_microseconds(int(one["committed_at"]))} for one in columns["commits"]
    ]
    return {
        "type": LineType.PUSH,
        "repository_url": columns["repository_url"],
        "before": columns["before"],
        "commits": commits,
    }
