"""What a deployment says, and how a repeat or a correction changes it. Pure: no database, no HTTP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from metrics.domain.instants import AGREEMENT_MICROSECONDS, FURTHEST_AHEAD_MICROSECONDS
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import Status, environment_key
from tracker.errors import FieldError, InvalidRequest
from tracker.repeats import contradiction, fill_empty

MOST_LABELS = 20


@dataclass(frozen=True, kw_only=True)
class DeploymentFacts:
    """What a deployment says, in the form in which it is kept. Instants in microseconds UTC."""

    repository_url: str
    repository_host: str
    repository_path: str
    repository_key: str
    service: str = ""
    environment: str
    environment_key: str
    status: Status
    commit_id: str | None = None
    version: str | None = None
    branch: str | None = None
    title: str | None = None
    url: str | None = None
    changelog: str | None = None
    started_at: int | None = None
    finished_at: int | None = None
    is_fix: bool | None = None
    is_hotfix: bool | None = None
    is_forced: bool | None = None
    is_rollback: bool | None = None
    remediates: str | None = None
    commits_count: int | None = None
    commits: Sequence[dict[str, str | int]] = ()
    pull_request_number: int | None = None
    member_id: str | None = None
    team: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    deployment_node_id: str | None = None
    triggered_by: str

    @classmethod
    def in_progress(cls, repository: RepositoryIdentity, environment: str, **facts: Any) -> Self:
        """What is known of a deployment that has begun; the fields that are not named are empty."""
        return cls(
            repository_url=repository.url,
            repository_host=repository.host,
            repository_path=repository.path,
            repository_key=repository.key,
            environment=environment,
            environment_key=environment_key(environment),
            status=Status.IN_PROGRESS,
            **facts,
        )

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


# What identifies the record, or comes from the service, is not up for comparison; times and status
# have rules of their own.
_COMPARED = frozenset(one.name for one in fields(DeploymentFacts)) - {
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
    something else than the record: then it is another attempt, and needs an id of its own. Raises
    `InvalidRequest` where the labels become too many.
    """
    changes, conflicts = fill_empty(recorded, sent.facts, _COMPARED & sent.carried)
    if "labels" in changes:
        require_few_labels(changes["labels"])
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
    else:
        if "status" in sent.carried and sent.facts.status not in (recorded.status, Status.IN_PROGRESS):
            conflicts.append("status")
        if sent_finish not in (None, finished_at):
            conflicts.append("finished_at")
    if sent.duration is not None and finished_at is not None:
        if started_at is None:
            started_at = finished_at - sent.duration
        elif abs(finished_at - started_at - sent.duration) > AGREEMENT_MICROSECONDS:
            conflicts.append("duration_seconds")
    if started_at is not None and finished_at is not None and finished_at < started_at:
        conflicts.append("finished_at" if finishes else "started_at")
    if finishes and finished_at is not None and finished_at - now > FURTHEST_AHEAD_MICROSECONDS:
        conflicts.append("duration_seconds")
    return replace(
        recorded,
        status=sent.facts.status if finishes else recorded.status,
        started_at=started_at,
        finished_at=finished_at,
    )


@dataclass(frozen=True, slots=True)
class Correction:
    """What a merge patch sets. `changes` holds facts by name, times in microseconds; null clears."""

    changes: Mapping[str, Any]
    duration: int | None = None
    """The duration that was sent, in microseconds."""

    def apply(self, recorded: DeploymentFacts, now: int) -> DeploymentFacts:
        """The corrected facts. Raises `InvalidRequest` where they contradict each other."""
        facts = replace(recorded, **with_merged_labels(recorded.labels, self.changes))
        names_release = {"commit_id", "version"} & self.changes.keys()
        if names_release and facts.commit_id is None and facts.version is None:
            raise _wrong("commit_id", "cannot be cleared where there is no version")
        if recorded.status.is_final and not facts.status.is_final:
            raise _wrong("status", "cannot go back to in_progress")
        return self._with_times(facts, now)

    def _with_times(self, facts: DeploymentFacts, now: int) -> DeploymentFacts:
        """Start and finish after the correction; where only the duration moved, the finish stays."""
        started_at, finished_at = facts.started_at, facts.finished_at
        if not facts.status.is_final:
            for name, value in (("finished_at", finished_at), ("duration_seconds", self.duration)):
                if value is not None:
                    raise _wrong(name, "cannot be given while the status is in_progress")
            return facts
        if "finished_at" in self.changes and finished_at is None:
            raise _wrong("finished_at", "cannot be cleared where the status is final")
        if self.duration is not None:
            started_at, finished_at = self._fit(self.duration, started_at, finished_at, now)
        finished_at = now if finished_at is None else finished_at
        if started_at is not None and finished_at < started_at:
            if "started_at" in self.changes and "finished_at" not in self.changes:
                raise _wrong("started_at", "must not be after finished_at")
            raise _wrong("finished_at", "must not be before started_at")
        if finished_at - now > FURTHEST_AHEAD_MICROSECONDS:
            raise _wrong("finished_at", "must not be more than a day ahead")
        return replace(facts, started_at=started_at, finished_at=finished_at)

    def _fit(
        self, duration: int, started_at: int | None, finished_at: int | None, now: int
    ) -> tuple[int, int]:
        """Start and finish that agree with the duration; where the patch names neither, the start moves."""
        names_start, names_finish = "started_at" in self.changes, "finished_at" in self.changes
        if names_start and started_at is None:
            raise _wrong("started_at", "cannot be cleared while a duration is given")
        if started_at is not None and (finished_at is None or (names_start and not names_finish)):
            return started_at, started_at + duration
        if finished_at is None:
            return now - duration, now
        if started_at is None or not names_finish:
            return finished_at - duration, finished_at
        if abs(finished_at - started_at - duration) > AGREEMENT_MICROSECONDS:
            raise _wrong("duration_seconds", "must agree with started_at and finished_at")
        return started_at, finished_at


def with_merged_labels(recorded: Mapping[str, str], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of a merge patch with its labels as they then are: null removes one, or all.

    Raises `InvalidRequest` beyond the most there may be.
    """
    if "labels" not in changes:
        return dict(changes)
    patch: Mapping[str, str | None] | None = changes["labels"]
    merged = {} if patch is None else {**recorded, **patch}
    labels = {name: text for name, text in merged.items() if text is not None}
    require_few_labels(labels)
    return {**changes, "labels": labels}


def require_few_labels(labels: Mapping[str, str]) -> None:
    """Raises `InvalidRequest` beyond the most there may be."""
    if len(labels) > MOST_LABELS:
        raise _wrong("labels", f"must not come to more than {MOST_LABELS}")


def _wrong(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest.of([FieldError(f"/{name}", detail)])


Reaches = Callable[[RepositoryIdentity | None], bool]
"""Whether a caller may touch what belongs to a repository, or to none."""


def everything(_: RepositoryIdentity | None) -> bool:
    return True
