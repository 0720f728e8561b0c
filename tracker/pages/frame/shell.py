"""What every page has: the frame around its content, its headers, and when it is sent again."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import jinja2
from litestar import Response
from litestar.enums import MediaType

from metrics.definitions.words import span
from tracker.auth.callers import Caller
from tracker.auth.sessions import COOKIE, form_key_of
from tracker.auth.tokens import Scope
from tracker.pages.frame import words
from tracker.pages.frame.address import Address
from tracker.web.paging import CallerRequest, base_of
from tracker.web.state import Service

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie, Accept-Encoding",
}
_WORTH_COMPRESSING = 1_000
_NAVIGATION = (
    ("overview", "/", "Overview", Scope.METRICS_READ),
    ("metric", "/metric/change_failure_rate", "Metrics", Scope.METRICS_READ),
    ("deployments", "/deployments", "Deployments", Scope.DEPLOYMENTS_READ),
    ("incidents", "/incidents", "Incidents", Scope.DEPLOYMENTS_READ),
    ("repositories", "/repositories", "Repositories", Scope.METRICS_READ),
    ("report", "/report", "Report", Scope.METRICS_READ),
)
_ADMINISTRATION = (
    ("settings", "/settings", "Settings"),
    ("tokens", "/tokens", "Tokens"),
    ("intakes", "/intakes", "Events in"),
)


@cache
def assets() -> Mapping[str, bytes]:
    """The files that pages refer to, by name."""
    folder = files("tracker.pages").joinpath("static")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@cache
def _fingerprint(name: str) -> str:
    return hashlib.sha256(assets()[name]).hexdigest()[:10]


def asset_url(name: str) -> str:
    """Where a file is, at an address that is another when its content is."""
    return f"/static/{name}?{_fingerprint(name)}"


def asset_text(name: str) -> str:
    return assets()[name].decode()


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracker.pages", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {"asset_url": asset_url, "asset_text": asset_text}
    environment.filters |= {
        "nb": words.no_break,
        "span": span,
        "counted": words.counted,
        "one_of": words.one_of,
        "all_of": words.all_of,
        "rule": words.rule_words,
        "left_out": words.left_out_words,
    }
    return environment


@cache
def _templates_fingerprint() -> str:
    folder = files("tracker.pages").joinpath("templates")
    texts = sorted((file.name, file.read_text()) for file in folder.iterdir())
    own = [_fingerprint(name) for name in sorted(assets())]
    return hashlib.sha256(repr((texts, own)).encode()).hexdigest()[:10]


@dataclass(frozen=True, slots=True)
class Link:
    key: str
    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame around a page: whose it is, where it leads, and the key of its forms."""

    page: str
    organization: str | None = None
    subject: str | None = None
    navigation: tuple[Link, ...] = ()
    administration: tuple[Link, ...] = ()
    form_key: str = ""
    tag: str = ""
    """Of a page that follows new records: what it is compared by."""
    base_url: str = ""


BARE = Frame("")
"""Of a page that nobody has signed in to."""


def frame_of(
    page: str, request: CallerRequest, service: Service, address: Address, *, tag: str = ""
) -> Frame:
    """The frame of a page for whoever has signed in: nothing in it leads where the caller may not go."""
    caller = request.user
    navigation = tuple(
        Link(key, str(address.at(path)), text) for key, path, text, scope in _NAVIGATION if caller.may(scope)
    )
    return Frame(
        page=page,
        organization=caller.organization,
        subject=caller.claims.subject,
        navigation=navigation,
        administration=tuple(Link(*one) for one in _ADMINISTRATION) if is_admin(caller) else (),
        form_key=form_key_of(request.cookies.get(COOKIE, "")),
        tag=tag,
        base_url=base_of(request, service.settings),
    )


def is_admin(caller: Caller) -> bool:
    """Whether the caller may change what is the whole organization's."""
    return caller.may(Scope.ADMIN) and caller.repositories is None


def render(template: str, frame: Frame, **given: Any) -> str:
    """A page as HTML, everything in it escaped."""
    return _environment().get_template(template).render(frame=frame, **given)


def page_response(
    request: CallerRequest, html: str, *, status_code: int = 200, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """A page as an answer, compressed where the browser takes that."""
    body = html.encode()
    sent = {**_HEADERS, **(headers or {})}
    if len(body) > _WORTH_COMPRESSING and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        sent["Content-Encoding"] = "gzip"
    return Response(body, status_code=status_code, media_type=MediaType.HTML, headers=sent)


def file_response(html: str, name: str) -> Response[bytes]:
    """A page that stands alone, as a file: its style is its own, and it runs nothing."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    headers = {
        **_HEADERS,
        "Content-Security-Policy": policy,
        "Content-Disposition": f'inline; filename="{name}"',
    }
    return Response(html.encode(), media_type=MediaType.HTML, headers=headers)


def entity_tag(*parts: object) -> str:
    """The tag of a page that is the same as long as its parts are, and the program."""
    return f'W/"{hashlib.sha256(repr((parts, _templates_fingerprint())).encode()).hexdigest()[:24]}"'


def unchanged(request: CallerRequest, tag: str) -> Response[bytes] | None:
    """304 where the browser has the page already, else None."""
    if tag not in request.headers.get("If-None-Match", ""):
        return None
    return Response(b"", status_code=304, headers={**_HEADERS, "ETag": tag}, media_type=MediaType.HTML)


def local_path(text: str | None) -> str:
    """A path of the service's own to go on to: whatever else a form says, the first page."""
    try:
        parts = urlsplit(text or "/")
    except ValueError:
        return "/"
    is_own = not parts.scheme and not parts.netloc and (text or "/").startswith("/")
    return text if text and is_own and not text.startswith(("//", "/\\")) else "/"


def now() -> datetime:
    return datetime.now(UTC)
