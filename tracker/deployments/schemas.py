"""Deployments as clients send them and as they are answered."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from metrics.domain.instants import (
    FURTHEST_AHEAD_MICROSECONDS,
    TimesError,
    agreed_times,
    from_microseconds,
    to_microseconds,
)
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import DEFAULT_ENVIRONMENT, Status, environment_key
from tracker.deployments.service import RecordedDeployment
from tracker.facts import (
    Correction,
    DeploymentFacts,
    SentDeployment,
)
from tracker.web.schemas import (
    Body,
    CommitId,
    Count,
    Instant,
    LabelChanges,
    Labels,
    LongText,
    Name,
    RepositoryUrl,
    ServiceName,
    ShortText,
    Url,
    instant_of,
    invalid_field,
    microseconds,
    span,
)

LONGEST_DURATION_SECONDS = 366 * 86_400


class NewCommit(Body):
    """A change that the deployment carries. Merge commits are not changes and are not sent."""

    sha: CommitId
    committed_at: Instant = Field(description="When the change was written: the author's date.")


Commits = Annotated[list[NewCommit], Field(max_length=10_000)]
Duration = Annotated[float, Field(ge=0, le=LONGEST_DURATION_SECONDS)]


class NewDeployment(Body):
    """A deployment, as a CI step reports it."""

    repository_url: RepositoryUrl = Field(
        description="Any http(s), ssh or scp-like git URL; the forms of one repository are one repository."
    )
    commit_id: CommitId | None = Field(None, description="The commit deployed: 7 to 64 hex digits.")
    version: Name | None = Field(
        None, description="What was deployed where there is no commit: an image tag, say."
    )
    service: ServiceName | None = Field(
        None, description="What is deployed, of a repository that holds several things."
    )
    environment: Name | None = Field(None, description=f"Where it was put. Default: {DEFAULT_ENVIRONMENT}.")
    status: Annotated[Status, Field(strict=False)] | None = Field(None, description="Default: success.")
    branch: ShortText | None = None
    title: ShortText | None = None
    url: Url | None = Field(None, description="Where to read more: the CI run, the release.")
    changelog: LongText | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = Field(None, description="Default, for a final status: now.")
    duration_seconds: Duration | None = Field(
        None, description="Of start, finish and duration any two give the third; all three must agree."
    )
    is_fix: bool | None = Field(None, description="It repairs something, not urgently.")
    is_hotfix: bool | None = Field(None, description="It repairs production, urgently.")
    is_forced: bool | None = Field(None, description="Somebody forced it past the checks.")
    is_rollback: bool | None = Field(None, description="Absent: worked out from the releases.")
    remediates: Name | None = Field(
        None,
        description="The deployment that this one repairs: its id, its deployment_node_id or its release.",
    )
    commits_count: Count | None = None
    commits: Commits | None = None
    pull_request_number: Count | None = None
    member_id: ShortText | None = None
    team: Name | None = Field(None, description="Default: the team set for the service or the repository.")
    labels: Labels | None = Field(None, description="At most 20 strings by name.")
    deployment_node_id: Name | None = Field(
        None,
        description="The sender's own id of this attempt; posting it again is a repeat, not a new record.",
    )

    def sent(self, *, triggered_by: str, now: datetime, finish_required: bool = False) -> SentDeployment:
        """The facts to record. Raises `InvalidRequest` where fields contradict each other.

        `finish_required` is for history: there, "finished just now" is never what is meant.
        """
        status = self.status or Status.SUCCESS
        identity = RepositoryIdentity.parse(self.repository_url)
        environment = self.environment or DEFAULT_ENVIRONMENT
        started_at, finished_at = self._times(status, now, finish_required)
        if self.commit_id is None and self.version is None:
            raise invalid_field("commit_id", "is required, or version where there is no commit")
        return SentDeployment(
            DeploymentFacts(
                repository_url=identity.url,
                repository_host=identity.host,
                repository_path=identity.path,
                repository_key=identity.key,
                service=self.service or "",
                environment=environment,
                environment_key=environment_key(environment),
                status=status,
                commit_id=self.commit_id,
                version=self.version,
                branch=self.branch,
                title=self.title,
                url=self.url,
                changelog=self.changelog,
                started_at=started_at,
                finished_at=finished_at,
                is_fix=self.is_fix,
                is_hotfix=self.is_hotfix,
                is_forced=self.is_forced,
                is_rollback=self.is_rollback,
                remediates=self.remediates,
                commits_count=self.commits_count,
                commits=_kept(self.commits or ()),
                pull_request_number=self.pull_request_number,
                member_id=self.member_id,
                team=self.team,
                labels=self.labels or {},
                deployment_node_id=self.deployment_node_id,
                triggered_by=triggered_by,
            ),
            carried=self.carries(),
            duration=span(self.duration_seconds),
        )

    def _times(self, status: Status, now: datetime, finish_required: bool) -> tuple[int | None, int | None]:
        """Start and finish in microseconds UTC, each worked out from the other and the duration."""
        started_at, finished_at = microseconds(self.started_at), microseconds(self.finished_at)
        for name, instant in (("started_at", started_at), ("finished_at", finished_at)):
            if instant is not None:
                _require_not_ahead(name, instant, now)
        duration = span(self.duration_seconds)
        if not status.is_final:
            if finished_at is not None:
                raise invalid_field("finished_at", "cannot be given while the status is in_progress")
            if duration is not None:
                raise invalid_field("duration_seconds", "cannot be given while the status is in_progress")
            return started_at, None
        if finished_at is None:
            if started_at is not None and duration is not None:
                finished_at = started_at + duration
            elif finish_required:
                raise invalid_field(
                    "finished_at", f"is required in history where the status is {status.value}"
                )
            else:
                finished_at = to_microseconds(now)
            _require_not_ahead("finished_at", finished_at, now)
        try:
            return agreed_times(started_at, finished_at, duration)
        except TimesError as error:
            raise invalid_field(error.name, error.detail) from None


def _unchangeable(_: object) -> object:
    raise PydanticCustomError("unchangeable", "cannot change; delete the record and post it anew")


Unchangeable = Annotated[object, AfterValidator(_unchangeable)]


class DeploymentChange(Body):
    """A merge patch of a deployment: what is absent stays, null clears."""

    repository_url: Unchangeable = None
    service: Unchangeable = None
    environment: Unchangeable = None
    deployment_node_id: Unchangeable = None
    commit_id: CommitId | None = None
    version: Name | None = None
    status: Annotated[Status, Field(strict=False)] | None = Field(
        None, description="Not back to in_progress."
    )
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

    def correction(self, now: datetime) -> Correction:
        """What the patch sets. Raises `InvalidRequest`."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "status" in given and given["status"] is None:
            raise invalid_field("status", "cannot be cleared")
        for name in ("started_at", "finished_at"):
            if given.get(name) is not None:
                given[name] = to_microseconds(given[name])
                _require_not_ahead(name, given[name], now)
        if "commits" in given:
            given["commits"] = _kept(self.commits or ())
        duration = span(given.pop("duration_seconds", None))
        return Correction(given, duration)


