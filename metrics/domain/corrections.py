"""What a correction may set, a JSON merge patch (RFC 7396): what is absent stays, null clears."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from metrics.domain.deployments import (
    Commits,
    DeploymentFacts,
    kept_commits,
    require_absent_in_progress,
)
from metrics.domain.errors import InvalidInput
from metrics.domain.fields import (
    Body,
    CommitId,
    Count,
    Duration,
    Instant,
    LabelChanges,
    LongText,
    Name,
    ShortText,
    StatusWord,
    Unchangeable,
    Url,
    require_not_ahead,
)
from metrics.domain.incidents import IncidentFields
from metrics.domain.instants import agree, microseconds_of, span_of
from metrics.domain.merging import with_merged_labels
from metrics.domain.repositories import RepositoryIdentity


@dataclass(frozen=True, slots=True)
class Correction:
    """What a merge patch of a deployment sets: facts by name, times in microseconds; null clears."""

    changes: Mapping[str, Any]
    duration: int | None = None
    """The duration that was sent, in microseconds."""

    def apply(self, recorded: DeploymentFacts, now: int) -> DeploymentFacts:
        """The corrected facts; `now` in microseconds. Raises `InvalidInput` where they do not agree."""
        facts = replace(recorded, **with_merged_labels(recorded.labels, self.changes))
        names_release = {"commit_id", "version"} & self.changes.keys()
        if names_release and facts.commit_id is None and facts.version is None:
            raise InvalidInput.field("commit_id", "cannot be cleared where there is no version")
        if recorded.status.is_final and not facts.status.is_final:
            raise InvalidInput.field("status", "cannot go back to in_progress")
        return self._with_times(facts, now)

    def _with_times(self, facts: DeploymentFacts, now: int) -> DeploymentFacts:
        """Start and finish after the correction; where only the duration moved, the finish stays."""
        started_at, finished_at = facts.started_at, facts.finished_at
        if not facts.status.is_final:
            require_absent_in_progress(finished_at, self.duration)
            return facts
        if "finished_at" in self.changes and finished_at is None:
            raise InvalidInput.field("finished_at", "cannot be cleared where the status is final")
        if self.duration is not None:
            started_at, finished_at = self._fit(self.duration, started_at, finished_at, now)
        finished_at = now if finished_at is None else finished_at
        if started_at is not None and finished_at < started_at:
            if "started_at" in self.changes and "finished_at" not in self.changes:
                raise InvalidInput.field("started_at", "must not be after finished_at")
            raise InvalidInput.field("finished_at", "must not be before started_at")
        require_not_ahead("finished_at", finished_at, now)
        return replace(facts, started_at=started_at, finished_at=finished_at)

    def _fit(
        self, duration: int, started_at: int | None, finished_at: int | None, now: int
    ) -> tuple[int, int]:
        """Start and finish that agree with the duration; where the patch names neither, the start moves."""
        names_start, names_finish = "started_at" in self.changes, "finished_at" in self.changes
        if names_start and started_at is None:
            raise InvalidInput.field("started_at", "cannot be cleared while a duration is given")
        if started_at is not None and (finished_at is None or (names_start and not names_finish)):
            return started_at, started_at + duration
        if finished_at is None:
            return now - duration, now
        if started_at is None or not names_finish:
            return finished_at - duration, finished_at
        if not agree(started_at, finished_at, duration):
            raise InvalidInput.field("duration_seconds", "must agree with started_at and finished_at")
        return started_at, finished_at


class DeploymentChange(Body):
    """A merge patch of a deployment: what is absent stays, null clears."""

    repository_url: Unchangeable = None
    service: Unchangeable = None
    environment: Unchangeable = None
    deployment_node_id: Unchangeable = None
    commit_id: CommitId | None = None
    version: Name | None = None
    production: bool | None = None
    status: StatusWord | None = Field(None, description="Not back to in_progress.")
    branch: ShortText | None = None
    title: ShortText | None = None
    url: Url | None = None
    changelog: LongText | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = Field(None, description="Default, where the status becomes final: now.")
    duration_seconds: Duration | None = Field(None, description="Alone, it moves the start.")
    is_fix: bool | None = None
    is_hotfix: bool | None = None
    is_forced: bool | None = None
    is_rollback: bool | None = None
    remediates: Name | None = None
    commits_count: Count | None = None
    commits: Commits | None = None
    pull_request_number: Count | None = None
    member_id: ShortText | None = None
    team: Name | None = None
    labels: LabelChanges | None = Field(None, description="Null removes a label, or all.")

    def correction(self, now: int) -> Correction:
        """What the patch sets; `now` in microseconds. Raises `InvalidInput`."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "status" in given and given["status"] is None:
            raise InvalidInput.field("status", "cannot be cleared")
        for name in ("started_at", "finished_at"):
            if name in given:
                given[name] = microseconds_of(given[name])
                require_not_ahead(name, given[name], now)
        if "commits" in given:
            given["commits"] = kept_commits(self.commits or ())
        duration = span_of(given.pop("duration_seconds", None))
        return Correction(given, duration)


class IncidentChange(IncidentFields):
    """A merge patch of an incident: what is absent stays, null clears, `resolved_at` resolves."""

    labels: LabelChanges | None = Field(None, description="Null removes a label, or all.")

    def changes(self) -> dict[str, object]:
        """The facts that the patch sets. Raises `InvalidInput` where a fact that must be is cleared."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        for name in ("started_at", "change_related"):
            if name in given and given[name] is None:
                raise InvalidInput.field(name, "cannot be cleared")
        for name in ("started_at", "resolved_at"):
            if name in given:
                given[name] = microseconds_of(given[name])
        if "repository_url" in given:
            url = given.pop("repository_url")
            given["repository"] = None if url is None else RepositoryIdentity.parse(url)
        if "service" in given:
            given["service"] = given["service"] or ""
        return given
