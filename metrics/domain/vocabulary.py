"""What a record is, wherever it comes from: the record database, a file or a frame.

Shared by the side that writes records and the side that reads them, so that a repository, an
environment or an instant means the same on both.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from urllib.parse import urlsplit

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_MICROSECONDS = 86_400 * 1_000_000
# How far a duration may be from finished_at - started_at: senders round to whole seconds.
AGREEMENT_MICROSECONDS = 1_000_000
FURTHEST_AHEAD_MICROSECONDS = DAY_MICROSECONDS
COMMIT_PATTERN = r"^[0-9a-fA-F]{7,64}$"

DEFAULT_ENVIRONMENT = "production"
DEFAULT_PRODUCTION_ENVIRONMENTS = ("production", "prod", "live")
DEFAULT_ATTRIBUTION_GAP_DAYS = 30
# The last report whose levels are monotone.
DEFAULT_BENCHMARK_YEAR = 2023


class Status(StrEnum):
    """How a deployment ended, or that it has not."""

    SUCCESS = "success"
    FAIL = "fail"
    IN_PROGRESS = "in_progress"

    @property
    def is_final(self) -> bool:
        return self is not Status.IN_PROGRESS


class FailureSignal(StrEnum):
    """What can say that a deployment failed. docs/metrics.md, section 2."""

    INCIDENT = "incident"
    ROLLBACK = "rollback"
    HOTFIX = "hotfix"
    FIX = "fix"
    STATUS = "status"


DEFAULT_FAILURE_SIGNALS = (
    FailureSignal.INCIDENT,
    FailureSignal.ROLLBACK,
    FailureSignal.HOTFIX,
    FailureSignal.FIX,
)


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """What an organization has set; a new one has the defaults."""

    timezone: str = "UTC"
    """IANA name; in it dates are local midnights where a question names no other."""
    production_environments: tuple[str, ...] = DEFAULT_PRODUCTION_ENVIRONMENTS
    """Case-folded: what metrics look at where a question names no environment."""
    failure_signals: tuple[FailureSignal, ...] = DEFAULT_FAILURE_SIGNALS
    attribution_gap_days: int = DEFAULT_ATTRIBUTION_GAP_DAYS
    """How far back a failure without a link may look for the deployment that caused it, in days."""
    benchmark: int = DEFAULT_BENCHMARK_YEAR
    """The year of the DORA report that levels are taken from."""


def to_microseconds(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z of an aware datetime, exact."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970-01-01T00:00:00Z."""
    return EPOCH + timedelta(microseconds=microseconds)


class TimesError(ValueError):
    """Start, finish and duration that do not agree; `name` is the field, `detail` what would be right."""

    def __init__(self, name: str, detail: str) -> None:
        self.name, self.detail = name, detail
        super().__init__(f"{name}: {detail}")


def agreed_times(started_at: int | None, finished_at: int, duration: int | None) -> tuple[int | None, int]:
    """Start and finish of what has finished, the start out of the duration where only that is known.

    All in microseconds. Raises `TimesError` where they do not agree.
    """
    if started_at is None:
        return (None if duration is None else finished_at - duration), finished_at
    if finished_at < started_at:
        raise TimesError("finished_at", "must not be before started_at")
    if duration is not None and abs(finished_at - started_at - duration) > AGREEMENT_MICROSECONDS:
        raise TimesError("duration_seconds", "must agree with started_at and finished_at")
    return started_at, finished_at


def environment_key(environment: str) -> str:
    """How two environment names are compared."""
    return environment.casefold()


_WEB_SCHEMES = frozenset({"http", "https"})
_SSH_SCHEMES = frozenset({"ssh", "git", "git+ssh"})
_NOT_IN_A_URL = re.compile(r"[\s<>\"'\\]")
_SCP_LIKE = re.compile(r"(?:[\w.+-]+@)?(?P<host>[\w.-]+):(?P<path>[^/:\\].*)", re.ASCII)


class RepositoryUrlError(ValueError):
    """The text is no git URL; the message says what would be one."""


@dataclass(frozen=True, slots=True, eq=False)
class RepositoryIdentity:
    """One repository, however its URL was written: two are equal when their `key` is.

    `host` is lower-cased and without a port, `path` keeps its case. `url` is safe to show: it never
    carries credentials.
    """

    host: str
    path: str
    url: str

    @property
    def key(self) -> str:
        """Host and path, case-folded: what the repository is compared by."""
        return f"{self.host}/{self.path}".casefold()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RepositoryIdentity) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @classmethod
    def parse(cls, text: str) -> "RepositoryIdentity":
        """Read an http(s), ssh or scp-like git URL. Raises `RepositoryUrlError`."""
        return _parse_repository(text)


_EXPECTED = "must be a git URL such as https://github.com/acme/shop or git@github.com:acme/shop.git"


# A batch names the same few repositories again and again.
@lru_cache(maxsize=4_096)
def _parse_repository(text: str) -> RepositoryIdentity:
    host, authority, scheme, path = _split_url(text.strip())
    segments = [segment for segment in path.split("/") if segment]
    if segments:
        segments[-1] = segments[-1].removesuffix(".git")
    if not host or not segments or not all(segments) or {".", ".."} & set(segments):
        raise RepositoryUrlError(_EXPECTED)
    clean_path = "/".join(segments)
    return RepositoryIdentity(host, clean_path, f"{scheme}://{authority}/{clean_path}")


def _split_url(text: str) -> tuple[str, str, str, str]:
    """Host, host with port, scheme to show, and path of a git URL."""
    if _NOT_IN_A_URL.search(text):
        raise RepositoryUrlError(_EXPECTED)
    if "://" not in text:
        match = _SCP_LIKE.fullmatch(text)
        if match is None:
            raise RepositoryUrlError(_EXPECTED)
        host = match["host"].lower()
        return host, host, "https", match["path"]
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise RepositoryUrlError(_EXPECTED) from None
    scheme = parts.scheme.lower()
    if scheme in _SSH_SCHEMES:
        return host, host, "https", parts.path
    if scheme not in _WEB_SCHEMES:
        raise RepositoryUrlError(_EXPECTED)
    return host, f"{host}:{port}" if port else host, scheme, parts.path


def may_name_host(pattern: str) -> bool:
    """Whether a pattern can begin with a host: `acme/*` cannot, or it would mean a host `acme` too."""
    segments = pattern.split("/")
    return len(segments) > 2 or "." in segments[0] or pattern == "*"


def matches_repository(pattern: str, identity: RepositoryIdentity) -> bool:
    """Whether `owner/name`, `host/owner/name`, or either with a closing `*`, means this repository."""
    wanted = pattern.casefold()
    candidates = [identity.path.casefold()]
    if may_name_host(pattern):
        candidates.append(identity.key)
    if wanted.endswith("*"):
        return any(candidate.startswith(wanted[:-1]) for candidate in candidates)
    return wanted in candidates
