"""What an incident may say, and the facts that are kept of it. One place, for whoever sends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from metrics.domain.errors import InvalidInput
from metrics.domain.fields import (
    Body,
    CommitId,
    Instant,
    Labels,
    Name,
    RepositoryUrl,
    ServiceName,
    ShortText,
    Url,
    require_not_ahead,
)
from metrics.domain.instants import microseconds_of, to_microseconds
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import name_key

NOT_SAID = -(2**62)
"""The start of a report that leaves it out, as a repeat may."""


@dataclass(frozen=True)
class IncidentFacts:
    """What an incident says, in the form in which it is kept. Instants in microseconds UTC."""

    key: str | None
    title: str | None
    started_at: int
    resolved_at: int | None
    environment: str | None
    repository: RepositoryIdentity | None
    service: str
    deployment: str | None
    commit_id: str | None
    change_related: bool
    severity: str | None
    url: str | None
    labels: dict[str, str]

    @property
    def environment_key(self) -> str | None:
        """The form in which its environment is compared; None where it names none."""
        return None if self.environment is None else name_key(self.environment)

    @property
    def service_key(self) -> str:
        return name_key(self.service)

    def columns(self) -> dict[str, Any]:
        """The facts with the keys that they are compared by; the repository is not among them."""
        facts = {name: value for name, value in vars(self).items() if name != "repository"}
        return {**facts, "environment_key": self.environment_key, "service_key": self.service_key}

    def require_order(self) -> None:
        """Raises `InvalidInput` where the end lies before the start."""
        if self.resolved_at is not None and self.resolved_at < self.started_at:
            raise InvalidInput.field("resolved_at", "must not be before started_at")


@dataclass(frozen=True, slots=True)
class SentIncident:
    """Facts as one request gives them, and which of them it really carries."""

    facts: IncidentFacts
    fields_set: frozenset[str]
    """Names of the facts that the sender gave a value, the key aside; the others are defaults."""

    def require_start(self) -> None:
        """Raises `InvalidInput` where nobody has said when it began."""
        if self.facts.started_at == NOT_SAID:
            raise InvalidInput.field("started_at", "is required: nothing is known by this key")


_INCIDENTS_ALONE = ("key", "resolved_at", "deployment", "change_related", "severity")


def tells_of_an_incident(line: Mapping[str, object]) -> bool:
    """Whether a line is of an incident, not a deployment: it begins, and has no release and no status.

    One with a field that incidents alone have is one whatever commit it names.
    """
    if line.get("type") is not None:
        return line["type"] == "incident"
    if any(line.get(name) is not None for name in _INCIDENTS_ALONE):
        return True
    is_deployment = any(line.get(name) is not None for name in ("commit_id", "version", "status"))
    return line.get("started_at") is not None and not is_deployment


class IncidentFields(Body):
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


class NewIncident(IncidentFields):
    """An incident, as a person or an alert reports it."""

    key: Name | None = Field(None, description="The sender's own id of it; posting it again is a repeat.")
    started_at: Instant | None = Field(
        None,
        description="When production was impaired; a repeat under a known key may leave it out.",
    )
    labels: Labels | None = None

    def sent(self, now: int | None) -> SentIncident:
        """The facts to record; `now` in microseconds, None for what was recorded before.

        Raises `InvalidInput` where the start is not said without a key, where the end lies before it, or
        where either is more than a day ahead.
        """
        if self.started_at is None and self.key is None:
            raise InvalidInput.field("started_at", "is required")
        facts = IncidentFacts(
            key=self.key,
            title=self.title,
            started_at=NOT_SAID if self.started_at is None else to_microseconds(self.started_at),
            resolved_at=microseconds_of(self.resolved_at),
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
        if now is not None:
            require_not_ahead("started_at", facts.started_at, now)
            require_not_ahead("resolved_at", facts.resolved_at, now)
        given = self.fields_given()
        if "repository_url" in given:
            given |= {"repository"}
        return SentIncident(facts, given & IncidentFacts.__dataclass_fields__.keys() - {"key"})
