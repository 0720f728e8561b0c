"""What a deployment may say, and the facts that are kept of it. One place, for whoever sends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field

from metrics.domain.errors import InvalidInput
from metrics.domain.fields import (
    Body,
    CommitId,
    Count,
    Duration,
    Instant,
    Labels,
    LongText,
    Name,
    RepositoryUrl,
    ServiceName,
    ShortText,
    StatusWord,
    Url,
    require_not_ahead,
)
from metrics.domain.instants import (
    agree,
    microseconds_of,
    span_of,
    to_microseconds,
)
from metrics.domain.pushes import PushFacts
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import DEFAULT_ENVIRONMENT, Status, name_key

Commit = dict[str, str | int]
"""`sha`, and `committed_at` in microseconds: a change that a deployment carries."""


class NaturalKey(NamedTuple):
    """What makes a repeat the same record, within one organization: the columns of its key."""

    repository_key: str
    service_key: str
    environment_key: str
    deployment_node_id: str


# What names a record is in an index, of which PostgreSQL takes 2,704 bytes an entry, organization included.
LONGEST_KEY_BYTES = 2_500


def require_key_fits(repository_key: str, *names: str) -> None:
    """Raises `InvalidInput` where a repository and the names beside it are too long to be told apart by."""
    size = sum(len(part.encode()) for part in (repository_key, *names))
    if size > LONGEST_KEY_BYTES:
        detail = (
            f"with service, environment and deployment_node_id is {size} bytes long, "
            f"and may be {LONGEST_KEY_BYTES}"
        )
        raise InvalidInput.field("repository_url", detail)


@dataclass(frozen=True, kw_only=True)
class DeploymentFacts:
    """What a deployment says, in the form in which it is kept. Instants in microseconds UTC."""

    repository_url: str
    repository_host: str
    repository_path: str
    repository_key: str
    service: str = ""
    environment: str
    production: bool | None = None
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
    commits: Sequence[Commit] = ()
    pull_request_number: int | None = None
    member_id: str | None = None
    team: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    deployment_node_id: str | None = None
    triggered_by: str

    @classmethod
    def of(cls, repository: RepositoryIdentity, environment: str, **facts: Any) -> Self:
        """The facts of a deployment into an environment; those that are not named are empty."""
        return cls(
            repository_url=repository.url,
            repository_host=repository.host,
            repository_path=repository.path,
            repository_key=repository.key,
            environment=environment,
            **facts,
        )

    @property
    def repository(self) -> RepositoryIdentity:
        return RepositoryIdentity(self.repository_host, self.repository_path, self.repository_url)

    @property
    def environment_key(self) -> str:
        return name_key(self.environment)

    @property
    def service_key(self) -> str:
        return name_key(self.service)

    def columns(self) -> dict[str, Any]:
        """The facts with the keys that they are compared by."""
        return {
            **vars(self),
            "environment_key": self.environment_key,
            "service_key": self.service_key,
            "team_key": None if self.team is None else name_key(self.team),
        }

    @property
    def natural_key(self) -> NaturalKey | None:
        """None where the sender gave no id of its own."""
        if self.deployment_node_id is None:
            return None
        return NaturalKey(
            self.repository_key, self.service_key, self.environment_key, self.deployment_node_id
        )

    def require_key_fits(self) -> None:
        """Raises `InvalidInput` where what names the record is longer than an index takes."""
        node_id = self.deployment_node_id or ""
        require_key_fits(self.repository_key, self.service_key, self.environment_key, node_id)

    @property
    def duration_seconds(self) -> float | None:
        """From start to finish; None where one of them is not known."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at) / 1_000_000


@dataclass(frozen=True, slots=True)
class SentDeployment:
    """Facts as one request gives them, and which of them it really carries."""

    facts: DeploymentFacts
    fields_set: frozenset[str]
    """Names of the fields that the sender gave a value; the others are defaults."""
    duration: int | None = None
    """The duration that was sent, in microseconds."""
    pushed: PushFacts | None = None
    """What it tells of the repository's history, beside what it carries."""


class NewCommit(Body):
    """A change that the deployment carries. Merge commits are not changes and are not sent."""

    sha: CommitId
    committed_at: Instant = Field(description="When the change was written: the author's date.")


Commits = Annotated[list[NewCommit], Field(max_length=10_000)]


