"""Incidents: what one says, and how it is reported, repeated and revised."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from sqlalchemy import ColumnElement, Row, select

from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import environment_key
from tracker.deployments.service import require_reach_of_named
from tracker.errors import FieldError, InsufficientScope, InvalidRequest, NotFound
from tracker.facts import Reaches, everything, require_few_labels, with_merged_labels
from tracker.records.ledger import Author, Ledger, Version, repository_columns, repository_of
from tracker.records.tables import INCIDENTS
from tracker.repeats import contradiction, fill_empty


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

    def require_order(self) -> None:
        """Raises `InvalidRequest` where the end lies before the start."""
        if self.resolved_at is not None and self.resolved_at < self.started_at:
            detail = "must not be before started_at"
            raise InvalidRequest.of([FieldError("/resolved_at", detail)])


@dataclass(frozen=True, slots=True)
class RecordedIncident:
    """A version of an incident that is, or with the commit under way will be, on disk."""

    version: Version
    facts: IncidentFacts

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        columns = row._mapping
        facts = {name: columns[name] for name in _FACT_COLUMNS}
        return cls(Version.from_columns(columns), IncidentFacts(**facts, repository=repository_of(columns)))

    def to_row(self) -> dict[str, object]:
        facts = vars(self.facts) | repository_columns(self.facts.repository)
        del facts["repository"]
        environment = self.facts.environment
        return {
            **vars(self.version),
            **facts,
            "environment_key": None if environment is None else environment_key(environment),
        }


# How a fact is called in a body, where that is not its own name.
_SENT_AS = {"repository": "repository_url"}
_FACT_COLUMNS = tuple(column.name for column in fields(IncidentFacts) if column.name != "repository")


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a report: the incident's current version, and whether it was known before."""

    incident: RecordedIncident
    repeated: bool


def report_incident(
    ledger: Ledger,
    author: Author,
    facts: IncidentFacts,
    carried: frozenset[str],
    reaches: Reaches = everything,
) -> Report:
    """Record an incident; with a `key` that is known, fill what the record lacks.

    Raises `Contradiction` where the repeat says something else than the record, `InsufficientScope`
    where the incident names a deployment that `reaches` does not.
    """
    require_reach_of_named(ledger, author, "deployment", facts.deployment, reaches)
    current = None
    if facts.key is not None:
        current = _current(ledger, author, INCIDENTS.c.key == facts.key)
    if current is None:
        _ensure_repository(ledger, author, facts)
        recorded = RecordedIncident(ledger.first_version(author), facts)
        ledger.insert(INCIDENTS, recorded.to_row())
        return Report(recorded, repeated=False)
    if not reaches(current.facts.repository):
        raise InsufficientScope("insufficient_scope: the token does not reach the incident with this key")
    changes, conflicts = fill_empty(current.facts, facts, carried)
    if "labels" in changes:
        require_few_labels(changes["labels"])
    if conflicts:
        raise contradiction([_SENT_AS.get(name, name) for name in conflicts], "key")
    return Report(_revise(ledger, author, current, replace(current.facts, **changes)), repeated=True)


def revise_incident(
    ledger: Ledger,
    author: Author,
    incident_id: str,
    changes: Mapping[str, Any],
    reaches: Reaches = everything,
) -> RecordedIncident:
    """Correct or resolve an incident. Raises `NotFound`, or `InvalidRequest` where times do not agree.

    `reaches` is asked about the repository before the change and about the one after it.
    """
    current = _current(ledger, author, INCIDENTS.c.id == incident_id)
    if current is None or not reaches(current.facts.repository):
        raise NotFound(f"There is no incident {incident_id}.")
    facts = replace(current.facts, **with_merged_labels(current.facts.labels, changes))
    if not reaches(facts.repository):
        raise InsufficientScope("insufficient_scope: the token does not reach that repository")
    require_reach_of_named(ledger, author, "deployment", facts.deployment, reaches)
    return _revise(ledger, author, current, facts)


def _revise(
    ledger: Ledger, author: Author, current: RecordedIncident, facts: IncidentFacts
) -> RecordedIncident:
    if facts == current.facts:
        return current
    facts.require_order()
    _ensure_repository(ledger, author, facts)
    revised = RecordedIncident(ledger.next_version(author, current.version), facts)
    ledger.supersede(INCIDENTS, current.version, revised.to_row())
    return revised


def _ensure_repository(ledger: Ledger, author: Author, facts: IncidentFacts) -> None:
    if facts.repository is not None:
        ledger.ensure_repositories(author, [(facts.repository, facts.service)])


def _current(ledger: Ledger, author: Author, condition: ColumnElement[bool]) -> RecordedIncident | None:
    row = ledger.connection.execute(
        select(INCIDENTS).where(
            INCIDENTS.c.organization == author.organization,
            condition,
            INCIDENTS.c.superseded_revision.is_(None),
        )
    ).first()
    return None if row is None else RecordedIncident.from_row(row)
