"""Signing in with a token or a one-time link, and signing out."""

import asyncio

from litestar import Controller, Response, get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect
from sqlalchemy import Engine

from tracker.auth.callers import Caller
from tracker.auth.keys import KeyRingError
from tracker.auth.register import revoke
from tracker.auth.sessions import COOKIE, SESSION_LIFETIME
from tracker.auth.tokens import LEEWAY, Scope
from tracker.errors import Unauthenticated
from tracker.pages.frame.access import PAGE, SIGN_IN, Form, read_form, require_own_origin, signed_in
from tracker.pages.frame.shell import BARE, local_path, page_response, render
from tracker.records.engine import write_transaction
from tracker.web.paging import CallerRequest, base_of
from tracker.web.state import Service

LOGIN_LINK = "/login"
_LONGEST_TOKEN = 8_000
_NO_READER = "This token reads no metrics: it needs the scope metrics:read. Sign in with another."


_USED = "The link has been used or has expired. Ask for a new one, or sign in with a token."


def _use_up(engine: Engine, code_or_session_id: str) -> bool:
    """Return whether the code or session was good until now; it never will be again."""
    with write_transaction(engine) as connection:
        return revoke(connection, code_or_session_id, SESSION_LIFETIME + LEEWAY)


def _form(request: CallerRequest, following: str, error: str = "") -> Response[bytes]:
    html = render("signin.html", BARE, following=following, error=error)
    return page_response(request, html, status_code=401 if error else 200)


def _opened(
    request: CallerRequest, service: Service, caller: Caller, following: str, *, by_link: bool = False
) -> Response[bytes] | Redirect:
    try:
        session, lifetime = service.authenticator.open_session(caller, by_link=by_link)
    except KeyRingError as failure:
        return _form(request, following, f"Nobody can sign in here: {failure}.")
    response = Redirect(following, status_code=303)
    response.set_cookie(
        Cookie(
            key=COOKIE,
            value=session,
            max_age=int(lifetime.total_seconds()),
            path="/",
            httponly=True,
            samesite="strict",
            secure=base_of(request, service.settings).startswith("https:"),
        )
    )
    return response


class SignInPages(Controller):
    """Sign in with a token or a one-time link, and sign out."""

    @get(SIGN_IN, include_in_schema=False, opt=PAGE, sync_to_thread=False)
    def sign_in_page(self, request: CallerRequest) -> Response[bytes]:
        """The form to sign in with a token."""
        return _form(request, local_path(request.query_params.get("next")))

    @post(SIGN_IN, include_in_schema=False, opt=PAGE)
    async def sign_in(self, request: CallerRequest, service: Service) -> Response[bytes] | Redirect:
        """Open a session for whoever shows a token that may read metrics."""
        require_own_origin(request, service)
        form = Form(await request.form())
        following = local_path(form.text("next"))
        token = form.text("token").removeprefix("Bearer ").strip()[:_LONGEST_TOKEN]
        try:
            caller = service.authenticator.authenticate(f"Bearer {token}")
        except Unauthenticated as refusal:
            service.rate_limits.count_failed_login(request.scope)
            said = "Paste a token." if not token else f"{refusal.detail[:1].upper()}{refusal.detail[1:]}."
            return _form(request, following, said)
        if not caller.may(Scope.METRICS_READ):
            return _form(request, following, _NO_READER)
        return _opened(request, service, caller, following)

    @get(LOGIN_LINK, include_in_schema=False, opt=PAGE, sync_to_thread=False)
    def login_link_page(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """What a one-time link shows: a button, so that whoever only previews the link does not use it up."""
        code = request.query_params.get("code", "")
        try:
            caller = service.authenticator.caller_of_login_code(code)
        except Unauthenticated:
            return _form(request, "/", _USED)
        following = local_path(request.query_params.get("next"))
        html = render("login_link.html", BARE, caller=caller, code=code, following=following)
        return page_response(request, html)

    @post(LOGIN_LINK, include_in_schema=False, opt=PAGE)
    async def use_login_link(self, request: CallerRequest, service: Service) -> Response[bytes] | Redirect:
        """Open a session for the first who comes with the link."""
        require_own_origin(request, service)
        form = Form(await request.form())
        try:
            caller = service.authenticator.caller_of_login_code(form.text("code"))
        except Unauthenticated:
            service.rate_limits.count_failed_login(request.scope)
            return _form(request, "/", _USED)
        if not caller.may(Scope.METRICS_READ):
            return _form(request, "/", _NO_READER)
        if not await asyncio.to_thread(_use_up, service.engine, caller.claims.token_id):
            return _form(request, "/", _USED)
        service.authenticator.end(caller.claims.token_id)
        return _opened(request, service, caller, local_path(form.text("next")), by_link=True)

    @post("/sign-out", include_in_schema=False, opt=PAGE, guards=[signed_in()])
    async def sign_out(self, request: CallerRequest, service: Service) -> Redirect:
        """End the session, here and wherever its cookie may have got to."""
        await read_form(request, service)
        session_id = request.user.claims.session_id
        if session_id is not None:
            await asyncio.to_thread(_use_up, service.engine, session_id)
            service.authenticator.end(session_id)
        response = Redirect(SIGN_IN, status_code=303)
        response.delete_cookie(COOKIE)
        return response
