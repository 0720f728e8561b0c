"""Incidents as they are recorded: reported, repeated and revised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from sqlalchemy import ColumnElement, Row, select

from metrics.domain.deployments import require_key_fits
from metrics.domain.errors import Refusal
from metrics.domain.fields import require_not_ahead
from metrics.domain.incidents import IncidentFacts, SentIncident
from metrics.domain.merging import merge_incident, with_merged_labels
from metrics.domain.repositories import CanAccess, allow_all
from tracker.deployments.service import require_reach_of_named
from tracker.errors import InsufficientScope, NotFound
from tracker.records.ledger import Author, Ledger, Version, repository_columns, repository_of
from tracker.records.tables import INCIDENTS, current
from tracker.records.warnings import (
    is_known_deployment,
    is_known_release,
    is_known_repository,
    is_known_service,
)


@dataclass(frozen=True, slots=True)
class RecordedIncident:
    """A version of an incident that is, or with the commit under way will be, on disk."""

    version: Version
    facts: IncidentFacts
    key_space: str = ""

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        columns = row._mapping
        facts = {name: columns[name] for name in _FACT_COLUMNS}
        known = IncidentFacts(**facts, repository=repository_of(columns))
        return cls(Version.from_columns(columns), known, columns["key_space"])

    def to_row(self) -> dict[str, object]:
        return {
            **vars(self.version),
            **self.facts.columns(),
            **repository_columns(self.facts.repository),
            "key_space": self.key_space,
        }


_FACT_COLUMNS = tuple(column.name for column in fields(IncidentFacts) if column.name != "repository")


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a report: the incident's current version, and whether it was known before."""

    incident: RecordedIncident
    repeated: bool


def unknown_names(ledger: Ledger, organization: str, facts: IncidentFacts) -> list[tuple[str, str]]:
    """The fields and the names that an incident gives and nothing is known by, as deployments go."""
    repository, found = facts.repository, []
    if facts.deployment is not None and not is_known_deployment(
        ledger, organization, repository, facts.deployment
    ):
        found.append(("deployment", facts.deployment))
    if facts.commit_id is not None and not is_known_release(
        ledger, organization, repository, facts.commit_id
    ):
        found.append(("commit_id", facts.commit_id))
    if repository is not None and not is_known_repository(ledger, organization, repository):
        found.append(("repository_url", repository.shown))
    elif facts.service and not is_known_service(ledger, organization, repository, facts.service):
        found.append(("service", facts.service))
    return found


def report_incident(
    ledger: Ledger,
    author: Author,
    sent: SentIncident,
    can_access: CanAccess = allow_all,
) -> Report:
    """Record an incident; with a `key` that is known, fill what the record lacks.

    A key that an incident has which `can_access` does not reach is as good as unknown.

    Raises `Contradiction` where the repeat says something else than the record, `InsufficientScope`
    where the incident names a deployment that `can_access` does not.
    """
    facts = sent.facts
    require_reach_of_named(ledger, author, "deployment", facts.deployment, can_access)
    of_the_key = [] if facts.key is None else _with_key(ledger, author, facts.key)
    current = next((one for one in of_the_key if can_access(one.facts.repository)), None)
    if current is None:
        sent.require_start()
        _ensure_repository(ledger, author, facts)
        version = ledger.first_version(author)
        recorded = RecordedIncident(version, facts, version.id if of_the_key else "")
        ledger.insert(INCIDENTS, recorded.to_row())
        return Report(recorded, repeated=False)
    return Report(_revise(ledger, author, current, merge_incident(current.facts, sent)), repeated=True)


def revise_incident(
    ledger: Ledger,
    author: Author,
    incident_id: str,
    changes: Mapping[str, Any],
    can_access: CanAccess = allow_all,
) -> RecordedIncident:
    """Correct or resolve an incident. Raises `NotFound`, or `InvalidInput` where times do not agree or lie
    more than a day ahead.

    `can_access` is asked about the repository before the change and about the one after it.
    """
    current = _current(ledger, author, INCIDENTS.c.id == incident_id)
    if current is None or not can_access(current.facts.repository):
        raise NotFound(f"There is no incident {incident_id}.")
    facts = replace(current.facts, **with_merged_labels(current.facts.labels, changes))
    if not can_access(facts.repository):
        raise InsufficientScope("insufficient_scope: the token does not reach that repository")
    for name in ("started_at", "resolved_at"):
        require_not_ahead(name, changes.get(name), ledger.now)
    if facts.deployment != current.facts.deployment:
        require_reach_of_named(ledger, author, "deployment", facts.deployment, can_access)
    return _revise(ledger, author, current, facts)


def record_incidents(
    ledger: Ledger, author: Author, sent: Sequence[SentIncident], can_access: CanAccess = allow_all
) -> list[Report | Refusal]:
    """Report each incident; one that cannot be is returned as the `Refusal`, and changes nothing."""
    return [_report_or_refuse(ledger, author, one, can_access) for one in sent]


def _report_or_refuse(
    ledger: Ledger, author: Author, sent: SentIncident, can_access: CanAccess
) -> Report | Refusal:
    try:
        return report_incident(ledger, author, sent, can_access)
    except Refusal as refusal:
        return refusal


def delete_incident(
    ledger: Ledger, author: Author, incident_id: str, can_access: CanAccess = allow_all
) -> None:
    """Close an incident's last version: it is in no list and no metric any more. Raises `NotFound`."""
    current = _current(ledger, author, INCIDENTS.c.id == incident_id)
    if current is None or not can_access(current.facts.repository):
        raise NotFound(f"There is no incident {incident_id}.")
    version = ledger.next_version(author, current.version).as_deletion()
    ledger.supersede(INCIDENTS, current.version, replace(current, version=version).to_row())


def _revise(
    ledger: Ledger, author: Author, current: RecordedIncident, facts: IncidentFacts
) -> RecordedIncident:
    if facts == current.facts:
        return current
    facts.require_order()
    _ensure_repository(ledger, author, facts)
    revised = replace(current, version=ledger.next_version(author, current.version), facts=facts)
    ledger.supersede(INCIDENTS, current.version, revised.to_row())
    return revised


def _ensure_repository(ledger: Ledger, author: Author, facts: IncidentFacts) -> None:
    if facts.repository is not None:
        require_key_fits(facts.repository.key, facts.service_key)
        ledger.ensure_repositories(author, [(facts.repository, facts.service)])


def _with_key(ledger: Ledger, author: Author, key: str) -> Sequence[RecordedIncident]:
    """The incidents with the key; first the one that everybody means by it."""
    columns = INCIDENTS.c
    query = select(INCIDENTS).where(current(columns, author.organization), columns.key == key)
    rows = ledger.connection.execute(query.order_by(columns.key_space))
    return [RecordedIncident.from_row(row) for row in rows]


def _current(ledger: Ledger, author: Author, condition: ColumnElement[bool]) -> RecordedIncident | None:
    row = ledger.connection.execute(
        select(INCIDENTS).where(
            current(INCIDENTS.c, author.organization),
            condition,
        )
    ).first()
    return None if row is None else RecordedIncident.from_row(row)
