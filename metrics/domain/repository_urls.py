"""The URLs that a repository is written by, of every kind of host, read as one host and one path."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import quote, unquote, urlsplit


class RepositoryUrlError(ValueError):
    """The text is no git URL; the message says what would be one."""


class ReadUrl(NamedTuple):
    """`host` is lower-cased, with a port that is not its scheme's own; `path` keeps its case.

    `url` is safe to show, never carries credentials, and is read as the same again. `page` is what was cut
    off behind the repository, empty where nothing was.
    """

    host: str
    path: str
    url: str
    page: str


_EXPECTED = "must be a git URL such as https://github.com/acme/shop or git@github.com:acme/shop.git"
_OWN_PORTS = {
    "http": {80},
    "https": {443},
    "git": {9418},
    # 7999 and 29418 are those on which Bitbucket Server and Gerrit listen for it.
    "ssh": {22, 7999, 29418},
    "git+ssh": {22, 7999, 29418},
}
_NOT_IN_A_URL = re.compile(r"[\s<>\"'\\]")
_NOT_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f<>\"\\]")
_SCP_LIKE = re.compile(r"(?:[\w.+-]+@)?(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+):(?P<path>[^/:\\].*)", re.ASCII)

# Where a host answers ssh on port 443, for those whom nothing else reaches.
_SSH_OVER_443 = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
# On these a repository is an owner and a name, and whatever follows is a page of it.
_OWNER_AND_NAME = frozenset({"github.com", "bitbucket.org", "codeberg.org", "gitea.com"})
_AZURE = "dev.azure.com"
_AZURE_SSH = ("ssh.dev.azure.com", "vs-ssh.visualstudio.com")
_AZURE_ORGANIZATION = ".visualstudio.com"
# What stands after the repository in the URLs of its pages, where groups may be nested at will.
_PAGES = frozenset(
    {"-", "tree", "blob", "raw", "blame", "commit", "commits", "compare", "pull", "merge_requests"}
)
_PAGES_OF_TWO = frozenset(
    {("actions", "runs"), ("releases", "tag"), ("src", "branch"), ("src", "commit"), ("src", "tag")}
)

Place = tuple[str, list[str], list[str]]
"""Host, the segments of the repository's path, and those of the page behind it."""


def read_url(text: str) -> ReadUrl:
    """Read a git URL of any kind, or that of a repository's page. Raises `RepositoryUrlError`."""
    scheme, host, port, path = _split(text.strip())
    segments = _segments(path)
    host = host if port is None or port in _OWN_PORTS.get(scheme, ()) else f"{host}:{port}"
    host = _SSH_OVER_443.get(host.removesuffix(":443"), host)
    if host.startswith("www.") and host.count(".") > 1:
        host = host.removeprefix("www.")
    for rule in _RULES:
        place = rule(host, segments)
        if place is not None:
            break
    else:
        place = _on_any_host(host, segments)
    host, kept, page = place
    if kept:
        kept[-1] = kept[-1].removesuffix(".git")
    if not host or not kept or not all(kept):
        raise RepositoryUrlError(_EXPECTED)
    return ReadUrl(host, "/".join(kept), _shown_url(scheme, host, kept), "/".join(page))


