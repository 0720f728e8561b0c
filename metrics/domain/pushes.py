"""What a push of commits may say, and what is kept of it: deployments that tell no commits carry these."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from metrics.domain.fields import Body, CommitId, Instant, RepositoryUrl
from metrics.domain.instants import to_microseconds
from metrics.domain.repositories import RepositoryIdentity

MOST_PUSHED = 5_000


@dataclass(frozen=True, slots=True)
class PushFacts:
    """Commits that came onto a repository's default branch at once, in order, merges among them.

    `before` is the commit that the first one was built on; None where it is not known. Each of `commits` has
    `sha`, `committed_at` in microseconds UTC, when its author wrote it, and `is_merge`.
    """

    repository: RepositoryIdentity
    before: str | None
    commits: list[dict[str, Any]]

    @property
    def after(self) -> str:
        """The head of the branch from then on."""
        return str(self.commits[-1]["sha"])

    def columns(self) -> dict[str, Any]:
        """The facts as they are kept; the repository is not among them."""
        return {"before": self.before, "after": self.after, "commits": self.commits}


class NewPushedCommit(Body):
    sha: CommitId
    committed_at: Instant = Field(description="When its author wrote it.")
    is_merge: bool | None = Field(None, description="True: a merge, which is none of the changes.")


class NewPush(Body):
    """Commits that came onto a repository's default branch at once."""

    repository_url: RepositoryUrl
    before: CommitId | None = Field(
        None, description="The commit that the first one was built on; absent where that is not known."
    )
    commits: list[NewPushedCommit] = Field(
        min_length=1, max_length=MOST_PUSHED, description="All that came, the oldest first."
    )

    def sent(self) -> PushFacts:
        """The facts as they are kept."""
        commits = [
            {
                "sha": one.sha.lower(),
                "committed_at": to_microseconds(one.committed_at),
                "is_merge": bool(one.is_merge),
            }
            for one in self.commits
        ]
        before = None if self.before is None else self.before.lower()
        return PushFacts(RepositoryIdentity.parse(self.repository_url), before, commits)
