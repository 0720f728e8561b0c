"""Tokens: who may post and read, until when; mint one, revoke one."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from litestar import Controller, Response, get, post

from tracker.auth.keys import KeyRingError, load_keys
from tracker.auth.register import list_tokens, mint_registered, revoke_token
from tracker.auth.tokens import REPOSITORY_PATTERN, Scope
from tracker.auth.trusts import list_trusts
from tracker.organizations.service import zone_of
from tracker.pages.frame.access import PAGE, Form, admin_signed_in, read_form
from tracker.pages.frame.address import Address
from tracker.pages.frame.shell import frame_of, now, page_response, render
from tracker.pages.frame.words import Clock
from tracker.records.engine import write_transaction
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

_LONGEST_DAYS = 3_650
_LONGEST_SUBJECT = 100
SCOPE_WORDS = {
    Scope.DEPLOYMENTS_RECORD: "record deployments and incidents, and no more: for pipelines",
    Scope.DEPLOYMENTS_WRITE: "record them, correct them, import them",
    Scope.DEPLOYMENTS_READ: "read deployments and incidents",
    Scope.METRICS_READ: "read metrics and pages",
    Scope.DEPLOY: "have workspaces deployed by a runner",
    Scope.ADMIN: "everything, settings and tokens included",
}


def _wrong(form: Form) -> str:
    """What is wrong with the form; nothing where it is right."""
    days = form.text("days")
    if not form.text("subject") or len(form.text("subject")) > _LONGEST_SUBJECT:
        return f"Say who will use it, in at most {_LONGEST_SUBJECT} characters."
    if not form.text("subject").isprintable():
        return "Say who will use it in characters that can be printed."
    if not (days.isascii() and days.isdigit() and len(days) < 6 and 1 <= int(days) <= _LONGEST_DAYS):
        return f"It must be valid for 1 to {_LONGEST_DAYS} days."
    if not set(form.texts("scope")) or not set(form.texts("scope")) <= set(Scope):
        return "Choose what it may do."
    wrong = [pattern for pattern in _patterns(form) if not REPOSITORY_PATTERN.fullmatch(pattern)]
    return f"{wrong[0]} is no owner/name, owner/* or *." if wrong else ""


def _patterns(form: Form) -> Sequence[str]:
    return form.text("repositories").replace(",", " ").split()


def _mint(request: CallerRequest, service: Service, form: Form) -> str:
    caller = request.user
    with write_transaction(service.engine) as connection:
        return mint_registered(
            connection,
            load_keys(service.settings),
            organization=caller.organization,
            subject=form.text("subject"),
            scopes=[Scope(name) for name in form.texts("scope")],
            lifetime=timedelta(days=int(form.text("days"))),
            minted_by=caller.claims.subject,
            repositories=tuple(_patterns(form)),
        )


def _page(
    request: CallerRequest, service: Service, error: str = "", minted: str = "", revoked: bool = False
) -> Response[bytes]:
    organization = request.user.organization
    html = render(
        "tokens.html",
        frame_of("tokens", request, service, Address("/tokens")),
        tokens=list_tokens(service.engine, organization),
        trusts=list_trusts(service.engine, organization),
        own_id=request.user.claims.token_id,
        scopes=SCOPE_WORDS,
        clock=Clock(zone_of(service.engine, organization), now()),
        error=error,
        minted=minted,
        revoked=revoked,
    )
    return page_response(request, html, status_code=400 if error else 200)


class TokensPages(Controller):
    """List the tokens, make one, revoke one."""

    @get("/tokens", include_in_schema=False, opt=PAGE, guards=[admin_signed_in], sync_to_thread=True)
    def tokens_page(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """The organization's tokens."""
        return _page(request, service)

    @post("/tokens", include_in_schema=False, opt=PAGE, guards=[admin_signed_in])
    async def mint_token(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """Make a token; it is shown once."""
        form = await read_form(request, service)
        error = _wrong(form)
        if error:
            return await asyncio.to_thread(_page, request, service, error)
        try:
            token = await asyncio.to_thread(_mint, request, service, form)
        except KeyRingError as failure:
            return await asyncio.to_thread(_page, request, service, f"No token can be made: {failure}.")
        return await asyncio.to_thread(_page, request, service, "", token)

    @post("/tokens/revoke", include_in_schema=False, opt=PAGE, guards=[admin_signed_in])
    async def revoke_token_page(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """Stop honouring a token."""
        form = await read_form(request, service)
        token_id = form.text("token_id")

        def act() -> None:
            with write_transaction(service.engine) as connection:
                revoke_token(connection, request.user.organization, token_id)

        await asyncio.to_thread(act)
        service.authenticator.end(token_id)
        return await asyncio.to_thread(_page, request, service, "", "", True)
