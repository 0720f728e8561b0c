"""Incidents as clients send them and as they are answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import Field

from metrics.domain.instants import from_microseconds, to_microseconds
from metrics.domain.repositories import RepositoryIdentity
from tracker.incidents.service import IncidentFacts, RecordedIncident
from tracker.web.schemas import (
    Body,
    CommitId,
    Instant,
    LabelChanges,
    Labels,
    Name,
    RepositoryUrl,
    ServiceName,
    ShortText,
    Url,
    instant_of,
    invalid_field,
    microseconds,
)


class _IncidentFields(Body):
    """What a report and a correction of an incident share."""

    title: ShortText | None = None
    started_at: Instant | None = None
    resolved_at: Instant | None = Field(None, description="When production was well again; null reopens.")
    environment: Name | None = Field(None, description="Absent: any production environment.")
    repository_url: RepositoryUrl | None = None
    service: ServiceName | None = None
    deployment: Name | None = Field(
        None,
        description="The deployment that caused it: its id, or its deployment_node_id in the repository.",
    )
    commit_id: CommitId | None = None
    change_related: bool | None = Field(None, description="False says that no deployment caused it.")
    severity: ShortText | None = None
    url: Url | None = None


class IncidentChange(_IncidentFields):
    """A merge patch of an incident: what is absent stays, null clears, `resolved_at` resolves."""

    labels: LabelChanges | None = Field(None, description="Null removes a label, or all.")

    def changes(self) -> dict[str, object]:
        """The facts that the patch sets. Raises `InvalidRequest` where a fact that must be is cleared."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        for name in ("started_at", "change_related"):
            if name in given and given[name] is None:
                raise invalid_field(name, "cannot be cleared")
        for name in ("started_at", "resolved_at"):
            if name in given:
                given[name] = microseconds(given[name])
        if "repository_url" in given:
            url = given.pop("repository_url")
            given["repository"] = None if url is None else RepositoryIdentity.parse(url)
        if "service" in given:
            given["service"] = given["service"] or ""
        return given


class NewIncident(_IncidentFields):
    """An incident, as a person or an alert reports it."""

    key: Name | None = Field(None, description="The sender's own id of it; posting it again is a repeat.")
    started_at: Instant
    labels: Labels | None = None

    def facts(self) -> IncidentFacts:
        """The facts to record. Raises `InvalidRequest` where the end lies before the start."""
        facts = IncidentFacts(
            key=self.key,
            title=self.title,
            started_at=to_microseconds(self.started_at),
            resolved_at=microseconds(self.resolved_at),
            environment=self.environment,
            repository=None if self.repository_url is None else RepositoryIdentity.parse(self.repository_url),
            service=self.service or "",
            deployment=self.deployment,
            commit_id=self.commit_id,
            change_related=True if self.change_related is None else self.change_related,
            severity=self.severity,
            url=self.url,
            labels=self.labels or {},
        )
        facts.require_order()
        return facts

    def carried_facts(self) -> frozenset[str]:
        """The names of the facts that the sender gave a value, the key aside."""
        carried = self.carries() - {"key"}
        return carried - {"repository_url"} | {"repository"} if "repository_url" in carried else carried


@dataclass(frozen=True, slots=True)
class IncidentAnswer:
    """An incident as it is recorded."""

    id: str
    organization: str
    key: str | None
    title: str | None
    started_at: datetime
    resolved_at: datetime | None
    environment: str | None
    repository: str | None
    repository_url: str | None
    service: str
    deployment: str | None
    commit_id: str | None
    change_related: bool
    severity: str | None
    url: str | None
    labels: dict[str, str]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, recorded: RecordedIncident) -> Self:
        facts, version = recorded.facts, recorded.version
        return cls(
            id=version.id,
            organization=version.organization,
            key=facts.key,
            title=facts.title,
            started_at=from_microseconds(facts.started_at),
            resolved_at=instant_of(facts.resolved_at),
            environment=facts.environment,
            repository=None if facts.repository is None else facts.repository.path,
            repository_url=None if facts.repository is None else facts.repository.url,
            service=facts.service,
            deployment=facts.deployment,
            commit_id=facts.commit_id,
            change_related=facts.change_related,
            severity=facts.severity,
            url=facts.url,
            labels=facts.labels,
            created_at=from_microseconds(version.created_at),
            updated_at=from_microseconds(version.recorded_at),
        )
