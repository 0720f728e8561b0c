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
_SCP_LIKE = re.compile(
    r"(?:(?P<user>[\w.+-]+)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+):(?P<path>(?(user)/?)[^/:\\].*)", re.ASCII
)

# Where a host answers ssh on port 443, for those whom nothing else reaches.
_SSH_OVER_443 = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
# On these a repository is an owner and a name, and whatever follows is a page of it.
_OWNER_AND_NAME = frozenset({"github.com", "bitbucket.org", "codeberg.org", "gitea.com"})
_GITLAB = "gitlab.com"
_AZURE = "dev.azure.com"
_AZURE_SSH = ("ssh.dev.azure.com", "vs-ssh.visualstudio.com")
_AZURE_ORGANIZATION = ".visualstudio.com"
# What stands after the repository in the URLs of its pages, where groups may be nested at will; and what
# follows a word that a repository may have for its name.
_PAGES = frozenset({"-", "tree", "blob", "raw", "blame", "commits"})
_PAGES_OF = {
    "actions": re.compile("runs"),
    "commit": re.compile("[0-9a-f]{7,64}"),
    "compare": re.compile(r".*\.\..*"),
    "merge_requests": re.compile("[0-9]+"),
    "pull": re.compile("[0-9]+"),
    "releases": re.compile("tag"),
    "src": re.compile("branch|commit|tag"),
}
# Where a server of one's own may have Bitbucket, before its own paths.
_BITBUCKET_CONTEXTS = frozenset({"bitbucket", "stash", "git"})


class _Address(NamedTuple):
    """A URL taken apart. `parts` are its decoded segments, with an encoded slash within them."""

    scheme: str
    user: str
    host: str
    parts: Sequence[str]
    segments: Sequence[str]

    @property
    def is_gits(self) -> bool:
        """Whether git itself is given such a URL: then it is of no page."""
        is_web = self.scheme in ("http", "https")
        return not is_web or (bool(self.segments) and self.segments[-1].endswith(".git"))


Place = tuple[str, list[str], list[str]]
"""Host, the segments of the repository's path, and those of the page behind it."""


def read_url(text: str) -> ReadUrl:
    """Read a git URL of any kind, or that of a repository's page. Raises `RepositoryUrlError`."""
    address = _address(text.strip())
    host, path, page = _place(address)
    return ReadUrl(host, path, _shown_url(address.scheme, host, path), page)


def _place(address: _Address) -> tuple[str, str, str]:
    """Host, path of the repository, and the page behind it."""
    for rule in _RULES:
        place = rule(address)
        if place is not None:
            break
    else:
        place = _on_any_host(address)
    host, kept, page = place
    if kept:
        kept[-1] = kept[-1].removesuffix(".git")
    if not host or not kept or not all(kept):
        raise RepositoryUrlError(_EXPECTED)
    return host, "/".join(kept), "/".join(page)


def _address(text: str) -> _Address:
    scheme, user, host, port, path = _split(text)
    host = host if port is None or port in _OWN_PORTS.get(scheme, ()) else f"{host}:{port}"
    host = _SSH_OVER_443.get(host.removesuffix(":443"), host)
    if host.startswith("www.") and host.count(".") > 1:
        host = host.removeprefix("www.")
    parts = [_decoded(part) for part in path.split("/") if part.strip()]
    segments = [segment.strip() for part in parts for segment in part.split("/") if segment.strip()]
    if {".", ".."} & set(segments):
        raise RepositoryUrlError(_EXPECTED)
    return _Address(scheme, user, host, parts, segments)


def _split(text: str) -> tuple[str, str, str, int | None, str]:
    """Scheme, user, host, port and path."""
    if _NOT_IN_A_URL.search(text):
        raise RepositoryUrlError(_EXPECTED)
    if "://" not in text:
        match = _SCP_LIKE.fullmatch(text)
        if match is None:
            raise RepositoryUrlError(_EXPECTED)
        return "ssh", match["user"] or "", match["host"].lower(), None, match["path"]
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise RepositoryUrlError(_EXPECTED) from None
    scheme = parts.scheme.lower()
    if scheme not in _OWN_PORTS:
        raise RepositoryUrlError(_EXPECTED)
    return scheme, parts.username or "", f"[{host}]" if ":" in host else host, port, parts.path


def _decoded(part: str) -> str:
    """A segment of a path, decoded and composed."""
    try:
        decoded = normalize("NFC", unquote(part, errors="strict"))
    except UnicodeDecodeError:
        raise RepositoryUrlError(_EXPECTED) from None
    if _NOT_IN_A_PATH.search(decoded):
        raise RepositoryUrlError(_EXPECTED)
    return decoded


