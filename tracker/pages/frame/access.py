"""Who may look at a page, and whose forms are taken."""

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from litestar.datastructures import FormMultiDict

from tracker.auth.callers import require_scope
from tracker.auth.sessions import COOKIE, form_key_of
from tracker.auth.tokens import Scope
from tracker.errors import InsufficientScope, Unauthenticated
from tracker.pages.frame.shell import is_admin
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import Guard

SIGN_IN = "/sign-in"
PAGE: dict[str, Any] = {"is_page": True}
"""The `opt` of a page's handler: what it refuses is a page too."""


def signed_in(*scopes: Scope) -> "Guard":
    """A guard that lets those pass who have signed in, where scopes are named with a token that has one."""

    async def guard(connection: "ASGIConnection[Any, Any, Any, Any]", _: "BaseRouteHandler") -> None:
        cookie = connection.cookies.get(COOKIE)
        if not cookie:
            raise Unauthenticated("sign in first", token_given=False)
        caller = connection.app.state.service.authenticator.caller_of_session(cookie)
        connection.scope["user"] = caller
        connection.app.state.service.rate_limits.count(caller)
        if scopes:
            require_scope(caller, *scopes)

    return guard


async def admin_signed_in(
    connection: "ASGIConnection[Any, Any, Any, Any]", handler: "BaseRouteHandler"
) -> None:
    """A guard that lets admins of the whole organization pass."""
    await signed_in(Scope.ADMIN)(connection, handler)  # type: ignore[misc]  # which is one that waits
    caller = connection.scope["user"]
    if not is_admin(caller):
        raise InsufficientScope("insufficient_scope: the token is limited to repositories")


def require_own_origin(request: CallerRequest, service: Service) -> None:
    """Raises `InsufficientScope` where a browser says that another site has sent the form.

    The service's own is where it was asked, and where a proxy hides it, its public URL.
    """
    origin = request.headers.get("Origin")
    public = urlsplit(service.settings.public_url or "")
    own = {request.headers.get("Host", ""), public.netloc}
    comes_from = request.headers.get("Sec-Fetch-Site", "same-origin")
    is_own = origin is None or urlsplit(origin).netloc in own
    if not is_own or comes_from not in ("same-origin", "none"):
        raise InsufficientScope("the form was sent by another site")


async def read_form(request: CallerRequest, service: Service) -> "Form":
    """The form of one of this session's pages. Raises `InsufficientScope` for any other."""
    require_own_origin(request, service)
    form = Form(await request.form())
    key = form_key_of(request.cookies.get(COOKIE, ""))
    if not hmac.compare_digest(form.text("form_key").encode(), key.encode()):
        raise InsufficientScope("the form is of another session: load the page again")
    return form


class Form:
    """The fields of a form, as texts."""

    def __init__(self, fields: FormMultiDict) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """A field without white space around it; empty where it is absent."""
        value = self._fields.get(name)
        return value.strip() if isinstance(value, str) else ""

    def has(self, name: str) -> bool:
        """Whether the form had the field at all."""
        return name in self._fields

    def texts(self, name: str) -> Sequence[str]:
        """Each value of a field that may be given several times."""
        return [value.strip() for value in self._fields.getall(name, []) if isinstance(value, str)]
