"""How a repeat of a record is understood: it fills, finishes, describes anew, and may change the outcome."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from metrics.domain.deployments import DeploymentFacts, NaturalKey, SentDeployment
from metrics.domain.errors import Contradiction, InvalidInput
from metrics.domain.fields import MOST_LABELS, require_not_ahead
from metrics.domain.incidents import IncidentFacts, SentIncident
from metrics.domain.instants import agree

# What describes a deployment: not what identifies it, nor its release, its outcome and its times.
_DESCRIPTIVE = frozenset(one.name for one in fields(DeploymentFacts)) - {
    *NaturalKey._fields,
    "repository_url",
    "repository_host",
    "repository_path",
    "environment",
    "triggered_by",
    "commit_id",
    "version",
    "status",
    "started_at",
    "finished_at",
}
# A repeat that says nothing of a field takes nothing away.
_EMPTY: tuple[object, ...] = (None, "", [], ())
# How a fact is called in a body, where that is not its own name.
_SENT_AS = {"repository": "repository_url"}


@dataclass(frozen=True, slots=True)
class MergedDeployment:
    """A record after a repeat."""

    facts: DeploymentFacts
    kept: tuple[str, ...] = ()
    """The fields that the repeat carried and that stay as they were."""
    outcome_changed: bool = False
    """Whether the repeat replaced one final status by another."""


def merge_deployment(recorded: DeploymentFacts, sent: SentDeployment, now: int) -> MergedDeployment:
    """The record after a repeat; `now` in microseconds.

    What was empty is filled, what was in progress may finish, the last word describes, and another final
    status is another outcome. Times that are known stay. A repeat whose state is older than the record's
    only fills. Raises `Contradiction` where the release is another, `InvalidInput` where the finish would lie
    before the start or more than a day ahead, or the labels become too many.
    """
    release = _merge_release(recorded, sent)
    is_late = _is_late(recorded, sent)
    described, kept = _describe(recorded, sent, is_late)
    finishes = not recorded.status.is_final and sent.facts.status.is_final
    speaks_of_status = finishes or "status" in sent.fields_set
    takes_status = speaks_of_status and not is_late
    if speaks_of_status and is_late and sent.facts.status is not recorded.status:
        kept.append("status")
    started_at, finished_at = _merge_times(recorded, sent, now, finishes)
    kept += _times_kept(sent, started_at, finished_at)
    status = sent.facts.status if takes_status else recorded.status
    merged = replace(
        recorded, **release, **described, status=status, started_at=started_at, finished_at=finished_at
    )
    return MergedDeployment(
        merged, tuple(kept), outcome_changed=recorded.status.is_final and status is not recorded.status
    )


def _merge_release(recorded: DeploymentFacts, sent: SentDeployment) -> dict[str, Any]:
    """The release of both, with its longest commit id. Raises `Contradiction` where they are two."""
    commit_id, version = recorded.commit_id, recorded.version
    if sent.facts.commit_id is not None:
        shorter, longer = sorted((commit_id or sent.facts.commit_id, sent.facts.commit_id), key=len)
        if not longer.startswith(shorter):
            raise Contradiction.of(["commit_id"], "deployment_node_id")
        commit_id = longer
    if sent.facts.version is not None:
        # Where a commit is recorded, it is the release, and the version describes it.
        is_release = recorded.commit_id is None and version is not None
        if is_release and str(version).lower() != sent.facts.version.lower():
            raise Contradiction.of(["version"], "deployment_node_id")
        version = version if is_release else sent.facts.version
    return {"commit_id": commit_id, "version": version}


def _is_late(recorded: DeploymentFacts, sent: SentDeployment) -> bool:
    """Whether the state that is sent is older than the one recorded: it was overtaken on its way."""
    if not sent.facts.status.is_final:
        if recorded.status.is_final:
            return True
        before, after = recorded.started_at, sent.facts.started_at
    else:
        before, after = recorded.finished_at, _sent_finish(sent)
    return before is not None and after is not None and after < before


def _sent_finish(sent: SentDeployment) -> int | None:
    """The finish that the sender gives, by itself or by start and duration; None where it gives none."""
    spans = "started_at" in sent.fields_set and sent.duration is not None
    return sent.facts.finished_at if "finished_at" in sent.fields_set or spans else None


def _describe(
    recorded: DeploymentFacts, sent: SentDeployment, is_late: bool
) -> tuple[dict[str, Any], list[str]]:
    """The facts that the repeat describes anew, and the names of those that a late one leaves.

    Labels are merged name by name; everything else as a whole, and never by what is empty. Raises
    `InvalidInput` for too many labels.
    """
    changes: dict[str, Any] = {}
    kept: list[str] = []
    for name in sorted(_DESCRIPTIVE & sent.fields_set):
        before, after = getattr(recorded, name), getattr(sent.facts, name)
        if isinstance(before, dict):
            changes[name] = {**after, **before} if is_late else {**before, **after}
            require_few_labels(changes[name])
            if is_late and changes[name] != {**before, **after}:
                kept.append(name)
        elif before in _EMPTY or (not is_late and after not in _EMPTY):
            changes[name] = after
        elif before != after:
            kept.append(name)
    return changes, kept


def _merge_times(
    recorded: DeploymentFacts, sent: SentDeployment, now: int, finishes: bool
) -> tuple[int | None, int | None]:
    """Start and finish after a repeat: what is known stays. Raises `InvalidInput`."""
    started_at = recorded.started_at
    if started_at is None and "started_at" in sent.fields_set:
        started_at = sent.facts.started_at
    finished_at = recorded.finished_at
    if finishes:
        finished_at = _sent_finish(sent)
        if finished_at is None:
            spans = started_at is not None and sent.duration is not None
            finished_at = (started_at or 0) + (sent.duration or 0) if spans else now
            require_not_ahead("duration_seconds", finished_at, now)
    if started_at is None and finished_at is not None and sent.duration is not None:
        started_at = finished_at - sent.duration
    if started_at is not None and finished_at is not None and finished_at < started_at:
        if finishes:
            raise InvalidInput.field("finished_at", "must not be before the started_at that is recorded")
        raise InvalidInput.field("started_at", "must not be after the finished_at that is recorded")
    return started_at, finished_at


def _times_kept(sent: SentDeployment, started_at: int | None, finished_at: int | None) -> list[str]:
    """The names of the times that the repeat gives, and the record has otherwise."""
    kept = []
    if "started_at" in sent.fields_set and sent.facts.started_at != started_at:
        kept.append("started_at")
    if "finished_at" in sent.fields_set and sent.facts.finished_at != finished_at:
        kept.append("finished_at")
    match started_at, finished_at, sent.duration:
        case int() as start, int() as finish, int() as duration if not agree(start, finish, duration):
            kept.append("duration_seconds")
    return kept


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
        elif before in _EMPTY:
            changes[name] = after
        elif before != after:
            conflicts.append(name)
    return changes, conflicts


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