def _of_azure(address: _Address) -> Place | None:
    """Azure DevOps: organization, project and repository; on a server of one's own, collection first."""
    host, segments = address.host, list(address.segments)
    if host in _AZURE_SSH:
        if segments[:1] in (["v3"], ["V3"]):
            return _AZURE, segments[1:4], segments[4:]
        # The older form names the organization before the host.
        host, segments = _AZURE, [address.user, *_without_collection(segments)]
    elif host.endswith(_AZURE_ORGANIZATION):
        host, segments = (
            _AZURE,
            [host.removesuffix(_AZURE_ORGANIZATION), *_without_collection(segments)],
        )
    marks = [index for index, segment in enumerate(segments) if segment in ("_git", "_ssh")]
    if not marks:
        if host == _AZURE and any(segment.startswith("_") for segment in segments):
            raise RepositoryUrlError(f"names no repository; {_EXPECTED}")
        return None if host == address.host else (host, segments, [])
    before, after = segments[: marks[0]], segments[marks[0] + 1 :]
    if not before or not after:
        raise RepositoryUrlError(_EXPECTED)
    # A repository that is called like its project is written without it.
    if host == _AZURE and len(before) == 1:
        before.append(after[0])
    return host, [*before, after[0]], after[1:]


def _without_collection(segments: Sequence[str]) -> Sequence[str]:
    return segments[1:] if segments[:1] and segments[0].casefold() == "defaultcollection" else segments


def _of_an_interface(address: _Address) -> Place | None:
    """The address of a repository in GitHub's and GitLab's own interfaces."""
    host, segments = address.host, list(address.segments)
    if host == "api.github.com" and segments[:1] == ["repos"]:
        return "github.com", segments[1:3], segments[3:]
    if segments[:3] == ["api", "v3", "repos"]:
        return host, segments[3:5], segments[5:]
    if list(address.parts[:3]) == ["api", "v4", "projects"]:
        project = address.parts[3] if len(address.parts) > 3 else ""
        if "/" not in project:
            raise RepositoryUrlError(f"names no repository by its path; {_EXPECTED}")
        return host, project.split("/"), list(address.parts[4:])
    return None


def _of_bitbucket_server(address: _Address) -> Place | None:
    """Bitbucket Server: project and repository, over http, over ssh, and as pages."""
    host, segments = address.host, list(address.segments)
    if host in _OWNER_AND_NAME or host == _GITLAB or address.scheme not in ("http", "https"):
        return None
    start = 1 if segments[:1] and segments[0] in _BITBUCKET_CONTEXTS else 0
    match segments[start : start + 4]:
        case ["projects", project, "repos", name]:
            return host, [project, name], segments[start + 4 :]
        case ["users", user, "repos", name]:
            return host, [f"~{user}", name], segments[start + 4 :]
        case ["scm", project, name]:
            return host, [project, name], []
    return None


def _of_gerrit(address: _Address) -> Place | None:
    """Gerrit: `/a/` asks for a password, and is no part of the name."""
    host, segments = address.host, list(address.segments)
    if not _is_gerrit(host):
        return None
    if host.endswith(_GOOGLE_SOURCE):
        host = host.replace("-review.", ".", 1)
    is_asking = address.scheme in ("http", "https") and segments[:1] == ["a"] and len(segments) > 1
    kept = segments[1:] if is_asking else segments
    pages = [index for index, segment in enumerate(kept) if segment == "+"]
    return host, kept[: pages[0]] if pages else kept, kept[pages[0] :] if pages else []


_GOOGLE_SOURCE = ".googlesource.com"


def _is_gerrit(host: str) -> bool:
    """Nothing but its name tells a host of Gerrit from others, where `a` may be an owner."""
    return host.startswith(("gerrit", "review")) or host.endswith(_GOOGLE_SOURCE)


_RULES: Sequence[Callable[[_Address], Place | None]] = (
    _of_azure,
    _of_an_interface,
    _of_bitbucket_server,
    _of_gerrit,
)


def _on_any_host(address: _Address) -> Place:
    host, segments = address.host, list(address.segments)
    if host in _OWNER_AND_NAME:
        return host, segments[:2], segments[2:]
    for index in range(2, len(segments) - 1) if not address.is_gits else ():
        follows = _PAGES_OF.get(segments[index])
        if segments[index] in _PAGES or (follows and follows.fullmatch(segments[index + 1])):
            return host, segments[:index], segments[index:]
    return host, segments, []


def _shown_url(scheme: str, host: str, path: str) -> str:
    """A URL that is read as the same again, and is one to open wherever that can be known."""
    shown = path
    if host == _AZURE and path.count("/") == 2:
        project, _, name = path.rpartition("/")
        shown = f"{project}/_git/{name}"
    elif path.startswith("a/") and _is_gerrit(host):
        shown = f"a/{path}"
    has_port = ":" in host.rpartition("]")[2]
    shown_scheme = scheme if scheme == "http" or has_port else "https"
    url = f"{shown_scheme}://{host}/{quote(shown, safe=_AS_IT_IS)}"
    # What looks like a page, or like another host's form, is shown as git is given it.
    for candidate in (url, f"{url}.git"):
        if _is_read_as(candidate, host, path):
            return candidate
    return f"ssh://{host}/{quote(path, safe=_AS_IT_IS)}"


def _is_read_as(url: str, host: str, path: str) -> bool:
    try:
        return _place(_address(url))[:2] == (host, path)
    except RepositoryUrlError:
        return False


# What a path shows without a percent sign.
_AS_IT_IS = "/~:@!$&()*+,;="
