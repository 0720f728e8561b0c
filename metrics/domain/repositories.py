"""One repository, however its URL was written, and the patterns that name some."""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

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


CanAccess = Callable[[RepositoryIdentity | None], bool]
"""Whether a caller may touch what belongs to a repository, or to none."""


def allow_all(_: RepositoryIdentity | None) -> bool:
    """The access of a caller who is not limited to some repositories."""
    return True


class PatternError(ValueError):
    """The text is no pattern of repositories; the message says what would be one."""


_NOT_IN_A_PATTERN = re.compile(r"[\s<>\"'\\\x00]")
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
        """Read a pattern. Raises `PatternError`."""
        trunk = text.removesuffix("*")
        segments = trunk.split("/")
        whole = segments[:-1] if text.endswith("*") else segments
        if "*" in trunk or not text or not all(whole) or _NOT_IN_A_PATTERN.search(text) or "://" in text:
            raise PatternError(_EXPECTED_PATTERN)
        names_host = len(segments) > 1 and _is_host(segments[0])
        # A host without a dot in its name cannot be told from a group.
        may_name_host = names_host or len(segments) > 2 or not trunk
        return cls(trunk.casefold(), text.endswith("*"), by_path=not names_host, by_key=may_name_host)

    def matches(self, repository: RepositoryIdentity) -> bool:
        """Whether the repository is meant."""
        candidates = [
            *([repository.path.casefold()] if self.by_path else []),
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
