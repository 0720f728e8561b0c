"""Deployments as clients send them and as they are answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from metrics.domain.deployments import DeploymentFacts
from metrics.domain.instants import (
    from_microseconds,
    instant_of,
)
from metrics.domain.merging import MergedDeployment
from metrics.domain.vocabulary import Status, is_short_commit, matches_any_name
from tracker.deployments.service import RecordedDeployment
from tracker.records.warnings import Warning


@dataclass(frozen=True, slots=True)
class CommitAnswer:
    sha: str
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class DeploymentAnswer:
    """A deployment as it is recorded. `id` and the times of recording are null in a dry run."""

    id: str | None
    organization: str
    repository: str
    repository_url: str
    service: str
    environment: str
    production: bool
    status: Status
    commit_id: str | None
    version: str | None
    branch: str | None
    title: str | None
    url: str | None
    changelog: str | None
    started_at: datetime | None
    finished_at: datetime | None
    duration_seconds: float | None
    is_fix: bool
    is_hotfix: bool
    is_forced: bool
    is_rollback: bool | None
    remediates: str | None
    commits_count: int | None
    commits: Sequence[CommitAnswer]
    pull_request_number: int | None
    member_id: str | None
    team: str | None
    labels: dict[str, str]
    deployment_node_id: str | None
    triggered_by: str
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, recorded: RecordedDeployment) -> Self:
        version = recorded.version
        return cls.of_facts(
            recorded.facts,
            version.organization,
            id=version.id,
            created_at=from_microseconds(version.created_at),
            updated_at=from_microseconds(version.recorded_at),
        )

    @classmethod
    def of_facts(
        cls,
        facts: DeploymentFacts,
        organization: str,
        *,
        id: str | None = None,
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
    ) -> Self:
        return cls(
            id=id,
            organization=organization,
            repository=facts.repository.shown,
            repository_url=facts.repository_url,
            service=facts.service,
            environment=facts.environment,
            production=bool(facts.production),
            status=facts.status,
            commit_id=facts.commit_id,
            version=facts.version,
            branch=facts.branch,
            title=facts.title,
            url=facts.url,
            changelog=facts.changelog,
            started_at=instant_of(facts.started_at),
            finished_at=instant_of(facts.finished_at),
            duration_seconds=facts.duration_seconds,
            is_fix=bool(facts.is_fix),
            is_hotfix=bool(facts.is_hotfix),
            is_forced=bool(facts.is_forced),
            is_rollback=facts.is_rollback,
            remediates=facts.remediates,
            commits_count=facts.commits_count,
            commits=[
                CommitAnswer(str(commit["sha"]), from_microseconds(int(commit["committed_at"])))
                for commit in facts.commits
            ],
            pull_request_number=facts.pull_request_number,
            member_id=facts.member_id,
            team=facts.team,
            labels=facts.labels,
            deployment_node_id=facts.deployment_node_id,
            triggered_by=facts.triggered_by,
            created_at=created_at,
            updated_at=updated_at,
        )


def warnings_of_repeat(merged: MergedDeployment) -> list[Warning]:
    """What of a repeat was not taken, or changed more than its sender may have meant."""
    found = []
    if merged.outcome_changed:
        found.append(
            Warning(
                "outcome_changed",
                f"The record had another outcome, and is {merged.facts.status} from now on.",
            )
        )
    if merged.kept:
        found.append(
            Warning(
                "kept", f"The record keeps its {', '.join(merged.kept)}: to correct a record, send a PATCH."
            )
        )
    return found


def warnings_of(facts: DeploymentFacts, production_environments: Sequence[str]) -> list[Warning]:
    """What a sender may not have meant, from the record alone; `production_environments` as they are set."""
    found = []
    if not facts.status.is_final:
        found.append(Warning("in_progress", "It enters the metrics once it finishes: send the final status."))
    if not facts.production and not matches_any_name(facts.environment_key, production_environments):
        found.append(
            Warning(
                "not_production",
                f"{facts.environment} is not among the production environments that are set: metrics "
                "leave it out, unless a record says production: true of it.",
            )
        )
    if not facts.commits:
        found.append(Warning("no_commits", "Without commits it adds nothing to the lead time for changes."))
    if facts.started_at is None:
        found.append(Warning("no_start", "Without a start or a duration its duration is not known."))
    if facts.commit_id is not None and is_short_commit(facts.commit_id):
        found.append(
            Warning(
                "short_commit",
                "A shortened commit_id is taken for the whole one of the repository that begins with it: "
                "send all digits where you can.",
            )
        )
    return found
