"""How a repeat of a record is understood: it may fill what is empty, and finish, and never contradicts."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from metrics.domain.deployments import DeploymentFacts, NaturalKey, SentDeployment
from metrics.domain.errors import Contradiction, InvalidInput
from metrics.domain.fields import MOST_LABELS
from metrics.domain.incidents import IncidentFacts, SentIncident
from metrics.domain.instants import agree, is_too_far_ahead
from metrics.domain.vocabulary import Status

# What identifies the record, or comes from the service, is not up for comparison; times and status
# have rules of their own.
_COMPARED = frozenset(one.name for one in fields(DeploymentFacts)) - {
    *NaturalKey._fields,
    "repository_url",
    "repository_host",
    "repository_path",
    "environment",
    "triggered_by",
    "status",
    "started_at",
    "finished_at",
}
# How a fact is called in a body, where that is not its own name.
_SENT_AS = {"repository": "repository_url"}


def merge_deployment(recorded: DeploymentFacts, sent: SentDeployment, now: int) -> DeploymentFacts:
    """The record after a repeat: what was empty is filled, what was in progress may finish.

    Only what the repeat carries is compared. `now` in microseconds. Raises `Contradiction`, naming the
    fields, where it says something else than the record: then it is another attempt, and needs an id of its
    own. Raises `InvalidInput` where the labels become too many.
    """
    changes, conflicts = _fill_empty(recorded, sent.facts, _COMPARED & sent.fields_set)
    merged = _merge_progress(replace(recorded, **changes), sent, now, conflicts)
    if conflicts:
        raise Contradiction.of(conflicts, "deployment_node_id")
    return merged


def merge_incident(recorded: IncidentFacts, sent: SentIncident) -> IncidentFacts:
    """The record after a repeat: what was empty is filled. Only what the repeat carries is compared.

    Raises `Contradiction`, naming the fields, where it says something else than the record, and
    `InvalidInput` where the labels become too many, or it ends before it begins.
    """
    changes, conflicts = _fill_empty(recorded, sent.facts, sent.fields_set)
    if conflicts:
        raise Contradiction.of([_SENT_AS.get(name, name) for name in conflicts], "key")
    merged = replace(recorded, **changes)
    merged.require_order()
    return merged


def _fill_empty(recorded: object, sent: object, names: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """The named facts that a repeat adds to a record, and the names of those that contradict it.

    Dictionaries are filled name by name; everything else as a whole. Raises `InvalidInput` for too many
    labels.
    """
    changes: dict[str, Any] = {}
    conflicts: list[str] = []
    for name in sorted(names):
        before, after = getattr(recorded, name), getattr(sent, name)
        if isinstance(before, dict):
            changes[name] = {**before, **after}
            require_few_labels(changes[name])
            if changes[name] != {**after, **before}:
                conflicts.append(name)
        elif before in (None, "", [], ()):
            changes[name] = after
        elif before != after:
            conflicts.append(name)
    return changes, conflicts


def _merge_progress(
    recorded: DeploymentFacts, sent: SentDeployment, now: int, conflicts: list[str]
) -> DeploymentFacts:
    """Status and times after a repeat; appends to `conflicts` the fields that contradict the record."""
    finishes = recorded.status is Status.IN_PROGRESS and sent.facts.status.is_final
    started_at, finished_at = recorded.started_at, recorded.finished_at
    sent_start = sent.facts.started_at if "started_at" in sent.fields_set else None
    sent_finish = sent.facts.finished_at if "finished_at" in sent.fields_set else None
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
    else:
        if "status" in sent.fields_set and sent.facts.status not in (recorded.status, Status.IN_PROGRESS):
            conflicts.append("status")
        if sent_finish not in (None, finished_at):
            conflicts.append("finished_at")
    if sent.duration is not None and finished_at is not None:
        if started_at is None:
            started_at = finished_at - sent.duration
        elif not agree(started_at, finished_at, sent.duration):
            conflicts.append("duration_seconds")
    if started_at is not None and finished_at is not None and finished_at < started_at:
        conflicts.append("finished_at" if finishes else "started_at")
    if finishes and finished_at is not None and is_too_far_ahead(finished_at, now):
        conflicts.append("duration_seconds")
    return replace(
        recorded,
        status=sent.facts.status if finishes else recorded.status,
        started_at=started_at,
        finished_at=finished_at,
    )


def with_merged_labels(recorded: Mapping[str, str], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of a merge patch with its labels as they then are: null removes one, or all.

    Raises `InvalidInput` beyond the most there may be.
    """
    if "labels" not in changes:
        return dict(changes)
    patch: Mapping[str, str | None] | None = changes["labels"]
    merged = {} if patch is None else {**recorded, **patch}
    labels = {name: text for name, text in merged.items() if text is not None}
    require_few_labels(labels)
    return {**changes, "labels": labels}


def require_few_labels(labels: Mapping[str, str]) -> None:
    """Raises `InvalidInput` where there are more than `MOST_LABELS`."""
    if len(labels) > MOST_LABELS:
        raise InvalidInput.field("labels", f"must not come to more than {MOST_LABELS}")
