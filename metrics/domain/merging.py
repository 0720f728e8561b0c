"""How a repeat of a record is understood: it fills, finishes, describes anew, and may change the outcome."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from metrics.domain.deployments import DeploymentFacts, SentDeployment
from metrics.domain.errors import Contradiction, InvalidInput
from metrics.domain.fields import MOST_LABELS, require_not_ahead
from metrics.domain.incidents import IncidentFacts, SentIncident
from metrics.domain.instants import agree

# What describes a deployment: not what identifies it, nor its commit, its outcome and its times.
_DESCRIPTIVE = frozenset(one.name for one in fields(DeploymentFacts)) - {
    "repository_url",
    "repository_host",
    "repository_path",
    "repository_key",
    "service",
    "environment",
    "deployment_node_id",
    "triggered_by",
    "commit_id",
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
    status is another outcome, with its own finish. Other times that are known stay. A repeat whose state is
    older than the record's only fills. Raises `Contradiction` where the release is another, `InvalidInput`
    where the finish would lie before the start or more than a day ahead, or the labels become too many.
    """
    is_late = _is_late(recorded, sent)
    # Where a commit is recorded, it is the release, and the version describes it.
    _require_same_release(recorded, sent.facts)
    is_release = recorded.commit_id is None and recorded.version is not None
    names = _DESCRIPTIVE - {"version"} if is_release else _DESCRIPTIVE
    changes, kept = _merge_facts(recorded, sent.facts, names & sent.fields_set, last_word=not is_late)
    finishes = not recorded.status.is_final and sent.facts.status.is_final
    says_other = sent.facts.status is not recorded.status and (finishes or "status" in sent.fields_set)
    if says_other and is_late:
        kept.append("status")
    changes_outcome = says_other and recorded.status.is_final and not is_late
    started_at, finished_at = _merge_times(recorded, sent, now, finishes=finishes or changes_outcome)
    merged = replace(
        recorded,
        **changes,
        commit_id=max(recorded.commit_id or "", sent.facts.commit_id or "", key=len) or None,
        status=sent.facts.status if says_other and not is_late else recorded.status,
        started_at=started_at,
        finished_at=finished_at,
    )
    kept += _times_kept(sent, started_at, finished_at)
    return MergedDeployment(merged, tuple(kept), changes_outcome)


def merge_incident(recorded: IncidentFacts, sent: SentIncident) -> IncidentFacts:
    """The record after a repeat: what was empty is filled. Only what the repeat carries is compared.

    Raises `Contradiction`, naming the fields, where it says something else than the record, and
    `InvalidInput` where the labels become too many, or it ends before it begins.
    """
    changes, conflicts = _merge_facts(recorded, sent.facts, sent.fields_set, last_word=False)
    if conflicts:
        raise Contradiction.of([_SENT_AS.get(name, name) for name in conflicts], "key")
    merged = replace(recorded, **changes)
    merged.require_order()
    return merged


def _require_same_release(recorded: DeploymentFacts, sent: DeploymentFacts) -> None:
    """Raises `Contradiction` where the release is another: a shortened commit id is the whole one's."""
    if recorded.commit_id is None and recorded.version is not None and sent.version is not None:
        name, is_same = "version", recorded.version.lower() == sent.version.lower()
    else:
        before, after = recorded.commit_id or "", sent.commit_id or ""
        name, is_same = "commit_id", before.startswith(after) or after.startswith(before)
    if not is_same:
        raise Contradiction.of([name], "deployment_node_id")


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


def _merge_facts(
    recorded: object, sent: object, names: Iterable[str], *, last_word: bool
) -> tuple[dict[str, Any], list[str]]:
    """The named facts that a repeat changes, and the names of those that it says otherwise and leaves.

    It fills what is empty, and with the `last_word` replaces what is not; never by what is empty. Labels are
    merged name by name. Raises `InvalidInput` for too many labels.
    """
    changes: dict[str, Any] = {}
    kept: list[str] = []
    for name in sorted(names):
        before, after = getattr(recorded, name), getattr(sent, name)
        if isinstance(before, dict):
            changes[name] = {**before, **after} if last_word else {**after, **before}
            require_few_labels(changes[name])
            if changes[name] != {**before, **after}:
                kept.append(name)
        elif before in _EMPTY or (last_word and after not in _EMPTY):
            changes[name] = after
        elif before != after:
            kept.append(name)
    return changes, kept


def _merge_times(
    recorded: DeploymentFacts, sent: SentDeployment, now: int, *, finishes: bool
) -> tuple[int | None, int | None]:
    """Start and finish after a repeat; the finish moves only where it `finishes`. Raises `InvalidInput`."""
    started_at, finished_at = recorded.started_at, recorded.finished_at
    if started_at is None and "started_at" in sent.fields_set:
        started_at = sent.facts.started_at
    if finishes and (sent_finish := _sent_finish(sent)) is not None:
        finished_at = sent_finish
    elif finished_at is None and finishes:
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