class NewDeployment(Body):
    """A deployment, as a CI step reports it."""

    repository_url: RepositoryUrl = Field(
        description="Any http(s), ssh or scp-like git URL; the forms of one repository are one repository. "
        "A CI system's own token says it where it is left out."
    )
    commit_id: CommitId | None = Field(None, description="The commit deployed: 7 to 64 hex digits.")
    version: Name | None = Field(
        None, description="What was deployed where there is no commit: an image tag, say."
    )
    service: ServiceName | None = Field(
        None, description="What is deployed, of a repository that holds several things."
    )
    environment: Name | None = Field(None, description=f"Where it was put. Default: {DEFAULT_ENVIRONMENT}.")
    production: bool | None = Field(
        None, description="True: this environment is production, whatever its name."
    )
    status: StatusWord | None = Field(
        None, description="Default: success. The words of CI systems for these are understood, in any case."
    )
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
    commits_since: CommitId | None = Field(
        None,
        description="The commit that `commits` begin after, where they are all that came to the repository "
        "since, the latest first: deployments that tell none may then be known to carry them.",
    )
    pull_request_number: Count | None = None
    member_id: ShortText | None = None
    team: Name | None = Field(None, description="Default: the team set for the service or the repository.")
    labels: Labels | None = Field(None, description="At most 20 strings by name.")
    deployment_node_id: Name | None = Field(
        None,
        description="The sender's own id of this attempt; posting it again is a repeat, not a new record.",
    )

    def sent(self, *, triggered_by: str, now: int, finish_required: bool = False) -> SentDeployment:
        """The facts to record; `now` in microseconds. Raises `InvalidInput` where fields do not agree.

        `finish_required` is for history: there, "finished just now" is never what is meant.
        """
        status = self.status or Status.SUCCESS
        started_at, finished_at = self._times(status, now, finish_required)
        if self.commit_id is None and self.version is None:
            raise InvalidInput.field("commit_id", "is required, or version where there is no commit")
        facts = DeploymentFacts.of(
            RepositoryIdentity.parse(self.repository_url),
            self.environment or DEFAULT_ENVIRONMENT,
            service=self.service or "",
            status=status,
            started_at=started_at,
            finished_at=finished_at,
            commits=kept_commits(self.commits or ()),
            labels=self.labels or {},
            triggered_by=triggered_by,
            **{name: getattr(self, name) for name in _KEPT_AS_SENT},
        )
        return SentDeployment(facts, self.fields_given(), span_of(self.duration_seconds), self._pushed(facts))

    def _pushed(self, facts: DeploymentFacts) -> PushFacts | None:
        """The commits as they came to the repository; None where it is not said that they are all."""
        if self.commits_since is None or facts.commit_id is None or not facts.commits:
            return None
        commits = [{**one, "is_merge": False} for one in reversed(facts.commits)]
        if commits[-1]["sha"] != facts.commit_id:
            # A merge is no change, and is what is deployed.
            head = {"sha": facts.commit_id, "committed_at": commits[-1]["committed_at"], "is_merge": True}
            commits.append(head)
        return PushFacts(facts.repository, self.commits_since.lower(), commits)

    def _times(self, status: Status, now: int, finish_required: bool) -> tuple[int | None, int | None]:
        """Start and finish in microseconds UTC, each worked out from the other and the duration."""
        started_at, finished_at = microseconds_of(self.started_at), microseconds_of(self.finished_at)
        require_not_ahead("started_at", started_at, now)
        require_not_ahead("finished_at", finished_at, now)
        duration = span_of(self.duration_seconds)
        if not status.is_final:
            require_absent_in_progress(finished_at, duration)
            return started_at, None
        if finished_at is None:
            if started_at is not None and duration is not None:
                finished_at = started_at + duration
            elif finish_required:
                detail = f"is required in history where the status is {status.value}"
                raise InvalidInput.field("finished_at", detail)
            else:
                finished_at = now
            require_not_ahead("finished_at", finished_at, now)
        if started_at is None:
            return (None if duration is None else finished_at - duration), finished_at
        if finished_at < started_at:
            raise InvalidInput.field("finished_at", "must not be before started_at")
        if duration is not None and not agree(started_at, finished_at, duration):
            raise InvalidInput.field("duration_seconds", "must agree with started_at and finished_at")
        return started_at, finished_at


# Facts that have the name and the value of their field.
_KEPT_AS_SENT = frozenset(DeploymentFacts.__dataclass_fields__) & frozenset(NewDeployment.model_fields) - {
    "repository_url",
    "service",
    "environment",
    "status",
    "started_at",
    "finished_at",
    "commits",
    "labels",
}


def kept_commits(commits: Sequence[NewCommit]) -> list[Commit]:
    """Commits in the form in which they are kept."""
    return [{"sha": commit.sha, "committed_at": to_microseconds(commit.committed_at)} for commit in commits]


def require_absent_in_progress(finished_at: int | None, duration: int | None) -> None:
    """Raises `InvalidInput` where a finish or a duration is said of what has not finished."""
    for name, value in (("finished_at", finished_at), ("duration_seconds", duration)):
        if value is not None:
            raise InvalidInput.field(name, "cannot be given while the status is in_progress")
