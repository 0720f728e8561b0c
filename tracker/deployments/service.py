"""Deployments as they are recorded: first, again, corrected, deleted."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from sqlalchemy import Row, select

from metrics.domain.corrections import Correction
from metrics.domain.deployments import DeploymentFacts, NaturalKey, SentDeployment
from metrics.domain.errors import Refusal
from metrics.domain.merging import MergedDeployment, merge_deployment
from metrics.domain.repositories import CanAccess, allow_all
from metrics.domain.vocabulary import Status
from tracker.deployments.pushes import record_push
from tracker.errors import InsufficientScope, NotFound
from tracker.records.aliases import keys_of_one
from tracker.records.ledger import Author, Ledger, Version
from tracker.records.tables import DEPLOYMENTS, current
from tracker.records.warnings import is_known_deployment, is_known_release


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
        return {**vars(self.version), **self.facts.columns(), "listed_at": listed_at}


_RECORD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_FACT_COLUMNS = tuple(column.name for column in fields(DeploymentFacts))


@dataclass(frozen=True, slots=True)
class Recording:
    """The outcome of a record that was accepted: its current version, and whether it was known before."""

    deployment: RecordedDeployment
    repeated: bool
    merged: MergedDeployment | None = None
    """What a repeat was understood as; None where it was none."""


def record_deployments(
    ledger: Ledger, author: Author, sent: Sequence[SentDeployment], can_access: CanAccess = allow_all
) -> list[Recording | Refusal]:
    """Record each deployment: a new one, or a repeat that is understood as `merge_deployment` says.

    One that cannot be recorded is returned as the `Refusal`, in its place, and changes nothing: what
    `merge_deployment` raises, or `InsufficientScope` where it remediates what `can_access` does not.
    """
    current = _current_by_natural_key(ledger, author.organization, sent)
    return [_record_one(ledger, author, current, one, can_access) for one in sent]


def record_deployment(
    ledger: Ledger, author: Author, sent: SentDeployment, can_access: CanAccess = allow_all
) -> Recording:
    """Record one deployment. Raises what `record_deployments` returns."""
    outcome = record_deployments(ledger, author, [sent], can_access)[0]
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def require_reach_of_named(
    ledger: Ledger, author: Author, field: str, name: str | None, can_access: CanAccess
) -> None:
    """Raises `InsufficientScope` where the name is the id of a deployment that `can_access` does not.

    A node id or a release names only within the record's own repository.
    """
    if name is None or can_access is allow_all:
        return
    row = _current_row(ledger, author.organization, name)
    # Whether there is a record by an id that the token does not reach is not told either.
    is_reached = (
        not _RECORD_ID.fullmatch(name)
        if row is None
        else can_access(RecordedDeployment.from_row(row).facts.repository)
    )
    if not is_reached:
        raise InsufficientScope(f"insufficient_scope: the token does not reach what {field} names")


def unknown_names(ledger: Ledger, organization: str, facts: DeploymentFacts) -> list[tuple[str, str]]:
    """The field and the name that a deployment gives and nothing is known by."""
    name = facts.remediates
    if (
        name is None
        or is_known_deployment(ledger, organization, facts.repository, name)
        or is_known_release(ledger, organization, facts.repository, name)
    ):
        return []
    return [("remediates", name)]


def preview_deployment(
    ledger: Ledger, author: Author, sent: SentDeployment, can_access: CanAccess = allow_all
) -> MergedDeployment:
    """What would be recorded, without recording it. Raises what `record_deployment` does."""
    sent.facts.require_key_fits()
    require_reach_of_named(ledger, author, "remediates", sent.facts.remediates, can_access)
    current = _current_by_natural_key(ledger, author.organization, [sent])
    before = _same(ledger, author.organization, current, sent)
    return MergedDeployment(sent.facts) if before is None else _repeat(ledger, before, sent, can_access)


def revise_deployment(
    ledger: Ledger,
    author: Author,
    deployment_id: str,
    correction: Correction,
    can_access: CanAccess = allow_all,
) -> RecordedDeployment:
    """Finish or correct a deployment.

    Raises `NotFound`, or `InvalidInput` where the corrected facts contradict each other.
    """
    current = _existing(ledger, author, deployment_id, can_access)
    facts = correction.apply(current.facts, ledger.now)
    if facts.remediates != current.facts.remediates:
        require_reach_of_named(ledger, author, "remediates", facts.remediates, can_access)
    if facts == current.facts:
        return current
    revised = RecordedDeployment(ledger.next_version(author, current.version), facts)
    ledger.supersede(DEPLOYMENTS, current.version, revised.to_row())
    return revised


def delete_deployment(
    ledger: Ledger, author: Author, deployment_id: str, can_access: CanAccess = allow_all
) -> None:
    """Close a deployment's last version: it is in no list and no metric any more. Raises `NotFound`."""
    current = _existing(ledger, author, deployment_id, can_access)
    version = ledger.next_version(author, current.version).as_deletion()
    ledger.supersede(DEPLOYMENTS, current.version, RecordedDeployment(version, current.facts).to_row())


