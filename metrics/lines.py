"""What a row of a file or a frame says: a deployment, an incident, a team or settings.

A deployment has the fields of `POST /api/v1/deployments`, or the columns of an export; an incident those
of `POST /api/v1/incidents`. Further columns are passed over.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from metrics.records import (
    DEFAULT_ENVIRONMENT,
    FailureSignal,
    OrganizationSettings,
    RepositoryIdentity,
    Status,
    environment_key,
    to_microseconds,
)
from metrics.sources import PULLED

Row = Mapping[str, Any]


class RowType(StrEnum):
    """What a line of an NDJSON export is; a row without a type is a deployment."""

    DEPLOYMENT = "deployment"
    INCIDENT = "incident"
    REPOSITORY = "repository"
    SETTINGS = "settings"


def _labels(value: object) -> object:
    """A map of Arrow comes as a list of pairs."""
    if isinstance(value, list):
        return {pair["key"]: pair["value"] for pair in value}
    return value or {}


def _empty_list(value: object) -> object:
    return [] if value is None else value


def _empty_text(value: object) -> object:
    return "" if value is None else value


def _identity(value: object) -> object:
    return RepositoryIdentity.parse(value) if isinstance(value, str) else value


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)


class _Commit(_Read):
    sha: str
    committed_at: AwareDatetime


Repository = Annotated[RepositoryIdentity, BeforeValidator(_identity)]
Text = Annotated[str, BeforeValidator(_empty_text)]


class Deployment(_Read):
    """A row of a deployment."""

    id: str | None = None
    repository: Repository = Field(alias="repository_url")
    service: Text = ""
    environment: str | None = None
    status: Status | None = None
    commit_id: str | None = None
    version: str | None = None
    branch: str | None = None
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    duration_seconds: float | None = Field(None, ge=0, allow_inf_nan=False)
    is_fix: bool | None = None
    is_hotfix: bool | None = None
    is_rollback: bool | None = None
    remediates: str | None = None
    team: str | None = None
    deployment_node_id: str | None = None
    commits: Annotated[list[_Commit], BeforeValidator(_empty_list)] = []
    labels: Annotated[dict[str, str], BeforeValidator(_labels)] = {}
    deleted: bool = False

    def key(self, number: int) -> tuple[object, ...]:
        """What makes two rows one record: the id that an export gives, else the sender's own."""
        if self.id is not None or self.deployment_node_id is None:
            return (self.id or number,)
        environment = environment_key(self.environment or DEFAULT_ENVIRONMENT)
        return (self.repository.key, self.service, environment, self.deployment_node_id)

    def after(self, earlier: "Deployment") -> "Deployment":
        """The record after this row: a version replaces the one before, a repeat fills and finishes."""
        if self.id is not None:
            return self
        given = {name: getattr(self, name) for name in self.model_fields_set}
        empty = {name for name, value in earlier if value is None or value in ([], {})}
        filled = {name: value for name, value in given.items() if name in empty}
        if earlier.status is Status.IN_PROGRESS and self.status is not Status.IN_PROGRESS:
            filled["status"] = self.status
        return earlier.model_copy(update=filled)

    def columns(self) -> Row:
        """The columns that are pulled. Raises `ValueError` where it is not known when it finished."""
        status = self.status or Status.SUCCESS
        started_at, finished_at = (
            None if at is None else to_microseconds(at) for at in (self.started_at, self.finished_at)
        )
        duration = None if self.duration_seconds is None else round(self.duration_seconds * 1_000_000)
        if status.is_final and duration is not None:
            if finished_at is None and started_at is not None:
                finished_at = started_at + duration
            elif started_at is None and finished_at is not None:
                started_at = finished_at - duration
        if status.is_final and finished_at is None:
            raise ValueError(f"finished_at: is required where the status is {status}")
        if started_at is not None and finished_at is not None and finished_at < started_at:
            raise ValueError("finished_at: must not be before started_at")
        if self.commit_id is None and self.version is None:
            raise ValueError("commit_id: is required, or version where there is no commit")
        return {
            **{
                name: getattr(self, name) for name in PULLED["deployments"] if name in type(self).model_fields
            },
            **placed(self.repository, self.service),
            "environment_key": environment_key(self.environment or DEFAULT_ENVIRONMENT),
            "status": status.value,
            "commit_id": None if self.commit_id is None else self.commit_id.lower(),
            "started_at": started_at,
            "finished_at": finished_at if status.is_final else None,
            "commits": json.dumps(
                [
                    {"sha": one.sha.lower(), "committed_at": to_microseconds(one.committed_at)}
                    for one in self.commits
                ]
            ),
            "labels": json.dumps(self.labels),
        }


class Incident(_Read):
    """A row of an incident."""

    id: str | None = None
    key_: str | None = Field(None, alias="key")
    started_at: AwareDatetime
    resolved_at: AwareDatetime | None = None
    environment: str | None = None
    repository: Repository | None = Field(None, alias="repository_url")
    service: Text = ""
    deployment: str | None = None
    commit_id: str | None = None
    change_related: bool | None = None
    deleted: bool = False

    def key(self, number: int) -> tuple[object, ...]:
        return (self.id or self.key_ or number,)

    def after(self, earlier: "Incident") -> "Incident":
        """The newest row says how it now is."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return self if self.id is not None else earlier.model_copy(update=given)

    def columns(self) -> Row:
        """The columns that are pulled. Raises `ValueError` where it ended before it began."""
        if self.resolved_at is not None and self.resolved_at < self.started_at:
            raise ValueError("resolved_at: must not be before started_at")
        return {
            "id": self.id,
            "started_at": to_microseconds(self.started_at),
            "resolved_at": None if self.resolved_at is None else to_microseconds(self.resolved_at),
            "environment_key": None if self.environment is None else environment_key(self.environment),
            "repository_key": None if self.repository is None else self.repository.key,
            "service": self.service,
            "deployment": self.deployment,
            "commit_id": None if self.commit_id is None else self.commit_id.lower(),
            "change_related": self.change_related is not False,
        }


class RepositoryTeam(_Read):
    """The team of a repository, or of one of its services."""

    repository: Repository = Field(alias="repository_url")
    service: Text = ""
    team: str | None = None


class Settings(_Read):
    """What an organization has set."""

    timezone: str | None = None
    production_environments: list[str] | None = None
    failure_signals: list[FailureSignal] | None = None
    attribution_gap_days: int | None = None
    benchmark: int | None = None

    def columns(self) -> Row:
        given = {name: value for name, value in self if value is not None}
        settings = asdict(OrganizationSettings()) | given
        return settings | {
            name: json.dumps(list(settings[name])) for name in ("production_environments", "failure_signals")
        }


def placed(repository: RepositoryIdentity, service: str) -> Row:
    """The columns that say of what repository and service something is."""
    return {
        "repository_key": repository.key,
        "repository_host": repository.host,
        "repository_path": repository.path,
        "service": service,
    }
