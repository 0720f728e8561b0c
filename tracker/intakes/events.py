"""What an event tells, in the words of all senders: a state of a deployment or of an incident."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Fields = Mapping[str, Any]
"""Fields of a record as the interface takes them, JSON values; without those that states give."""


class Happened(StrEnum):
    """What has become of a deployment at an instant."""

    ASKED_FOR = "asked_for"
    """Somebody wants it; nothing runs yet. Its time is a start where no other is known."""
    RUNNING = "running"
    SUCCESS = "success"
    FAIL = "fail"
    CANCELLED = "cancelled"
    DESCRIBED = "described"
    """Nothing new, but there is more to know of it."""

    @property
    def is_final(self) -> bool:
        return self in (Happened.SUCCESS, Happened.FAIL, Happened.CANCELLED)


class Turn(StrEnum):
    """What has become of an incident at an instant."""

    BEGUN = "begun"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    """It was none, or no change has caused it."""
    DESCRIBED = "described"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentTold:
    """A state of a deployment at an instant. `key` names the attempt, the source and host first."""

    key: str
    at: datetime
    happened: Happened
    rank: int = 0
    """Which of two that are told at one instant is the later one."""
    started_at: datetime | None = None
    """When it began, where the event says that beside its own time."""
    fields: Fields = field(default_factory=dict)
    release: str | None = None
    """Of a sender that tells over and over what it runs: what that is. `key` then names where it runs.

    What is told again is the same deployment, until it was told of another release in between.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentTold:
    """A turn of an incident. `key` is unlike any other's; `started_at` as far as the event says it."""

    key: str
    at: datetime
    turn: Turn
    rank: int = 0
    started_at: datetime | None = None
    resolved_at: datetime | None = None
    """When production was well again, where a resolution says that beside its own time."""
    fields: Fields = field(default_factory=dict)
    set_aside: str | None = None
    """Why this makes no incident of it, as a severity that does not count: another turn of it may."""


@dataclass(frozen=True, slots=True)
class CommitTold:
    """A commit that was pushed. `authored_at` is when the change was written."""

    sha: str
    authored_at: datetime
    is_merge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTold:
    """Commits that came onto the default branch at once, the oldest first.

    `before` is the commit that the first one was built on; None where it is not known.
    """

    repository_url: str
    before: str | None
    commits: Sequence[CommitTold]


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing of it is recorded, for a reason: a word for programs, and more for people."""

    reason: str
    detail: str = ""


Told = Sequence[DeploymentTold | IncidentTold | PushTold | Ignored]
"""All that one event tells."""
