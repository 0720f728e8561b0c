"""Incidents as clients send them and as they are answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from metrics.domain.instants import from_microseconds, instant_of
from tracker.incidents.service import RecordedIncident


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
            repository=None if facts.repository is None else facts.repository.shown,
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
