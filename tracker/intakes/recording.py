"""From what an event tells to the record: folded with what was told before, and changed by what is new."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Table, and_, delete, insert, select

from metrics.domain.corrections import DeploymentChange, IncidentChange
from metrics.domain.deployments import NewDeployment
from metrics.domain.errors import Refusal
from metrics.domain.incidents import NewIncident
from metrics.domain.instants import to_microseconds
from metrics.domain.pushes import NewPush, PushFacts
from metrics.domain.repositories import CanAccess, RepositoryIdentity
from tracker.deployments.pushes import record_push
from tracker.deployments.service import (
    delete_deployment,
    record_deployment,
    revise_deployment,
)
from tracker.incidents.service import report_incident, revise_incident
from tracker.intakes.events import DeploymentTold, IncidentTold, PushTold
from tracker.intakes.folding import (
    RELEASE,
    SET_ASIDE,
    Record,
    State,
    fold_deployment,
    fold_incident,
    fold_run,
    needless,
    runs_of,
)
from tracker.intakes.tables import SENDER_EVENTS
from tracker.records.ledger import Author, Ledger
from tracker.records.tables import DEPLOYMENTS, INCIDENTS, current
from tracker.senders.keys import sender_key


class Outcome(StrEnum):
    """What became of an event, or of a part of it."""

    RECORDED = "recorded"
    UPDATED = "updated"
    REPEATED = "repeated"
    HELD = "held"
    """It is kept, and waits for what makes a record of it."""
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one thing that was told, why, and the record's id."""

    outcome: Outcome
    reason: str | None = None
    record_id: str | None = None


# What a correction cannot change: such a deployment is recorded anew.
_PLACE = "place"
_IDENTITY = ("repository_url", "service", "environment")


def take(ledger: Ledger, author: Author, told: DeploymentTold | IncidentTold, can_access: CanAccess) -> Taken:
    """Record what was told, together with all that was told before of the same thing.

    A record that somebody has deleted stays so, and what somebody has corrected is changed only where the
    sender says something new. Raises `Refusal` where it cannot be recorded.
    """
    if isinstance(told, DeploymentTold) and told.release is not None:
        return _take_what_runs(ledger, author, told, can_access)
    is_deployment = isinstance(told, DeploymentTold)
    kind, fold = ("deployment", fold_deployment) if is_deployment else ("incident", fold_incident)
    state = state_of(told)
    known = _known(ledger, author.organization, kind, told.key)
    if any(one.digest == state.digest for one in known):
        return Taken(Outcome.REPEATED)
    before, after = fold(known), fold([*known, state])
    if after is not None:
        after = {**after, "deployment_node_id" if is_deployment else "key": told.key}
        _require_reach(after, can_access)
    settle = _settle_deployment if is_deployment else _settle_incident
    taken = _waits(told) if after is None else settle(ledger, author, told.key, before, after)
    _keep(ledger, author.organization, kind, told.key, state)
    return taken


def take_push(ledger: Ledger, author: Author, told: PushTold, can_access: CanAccess) -> Taken:
    """Record commits that were pushed, for deployments that tell none."""
    pushed = pushed_facts(told)
    if not can_access(pushed.repository):
        return Taken(Outcome.IGNORED, f"{OutOfReach.code}: {_OUT_OF_REACH}")
    return Taken(Outcome.RECORDED if record_push(ledger, author, pushed) else Outcome.REPEATED)


def pushed_facts(told: PushTold) -> PushFacts:
    """What was pushed, as it is kept. Raises `InvalidInput`."""
    commits = [
        {"sha": one.sha, "committed_at": one.authored_at.isoformat(), "is_merge": one.is_merge}
        for one in told.commits
    ]
    body = {"repository_url": told.repository_url, "before": told.before, "commits": commits}
    return NewPush.parse(msgspec.json.encode(body)).sent()


def _take_what_runs(ledger: Ledger, author: Author, told: DeploymentTold, can_access: CanAccess) -> Taken:
    """Record what a place runs: told again it is a repeat, unless another release came in between."""
    organization, state = author.organization, state_of(told)
    known = _known(ledger, organization, _PLACE, told.key)
    if any(one.digest == state.digest for one in known):
        return Taken(Outcome.REPEATED)
    runs = runs_of([*known, state])
    before, after = _deployments(told.key, runs_of(known)), _deployments(told.key, runs)
    for record in after.values():
        _require_reach(record, can_access)
    taken = [
        _settle_deployment(ledger, author, key, before.get(key), record)
        for key, record in after.items()
        if before.get(key) != record
    ]
    _keep(ledger, organization, _PLACE, told.key, state)
    _forget(ledger, organization, told.key, [one.digest for run in runs.values() for one in needless(run)])
    return taken[-1] if taken else Taken(Outcome.REPEATED)


def _deployments(place: str, runs: Mapping[str, Sequence[State]]) -> Mapping[str, Record]:
    """The deployments of a place by their keys."""
    keyed = {sender_key(place, "", "", name): fold_run(run) for name, run in runs.items()}
    return {key: {**record, "deployment_node_id": key} for key, record in keyed.items() if record is not None}


def _waits(told: DeploymentTold | IncidentTold) -> Taken:
    """What is kept, and makes no record yet."""
    if isinstance(told, IncidentTold) and told.set_aside is not None:
        return Taken(Outcome.IGNORED, told.set_aside)
    return Taken(Outcome.HELD, "start_unknown")


def _require_reach(record: Record, can_access: CanAccess) -> None:
    url = record.get("repository_url")
    if not can_access(None if url is None else RepositoryIdentity.parse(url)):
        raise OutOfReach(_OUT_OF_REACH)


