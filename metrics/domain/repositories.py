"""One repository, however its URL was written, and the patterns that name some."""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from metrics.domain.repository_urls import RepositoryUrlError, read_url
from metrics.domain.vocabulary import name_key

__all__ = ["RepositoryIdentity", "RepositoryUrlError"]


@dataclass(frozen=True, slots=True, eq=False)
class RepositoryIdentity:
    """One repository, however its URL was written: two are equal when their `key` is.

    `host` is lower-cased, with a port that is not its scheme's own; `path` keeps its case. `url` is safe to
    show: it never carries credentials. `is_page` tells that what was read was a page of the repository.
    """

    host: str
    path: str
    url: str
    is_page: bool = False

    @property
    def key(self) -> str:
        """Host and path, as names are compared: what the repository is known by."""
        return name_key(f"{self.host}/{self.path}")

    @property
    def shown(self) -> str:
        """The name to show: the path; with the host before it where the path would be read as one."""
        return f"{self.host}/{self.path}" if _is_host(self.path.partition("/")[0]) else self.path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RepositoryIdentity) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @classmethod
    def parse(cls, text: str) -> "RepositoryIdentity":
        """Read a git URL of any kind, or that of a repository's page. Raises `RepositoryUrlError`."""
        return _parse_repository(text)


# A batch names the same few repositories again and again.
@lru_cache(maxsize=4_096)
def _parse_repository(text: str) -> RepositoryIdentity:
    found = read_url(text)
    return RepositoryIdentity(found.host, found.path, found.url, is_page=bool(found.page))


CanAccess = Callable[[RepositoryIdentity | None], bool]
"""Whether a caller may touch what belongs to a repository, or to none."""


def allow_all(_: RepositoryIdentity | None) -> bool:
    """The access of a caller who is not limited to some repositories."""
    return True


class PatternError(ValueError):
    """The text is no pattern of repositories; the message says what would be one."""


_NOT_IN_A_PATTERN = re.compile(r"[\x00-\x1f\x7f<>\"\\]")
_EXPECTED_PATTERN = "must be name, owner/name or host/owner/name, each with a * at the end or none"


@dataclass(frozen=True, slots=True)
class RepositoryPattern:
    """Which repositories are meant: `name`, `owner/name` or `host/owner/name`, or what begins so, with a `*`.

    `candidates` are what is compared: the path, the path with its host before it, or either. Case-folded.
    """

    text: str
    is_prefix: bool
    by_path: bool
    by_key: bool

    @classmethod
    def parse(cls, text: str) -> "RepositoryPattern":
        """Read a pattern, percent-encoded like a URL's path or not. Raises `PatternError`."""
        text = unquote(text).strip()
        trunk = text.removesuffix("*")
        segments = trunk.split("/")
        whole = segments[:-1] if text.endswith("*") else segments
        if "*" in trunk or not text or not all(whole) or _NOT_IN_A_PATTERN.search(text) or "://" in text:
            raise PatternError(_EXPECTED_PATTERN)
        names_host = len(segments) > 1 and _is_host(segments[0])
        # A host without a dot in its name cannot be told from a group.
        may_name_host = names_host or len(segments) > 2 or not trunk
        return cls(name_key(trunk), text.endswith("*"), by_path=not names_host, by_key=may_name_host)

    def matches(self, repository: RepositoryIdentity) -> bool:
        """Whether the repository is meant."""
        candidates = [
            *([name_key(repository.path)] if self.by_path else []),
            *([repository.key] if self.by_key else []),
        ]
        if self.is_prefix:
            return any(candidate.startswith(self.text) for candidate in candidates)
        return self.text in candidates


def _is_host(segment: str) -> bool:
    return "." in segment or ":" in segment or segment == "localhost"


# A token's patterns are looked at for every record that comes with it.
@lru_cache(maxsize=4_096)
def parse_patterns(texts: tuple[str, ...]) -> tuple[RepositoryPattern, ...]:
    """The patterns that a token or a question names; a text that is none matches nothing."""
    found = []
    for text in texts:
        with suppress(PatternError):
            found.append(RepositoryPattern.parse(text))
    return tuple(found)


def matches_any(patterns: Iterable[str], repository: RepositoryIdentity) -> bool:
    """Whether one of the patterns means the repository."""
    return any(pattern.matches(repository) for pattern in parse_patterns(tuple(patterns)))
