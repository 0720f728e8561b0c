"""What a row of a file or a frame says: a deployment, an incident, a team or settings.

A deployment has the fields of `POST /api/v1/deployments`, or the columns of an export; an incident those
of `POST /api/v1/incidents`. Further columns are passed over.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic import StringConstraints as Constraints

from metrics.domain.instants import FURTHEST_AHEAD_MICROSECONDS, agreed_times, to_microseconds
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import (
    COMMIT_PATTERN,
    DEFAULT_ENVIRONMENT,
    FailureSignal,
    OrganizationSettings,
    Status,
    environment_key,
)
from metrics.engine.pulled_tables import PULLED

Row = Mapping[str, Any]
_LONGEST_SECONDS = 366 * 86_400


class RowType(StrEnum):
    """What a line of an NDJSON export is; a row without a type is a deployment."""

    DEPLOYMENT = "deployment"
    INCIDENT = "incident"
    REPOSITORY = "repository"
    SETTINGS = "settings"


def _labels(value: object) -> object:
    """A map of Arrow comes as a list of pairs."""
    if not isinstance(value, list):
        return value or {}
    try:
        return {pair["key"]: pair["value"] for pair in value}
    except (TypeError, KeyError):
        raise ValueError("must be texts by name") from None


def _empty_list(value: object) -> object:
    return [] if value is None else value


def _empty_text(value: object) -> object:
    return "" if value is None else value


def _identity(value: object) -> object:
    return RepositoryIdentity.parse(value) if isinstance(value, str) else value


def _instant(value: object) -> object:
    """Text or a datetime: a number might be seconds, milliseconds or days."""
    if value is not None and not isinstance(value, str | datetime):
        raise ValueError("must be a time with a zone, as in 2026-03-02T10:00:00Z")
    return value


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)


Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
Flag = Annotated[bool, Strict()]
Name = Annotated[str, Constraints(strip_whitespace=True, min_length=1)]
CommitId = Annotated[str, Constraints(pattern=COMMIT_PATTERN, to_lower=True)]


class _Commit(_Read):
    sha: CommitId
    committed_at: Instant


Repository = Annotated[RepositoryIdentity, BeforeValidator(_identity)]
Text = Annotated[str, BeforeValidator(_empty_text)]


# What names the record, and what may go on from in progress.
_COMPARED_OTHERWISE = {"repository", "service", "environment", "deployment_node_id", "status", "deleted"}


class Deployment(_Read):
    """A row of a deployment."""

    id: Name | None = None
    repository: Repository = Field(alias="repository_url")
    service: Text = ""
    environment: Name | None = None
    status: Status | None = None
    commit_id: CommitId | None = None
    version: Name | None = None
    branch: str | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = None
    duration_seconds: float | None = Field(None, ge=0, le=_LONGEST_SECONDS, allow_inf_nan=False)
    is_fix: Flag | None = None
    is_hotfix: Flag | None = None
    is_rollback: Flag | None = None
    remediates: Name | None = None
    team: Name | None = None
    deployment_node_id: Name | None = None
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
        """The record after this row: a version replaces the one before, a repeat fills and finishes.

        Raises `ValueError` where a repeat contradicts.
        """
        if self.id is not None:
            return self
        given = {name: value for name, value in self._said() if name not in _COMPARED_OTHERWISE}
        told = dict(earlier._said())
        status = earlier._status
        if self._status is not Status.IN_PROGRESS:
            if status is Status.IN_PROGRESS:
                status = self._status
            given["status"], told["status"] = self._status, status
        wrong = [name for name, value in given.items() if name in told and told[name] != value]
        if wrong:
            raise ValueError(f"{', '.join(sorted(wrong))}: contradicts the row before of this deployment")
        return earlier.model_copy(update={**given, "status": status})

    def _said(self) -> Iterator[tuple[str, Any]]:
        return ((name, value) for name, value in self if value not in (None, [], {}, ""))

    @property
    def _status(self) -> Status:
        return self.status or Status.SUCCESS

    def columns(self) -> Row:
        """The columns that are pulled. Raises `ValueError` where the row cannot be a record."""
        if self.commit_id is None and self.version is None:
            raise ValueError("commit_id: is required, or version where there is no commit")
        started_at, finished_at = self._times()
        commits = [
            {"sha": one.sha, "committed_at": to_microseconds(one.committed_at)} for one in self.commits
        ]
        return {
            **{name: value for name, value in self if name in PULLED["deployments"]},
            **placed(self.repository, self.service),
            "environment_key": environment_key(self.environment or DEFAULT_ENVIRONMENT),
            "status": self._status.value,
            "started_at": started_at,
            "finished_at": finished_at,
            "commits": json.dumps(commits),
            "labels": json.dumps(self.labels),
        }

    def _times(self) -> tuple[int | None, int | None]:
        """Start and finish in microseconds, of which the duration may give one. Raises `ValueError`."""
        start, finish = (
            None if at is None else to_microseconds(at) for at in (self.started_at, self.finished_at)
        )
        if not self._status.is_final:
            return start, None
        duration = None if self.duration_seconds is None else round(self.duration_seconds * 1_000_000)
        if finish is None and start is not None and duration is not None:
            finish = start + duration
        if finish is None:
            raise ValueError(f"finished_at: is required where the status is {self._status}")
        if finish > to_microseconds(datetime.now(UTC)) + FURTHEST_AHEAD_MICROSECONDS:
            raise ValueError("finished_at: must not be more than a day ahead")
        return agreed_times(start, finish, duration)


class Incident(_Read):
    """A row of an incident."""

    id: Name | None = None
    key_: Name | None = Field(None, alias="key")
    started_at: Instant
    resolved_at: Instant | None = None
    environment: Name | None = None
    repository: Repository | None = Field(None, alias="repository_url")
    service: Text = ""
    deployment: Name | None = None
    commit_id: CommitId | None = None
    change_related: Flag | None = None
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
            "commit_id": self.commit_id,
            "change_related": self.change_related is not False,
        }


class RepositoryTeam(_Read):
    """The team of a repository, or of one of its services."""

    repository: Repository = Field(alias="repository_url")
    service: Text = ""
    team: Name | None = None


class Settings(_Read):
    """What an organization has set."""

    timezone: str | None = None
    production_environments: list[str] | None = None
    failure_signals: list[FailureSignal] | None = None
    attribution_gap_days: int | None = Field(None, ge=0, le=36_500)
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
