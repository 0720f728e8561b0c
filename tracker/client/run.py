"""What a CI system says of the job that is running, whichever system it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

Environment = Mapping[str, str]
"""Environment variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt of one job. What its system does not say is None."""

    system: str
    """The system's name, as it stands in node ids: github, say."""
    repository_url: str | None = None
    commit_id: str | None = None
    branch: str | None = None
    """The branch that was pushed, or that a pull request would merge."""
    tag: str | None = None
    id: str | None = None
    """What the system calls this run; with `attempt`, where a run keeps its id when it is repeated."""
    attempt: str | None = None
    url: str | None = None
    actor: str | None = None
    started_at: datetime | None = None
    pull_request_number: int | None = None
    environment: str | None = None
    """Where the job deploys to, where it says so."""
    labels: tuple[str, ...] = field(default=())
    """Those of the pull request."""
    status: str | None = None
    """How the job went so far, in the system's own word."""

    @property
    def node_id(self) -> str | None:
        """What makes this attempt of the run one record, whoever asks again."""
        if self.id is None:
            return None
        return ":".join(part for part in (self.system, self.id, self.attempt) if part)


@dataclass(frozen=True, slots=True)
class System:
    """A CI system: how it is told by its variables, and how they are read."""

    is_there: Callable[[Environment], bool]
    read: Callable[[Environment], Run]


def marked_by(*names: str) -> Callable[[Environment], bool]:
    """Whether one of the variables is set, which the system alone sets."""
    return lambda environment: text(environment, *names) is not None


def text(environment: Environment, *names: str) -> str | None:
    """The first of the variables that is set and not empty."""
    return next((value for name in names if (value := environment.get(name, "").strip())), None)


def number(environment: Environment, *names: str) -> int | None:
    """The first of the variables that is a whole number: systems say false, or nothing, for none."""
    for name in names:
        value = environment.get(name, "").strip().removeprefix("#")
        if value.isascii() and value.isdigit():
            return int(value)
    return None


def instant(environment: Environment, *names: str) -> datetime | None:
    """The first of the variables that is a time with a zone, or a number of seconds since 1970."""
    for name in names:
        value = environment.get(name, "").strip()
        if value.isascii() and value.isdigit():
            return datetime.fromtimestamp(int(value), UTC)
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            continue
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    return None


def listed(environment: Environment, name: str) -> tuple[str, ...]:
    """The names in a variable, comma-separated."""
    return tuple(part for one in environment.get(name, "").split(",") if (part := one.strip()))


def without_prefix(ref: str | None, prefix: str) -> str | None:
    """What follows the prefix; None where the text does not begin so."""
    return ref.removeprefix(prefix) if ref is not None and ref.startswith(prefix) else None
