"""One repository, however its URL was written, and the patterns that name some."""

import re
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
