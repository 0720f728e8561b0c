"""Pages that follow the records: worked out once for a state of these, and sent again only for another."""

import contextlib
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from litestar import Response
from litestar.response import Redirect

from tracker.auth.sessions import COOKIE
from tracker.pages.address import Address
from tracker.pages.asking import Asked, ask
from tracker.pages.cache import Cache
from tracker.pages.shell import entity_tag, frame_of, now, page_response, render, unchanged
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

_SLOT_SECONDS = 300
"""How long "open for 50 min" may stand."""
_CACHE = Cache()


def live_page(
    request: CallerRequest,
    service: Service,
    name: str,
    make: Callable[[Asked], Any],
    *,
    address: Address | None = None,
) -> Response[bytes] | Redirect:
    """The page that a template of this name makes of what `make` finds; 304 where the browser has it.

    Raises `RecordsUnavailable`.
    """
    caller, moment = request.user, now()
    address = address or Address.of(request.url.path, request.query_params.multi_items())
    if address.given("until"):
        return Redirect(str(_half_open(address)), status_code=303)
    state = (
        id(service),
        caller.organization,
        caller.repositories,
        tuple(sorted(caller.claims.scopes)),
        address,
        service.store.head(),
        int(moment.timestamp() // _SLOT_SECONDS),
    )
    tag = entity_tag(*state[1:], request.cookies.get(COOKIE), request.headers.get("Host"))
    if (answer := unchanged(request, tag)) is not None:
        return answer
    found = _CACHE.get((name, state), lambda: make(ask(service, caller, address, moment)))
    frame = frame_of(name, request, service, address, is_live=True)
    html = render(f"{name}.html", frame, view=found, asked=found.asked)
    status = 400 if found.asked.notices else 200
    return page_response(request, html, status_code=status, headers={"ETag": tag})


def _half_open(address: Address) -> Address:
    """The address with the end of its window as questions have it: a person names the last day of it."""
    last_day = address.first("until") or ""
    with contextlib.suppress(ValueError, OverflowError):
        last_day = (date.fromisoformat(last_day) + timedelta(days=1)).isoformat()
    return address.having(until=None, last=None, to=last_day)
