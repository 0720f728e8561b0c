"""Deployments: what one says, how a repeat of it is understood, and how it is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from sqlalchemy import Row, select

from metrics.records import RepositoryIdentity, Status
from tracker.errors import Contradiction
from tracker.ledger import Author, Ledger, Version
from tracker.models import DEPLOYMENTS
from tracker.repeats import contradiction, fill_empty

# How far a duration may be from finished_at - started_at: senders round to whole seconds.
AGREEMENT_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class DeploymentFacts:
    """What a deployment says, in the form in which it is kept. Instants in microseconds UTC."""

    repository_url: str
    repository_host: str
    repository_path: str
    repository_key: str
    service: str
    environment: str
    environment_key: str
    status: Status
    commit_id: str | None
    version: str | None
    branch: str | None
    title: str | None
    url: str | None
    changelog: str | None
    started_at: int | None
    finished_at: int | None
    is_fix: bool | None
    is_hotfix: bool | None
    is_forced: bool | None
    is_rollback: bool | None
    remediates: str | None
    commits_count: int | None
    commits: Sequence[dict[str, str | int]]
    pull_request_number: int | None
    member_id: str | None
    team: str | None
    labels: dict[str, str]
    deployment_node_id: str | None
    triggered_by: str

    @property
    def repository(self) -> RepositoryIdentity:
        return RepositoryIdentity(self.repository_host, self.repository_path, self.repository_url)

    @property
    def natural_key(self) -> "NaturalKey | None":
        """What makes a repeat the same record; None where the sender gave no id of its own."""
        if self.deployment_node_id is None:
            return None
        return (self.repository_key, self.service, self.environment_key, self.deployment_node_id)


NaturalKey = tuple[str, str, str, str]
"""Repository key, service, environment key and deployment_node_id, within one organization."""


@dataclass(frozen=True, slots=True)
class SentDeployment:
    """Facts as one request gives them, and which of them it really carries."""

    facts: DeploymentFacts
    carried: frozenset[str]
    """Names of the fields that the sender gave a value; the others are defaults."""
    duration: int | None = None
    """The duration that was sent, in microseconds."""


@dataclass(frozen=True, slots=True)
class RecordedDeployment:
    """A version of a deployment that is, or with the commit under way will be, on disk."""

    version: Version
    facts: DeploymentFacts

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        columns = row._mapping
        facts = {name: columns[name] for name in _FACT_COLUMNS}
        facts["status"] = Status(facts["status"])
        return cls(Version.from_columns(columns), DeploymentFacts(**facts))

    def to_row(self) -> dict[str, object]:
        listed_at = self.version.created_at if self.facts.finished_at is None else self.facts.finished_at
        return {**vars(self.version), **vars(self.facts), "listed_at": listed_at}


_FACT_COLUMNS = tuple(column.name for column in fields(DeploymentFacts))


@dataclass(frozen=True, slots=True)
class Recording:
    """The outcome of a record that was accepted: its current version, and whether it was known before."""

    deployment: RecordedDeployment
    repeated: bool


def record_deployments(
    ledger: Ledger, author: Author, sent: Sequence[SentDeployment]
) -> list[Recording | Contradiction]:
    """Record each deployment: a new one, or a repeat that is understood as `merge_repeat` says.

    A repeat that contradicts its record is returned as the `Contradiction`, in its place, and
    changes nothing.
    """
    ledger.ensure_repositories(author, ((one.facts.repository, one.facts.service) for one in sent))
    current = _current_by_natural_key(ledger, author.organization, sent)
    return [_record_one(ledger, author, current, one) for one in sent]


def record_deployment(ledger: Ledger, author: Author, sent: SentDeployment) -> Recording:
    """Record one deployment. Raises `Contradiction`."""
    outcome = record_deployments(ledger, author, [sent])[0]
    if isinstance(outcome, Contradiction):
        raise outcome
    return outcome


def preview_deployment(ledger: Ledger, author: Author, sent: SentDeployment) -> DeploymentFacts:
    """What would be recorded, without recording it. Raises `Contradiction`."""
    key = sent.facts.natural_key
    current = _current_by_natural_key(ledger, author.organization, [sent])
    return merge_repeat(current[key].facts, sent, ledger.now) if key in current else sent.facts


def _record_one(
    ledger: Ledger, author: Author, current: dict[NaturalKey, RecordedDeployment], sent: SentDeployment
) -> Recording | Contradiction:
    """Record one deployment beside the current ones, which it joins."""
    key = sent.facts.natural_key
    before = None if key is None else current.get(key)
    if before is None:
        recorded = RecordedDeployment(ledger.first_version(author), sent.facts)
        ledger.insert(DEPLOYMENTS, recorded.to_row())
    else:
        try:
            facts = merge_repeat(before.facts, sent, ledger.now)
        except Contradiction as contradiction:
            return contradiction
        if facts == before.facts:
            return Recording(before, repeated=True)
        recorded = RecordedDeployment(ledger.next_version(author, before.version), facts)
        ledger.supersede(DEPLOYMENTS, before.version, recorded.to_row())
    if key is not None:
        current[key] = recorded
    return Recording(recorded, repeated=before is not None)


def _current_by_natural_key(
    ledger: Ledger, organization: str, sent: Sequence[SentDeployment]
) -> dict[NaturalKey, RecordedDeployment]:
    keys = {one.facts.natural_key for one in sent} - {None}
    if not keys:
        return {}
    node_ids = {key[3] for key in keys if key is not None}
    repository_keys = {key[0] for key in keys if key is not None}
    columns = DEPLOYMENTS.c
    rows = ledger.connection.execute(
        select(DEPLOYMENTS).where(
            columns.organization == organization,
            columns.repository_key.in_(repository_keys),
            columns.deployment_node_id.in_(node_ids),
            columns.superseded_revision.is_(None),
        )
    )
    recorded = (RecordedDeployment.from_row(row) for row in rows)
    return {key: one for one in recorded if (key := one.facts.natural_key) in keys and key is not None}


# What identifies the record, or comes from the service, is not up for comparison; times and status
# have rules of their own.
_COMPARED = frozenset(_FACT_COLUMNS) - {
    "repository_url",
    "repository_host",
    "repository_path",
    "repository_key",
    "service",
    "environment",
    "environment_key",
    "deployment_node_id",
    "triggered_by",
    "status",
    "started_at",
    "finished_at",
}


def merge_repeat(recorded: DeploymentFacts, sent: SentDeployment, now: int) -> DeploymentFacts:
    """The record after a repeat: what was empty is filled, what was in progress may finish.

    Only what the repeat carries is compared. Raises `Contradiction`, naming the fields, where it says
    something else than the record: then it is another attempt, and needs an id of its own.
    """
    changes, conflicts = fill_empty(recorded, sent.facts, _COMPARED & sent.carried)
    merged = replace(recorded, **changes)
    merged = _merge_progress(merged, sent, now, conflicts)
    if conflicts:
        raise contradiction(conflicts, "deployment_node_id")
    return merged


def _merge_progress(
    recorded: DeploymentFacts, sent: SentDeployment, now: int, conflicts: list[str]
) -> DeploymentFacts:
    """Status and times after a repeat; appends to `conflicts` the fields that contradict the record."""
    finishes = recorded.status is Status.IN_PROGRESS and sent.facts.status.is_final
    started_at, finished_at = recorded.started_at, recorded.finished_at
    sent_start = sent.facts.started_at if "started_at" in sent.carried else None
    sent_finish = sent.facts.finished_at if "finished_at" in sent.carried else None
    if sent_start is not None:
        if started_at not in (None, sent_start):
            conflicts.append("started_at")
        started_at = sent_start
    if finishes:
        if sent_finish is not None:
            finished_at = sent_finish
        elif sent.duration is not None and started_at is not None:
            finished_at = started_at + sent.duration
        else:
            finished_at = now
    elif "status" in sent.carried and sent.facts.status not in (recorded.status, Status.IN_PROGRESS):
        conflicts.append("status")
    elif sent_finish not in (None, finished_at):
        conflicts.append("finished_at")
    if sent.duration is not None and finished_at is not None:
        if started_at is None:
            started_at = finished_at - sent.duration
        elif abs(finished_at - started_at - sent.duration) > AGREEMENT_MICROSECONDS:
            conflicts.append("duration_seconds")
    if started_at is not None and finished_at is not None and finished_at < started_at:
        conflicts.append("finished_at" if finishes else "started_at")
    return replace(
        recorded,
        status=sent.facts.status if finishes else recorded.status,
        started_at=started_at,
        finished_at=finished_at,
    )