def _existing(
    ledger: Ledger, author: Author, deployment_id: str, can_access: CanAccess
) -> RecordedDeployment:
    row = _current_row(ledger, author.organization, deployment_id)
    recorded = None if row is None else RecordedDeployment.from_row(row)
    if recorded is None or not can_access(recorded.facts.repository):
        raise NotFound(f"There is no deployment {deployment_id}.")
    return recorded


def _current_row(ledger: Ledger, organization: str, deployment_id: str) -> Row[Any] | None:
    columns = DEPLOYMENTS.c
    return ledger.connection.execute(
        select(DEPLOYMENTS).where(
            columns.id == deployment_id,
            current(columns, organization),
        )
    ).first()


def _record_one(
    ledger: Ledger,
    author: Author,
    current: dict[NaturalKey, RecordedDeployment],
    sent: SentDeployment,
    can_access: CanAccess,
) -> Recording | Refusal:
    """Record one deployment; add it to `current`, which later ones are compared with."""
    try:
        sent.facts.require_key_fits()
        require_reach_of_named(ledger, author, "remediates", sent.facts.remediates, can_access)
    except Refusal as refusal:
        return refusal
    before = _same(ledger, author.organization, current, sent)
    merged = None
    if before is not None:
        try:
            merged = _repeat(ledger, before, sent, can_access)
        except Refusal as refusal:
            return refusal
    if sent.pushed is not None:
        record_push(ledger, author, sent.pushed)
    if before is None or merged is None:
        ledger.ensure_repositories(author, [(sent.facts.repository, sent.facts.service)])
        recorded = RecordedDeployment(ledger.first_version(author), sent.facts)
        ledger.insert(DEPLOYMENTS, recorded.to_row())
    else:
        if merged.facts == before.facts:
            return Recording(before, repeated=True, merged=merged)
        recorded = RecordedDeployment(ledger.next_version(author, before.version), merged.facts)
        ledger.supersede(DEPLOYMENTS, before.version, recorded.to_row())
    if recorded.facts.natural_key is not None:
        current[recorded.facts.natural_key] = recorded
    return Recording(recorded, repeated=before is not None, merged=merged)


def _repeat(
    ledger: Ledger, before: RecordedDeployment, sent: SentDeployment, can_access: CanAccess
) -> MergedDeployment:
    """The record after a repeat. Raises what `merge_deployment` does, and `InsufficientScope`."""
    if not can_access(before.facts.repository):
        raise InsufficientScope("insufficient_scope: the token does not reach the record that this repeats")
    return merge_deployment(before.facts, sent, ledger.now)


def _current_by_natural_key(
    ledger: Ledger, organization: str, sent: Sequence[SentDeployment]
) -> dict[NaturalKey, RecordedDeployment]:
    """The recorded deployments that may be the same as those sent, under whatever identity."""
    keys = {key for one in sent if (key := one.facts.natural_key) is not None}
    if not keys:
        return {}
    aliases = ledger.aliases(organization)
    node_ids = {key.deployment_node_id for key in keys}
    repository_keys = {one for key in keys for one in keys_of_one(aliases, key.repository_key)}
    columns = DEPLOYMENTS.c
    rows = ledger.connection.execute(
        select(DEPLOYMENTS).where(
            current(columns, organization),
            ledger.in_values(columns.repository_key, repository_keys),
            ledger.in_values(columns.deployment_node_id, node_ids),
        )
    )
    recorded = (RecordedDeployment.from_row(row) for row in rows)
    return {key: one for one in recorded if (key := one.facts.natural_key) is not None}


def _same(
    ledger: Ledger,
    organization: str,
    current: Mapping[NaturalKey, RecordedDeployment],
    sent: SentDeployment,
) -> RecordedDeployment | None:
    """The recorded deployment that is the same: under its own identity first, then under another."""
    key = sent.facts.natural_key
    if key is None:
        return None
    aliases = ledger.aliases(organization)
    if key in current or not aliases:
        return current.get(key)
    others = sorted(keys_of_one(aliases, key.repository_key))
    candidates = (current.get(key._replace(repository_key=one)) for one in others)
    return next((one for one in candidates if one is not None), None)