_OUT_OF_REACH = "the intake does not reach this repository"


class OutOfReach(Refusal):
    """The event tells of a repository that its intake is not for."""

    code = "out_of_reach"


def _settle_deployment(
    ledger: Ledger, author: Author, key: str, before: Record | None, after: Record
) -> Taken:
    found = None if before is None else _deployment_id(ledger, author.organization, before, key)
    if before is None or (found is not None and _differs(before, after, _IDENTITY)):
        sent = NewDeployment.parse(msgspec.json.encode(after)).sent(triggered_by="webhook", now=ledger.now)
        sent.facts.require_key_fits()
        if found is not None:
            delete_deployment(ledger, author, found)
        recording = record_deployment(ledger, author, sent)
        outcome = Outcome.UPDATED if recording.repeated or before is not None else Outcome.RECORDED
        return Taken(outcome, record_id=recording.deployment.version.id)
    if found is None:
        return Taken(Outcome.IGNORED, "deleted_here")
    changes = _changes(before, after, but=("deployment_node_id", *_IDENTITY))
    if changes:
        correction = DeploymentChange.parse(msgspec.json.encode(changes)).correction(ledger.now)
        revise_deployment(ledger, author, found, correction)
    return Taken(Outcome.UPDATED if changes else Outcome.REPEATED, record_id=found)


def _settle_incident(ledger: Ledger, author: Author, key: str, before: Record | None, after: Record) -> Taken:
    if before is None:
        sent = NewIncident.parse(msgspec.json.encode(after)).sent(ledger.now)
        report = report_incident(ledger, author, sent)
        return Taken(
            Outcome.UPDATED if report.repeated else Outcome.RECORDED, record_id=report.incident.version.id
        )
    found = _found(ledger, INCIDENTS, author.organization, INCIDENTS.c.key == key)
    if found is None:
        return Taken(Outcome.IGNORED, "deleted_here")
    changes = dict(_changes(before, after, but=("key",)))
    if "change_related" in changes and changes["change_related"] is None:
        # It was withdrawn, and is not any more: what is not said is true.
        changes["change_related"] = True
    if changes:
        revise_incident(ledger, author, found, IncidentChange.parse(msgspec.json.encode(changes)).changes())
    return Taken(Outcome.UPDATED if changes else Outcome.REPEATED, record_id=found)


def _differs(before: Record, after: Record, names: Iterable[str]) -> bool:
    return any(before.get(name) != after.get(name) for name in names)


def _changes(before: Record, after: Record, *, but: Iterable[str]) -> Mapping[str, Any]:
    """What the sender says now and did not before; null for what it says no longer."""
    names = (before.keys() | after.keys()) - set(but)
    return {name: after.get(name) for name in sorted(names) if before.get(name) != after.get(name)}


def state_of(told: DeploymentTold | IncidentTold) -> State:
    """What was told, as it is kept and folded."""
    fields = dict(told.fields)
    if told.started_at is not None:
        fields["started_at"] = to_microseconds(told.started_at)
    if isinstance(told, DeploymentTold) and told.release is not None:
        fields[RELEASE] = told.release
    if isinstance(told, IncidentTold) and told.resolved_at is not None:
        fields["resolved_at"] = to_microseconds(told.resolved_at)
    if isinstance(told, IncidentTold) and told.set_aside is not None:
        fields[SET_ASIDE] = told.set_aside
    name = told.happened if isinstance(told, DeploymentTold) else told.turn
    at = to_microseconds(told.at)
    said = msgspec.json.encode([at, told.rank, name, fields], order="deterministic")
    return State(at, told.rank, hashlib.sha256(said).hexdigest(), name, fields)


def _known(ledger: Ledger, organization: str, kind: str, key: str) -> Sequence[State]:
    columns = SENDER_EVENTS.c
    rows = ledger.connection.execute(
        select(columns.at, columns.rank, columns.digest, columns.state, columns.fields).where(
            columns.organization == organization, columns.kind == kind, columns.key == key
        )
    )
    return [State(*row) for row in rows]


def _keep(ledger: Ledger, organization: str, kind: str, key: str, state: State) -> None:
    ledger.connection.execute(
        insert(SENDER_EVENTS).values(
            organization=organization,
            kind=kind,
            key=key,
            digest=state.digest,
            at=state.at,
            rank=state.rank,
            state=state.name,
            fields=dict(state.fields),
            received_at=ledger.now,
        )
    )


def _forget(ledger: Ledger, organization: str, place: str, digests: Sequence[str]) -> None:
    columns = SENDER_EVENTS.c
    if digests:
        ledger.connection.execute(
            delete(SENDER_EVENTS).where(
                columns.organization == organization,
                columns.kind == _PLACE,
                columns.key == place,
                columns.digest.in_(digests),
            )
        )


def _deployment_id(ledger: Ledger, organization: str, record: Record, key: str) -> str | None:
    """The attempt's deployment, whatever service and environment it was put under."""
    columns = DEPLOYMENTS.c
    repository = RepositoryIdentity.parse(record["repository_url"])
    of_it = and_(columns.repository_key == repository.key, columns.deployment_node_id == key)
    return _found(ledger, DEPLOYMENTS, organization, of_it)


def _found(ledger: Ledger, table: Table, organization: str, condition: ColumnElement[bool]) -> str | None:
    found = ledger.connection.scalar(
        select(table.c.id).where(current(table.c, organization), condition).order_by(table.c.id)
    )
    return None if found is None else str(found)