def _split(text: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path."""
    if _NOT_IN_A_URL.search(text):
        raise RepositoryUrlError(_EXPECTED)
    if "://" not in text:
        match = _SCP_LIKE.fullmatch(text)
        if match is None:
            raise RepositoryUrlError(_EXPECTED)
        return "ssh", match["host"].lower(), None, match["path"]
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise RepositoryUrlError(_EXPECTED) from None
    scheme = parts.scheme.lower()
    if scheme not in _OWN_PORTS:
        raise RepositoryUrlError(_EXPECTED)
    return scheme, f"[{host}]" if ":" in host else host, port, parts.path


def _segments(path: str) -> list[str]:
    """The segments of a path, decoded and composed. An encoded slash separates like any other."""
    try:
        decoded = normalize("NFC", unquote(path, errors="strict"))
    except UnicodeDecodeError:
        raise RepositoryUrlError(_EXPECTED) from None
    segments = [segment.strip() for segment in decoded.split("/") if segment.strip()]
    if _NOT_IN_A_PATH.search(decoded) or {".", ".."} & set(segments):
        raise RepositoryUrlError(_EXPECTED)
    return segments


def _of_azure(host: str, segments: Sequence[str]) -> Place | None:
    """Azure DevOps: organization, project and repository; on a server of one's own, collection first."""
    if host in _AZURE_SSH and segments[:1] in (["v3"], ["V3"]):
        return _AZURE, list(segments[1:4]), list(segments[4:])
    if host.endswith(_AZURE_ORGANIZATION):
        collection = segments[:1] and segments[0].casefold() == "defaultcollection"
        organization = host.removesuffix(_AZURE_ORGANIZATION)
        host, segments = _AZURE, [organization, *segments[1 if collection else 0 :]]
    marks = [index for index, segment in enumerate(segments) if segment in ("_git", "_ssh")]
    if not marks:
        if host == _AZURE and any(segment.startswith("_") for segment in segments):
            raise RepositoryUrlError(f"names no repository; {_EXPECTED}")
        return None
    before, after = list(segments[: marks[0]]), list(segments[marks[0] + 1 :])
    if not before or not after:
        raise RepositoryUrlError(_EXPECTED)
    # A repository that is called like its project is written without it.
    if host == _AZURE and len(before) == 1:
        before.append(after[0])
    return host, [*before, after[0]], after[1:]


def _of_an_interface(host: str, segments: Sequence[str]) -> Place | None:
    """The address of a repository in GitHub's and GitLab's own interfaces."""
    if host == "api.github.com" and segments[:1] == ["repos"]:
        return "github.com", list(segments[1:3]), list(segments[3:])
    if segments[:3] == ["api", "v3", "repos"]:
        return host, list(segments[3:5]), list(segments[5:])
    if segments[:3] == ["api", "v4", "projects"]:
        if len(segments) < 5:
            raise RepositoryUrlError(f"names no repository; {_EXPECTED}")
        return host, list(segments[3:]), []
    return None


def _of_bitbucket_server(host: str, segments: Sequence[str]) -> Place | None:
    """Bitbucket Server: project and repository, over http, over ssh, and as pages."""
    for start in (0, 1):
        match segments[start : start + 4]:
            case ["projects", project, "repos", name]:
                return host, [project, name], list(segments[start + 4 :])
            case ["users", user, "repos", name]:
                return host, [f"~{user}", name], list(segments[start + 4 :])
    if segments[:1] == ["scm"] and len(segments) == 3:
        return host, list(segments[1:]), []
    return None


def _of_gerrit(host: str, segments: Sequence[str]) -> Place | None:
    """Gerrit: `/a/` asks for a password, and is no part of the name."""
    if not _is_gerrit(host):
        return None
    if host.endswith(_GOOGLE_SOURCE):
        host = host.replace("-review.", ".", 1)
    kept = segments[1:] if segments[:1] == ["a"] and len(segments) > 1 else segments
    pages = [index for index, segment in enumerate(kept) if segment == "+"]
    return host, list(kept[: pages[0]] if pages else kept), list(kept[pages[0] :] if pages else [])


_GOOGLE_SOURCE = ".googlesource.com"


def _is_gerrit(host: str) -> bool:
    """Nothing but its name tells a host of Gerrit from others, where `a` may be an owner."""
    return host.startswith(("gerrit", "review")) or host.endswith(_GOOGLE_SOURCE)


_RULES: Sequence[Callable[[str, Sequence[str]], Place | None]] = (
    _of_azure,
    _of_an_interface,
    _of_bitbucket_server,
    _of_gerrit,
)


def _on_any_host(host: str, segments: Sequence[str]) -> Place:
    if host in _OWNER_AND_NAME:
        return host, list(segments[:2]), list(segments[2:])
    for index in range(2, len(segments) - 1):
        if segments[index] in _PAGES or tuple(segments[index : index + 2]) in _PAGES_OF_TWO:
            return host, list(segments[:index]), list(segments[index:])
    return host, list(segments), []


def _shown_url(scheme: str, host: str, segments: Sequence[str]) -> str:
    """A URL that is read as the same again, and is one to open wherever that can be known."""
    if host == _AZURE and len(segments) == 3:
        segments = [*segments[:2], "_git", segments[2]]
    elif segments[0] == "a" and _is_gerrit(host):
        segments = ["a", *segments]
    has_port = ":" in host.rpartition("]")[2]
    shown_scheme = scheme if scheme == "http" or has_port else "https"
    return f"{shown_scheme}://{host}/{quote('/'.join(segments), safe=_AS_IT_IS)}"


# What a path shows without a percent sign.
_AS_IT_IS = "/~:@!$&()*+,;="