def _require_not_ahead(name: str, instant: int, now: datetime) -> None:
    if instant - to_microseconds(now) > FURTHEST_AHEAD_MICROSECONDS:
        raise invalid_field(name, "must not be more than a day ahead")


def _kept(commits: Sequence[NewCommit]) -> list[dict[str, str | int]]:
    return [{"sha": commit.sha, "committed_at": to_microseconds(commit.committed_at)} for commit in commits]


SHORT_COMMIT_DIGITS = 40


@dataclass(frozen=True, slots=True)
class CommitAnswer:
    sha: str
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Warning:
    """Something about a record that a sender may not have meant; it is recorded all the same."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class DeploymentAnswer:
    """A deployment as it is recorded. `id` and the times of recording are null in a dry run."""

    id: str | None
    organization: str
    repository: str
    repository_url: str
    service: str
    environment: str
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
        start, finish = facts.started_at, facts.finished_at
        return cls(
            id=id,
            organization=organization,
            repository=facts.repository_path,
            repository_url=facts.repository_url,
            service=facts.service,
            environment=facts.environment,
            status=facts.status,
            commit_id=facts.commit_id,
            version=facts.version,
            branch=facts.branch,
            title=facts.title,
            url=facts.url,
            changelog=facts.changelog,
            started_at=instant_of(start),
            finished_at=instant_of(finish),
            duration_seconds=None if start is None or finish is None else (finish - start) / 1_000_000,
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


def warnings_of(facts: DeploymentFacts, production_environments: Collection[str]) -> list[Warning]:
    """What a sender may not have meant, from the record alone. Environments are given case-folded."""
    found = []
    if not facts.status.is_final:
        found.append(Warning("in_progress", "It enters the metrics once it finishes: send the final status."))
    if facts.environment_key not in production_environments:
        found.append(
            Warning(
                "not_production", f"{facts.environment} is no production environment: metrics leave it out."
            )
        )
    if not facts.commits:
        found.append(Warning("no_commits", "Without commits it adds nothing to the lead time for changes."))
    if facts.started_at is None:
        found.append(Warning("no_start", "Without a start or a duration its duration is not known."))
    if facts.commit_id is not None and len(facts.commit_id) < SHORT_COMMIT_DIGITS:
        found.append(
            Warning(
                "short_commit", "A shortened commit_id is compared as sent: send all digits where you can."
            )
        )
    return found
