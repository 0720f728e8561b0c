"""Pages that follow the records: worked out once for a state of these, and sent again only for another."""

import contextlib
from collections.abc import Callable
from datetime import UTC, date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response
from litestar.response import Redirect

from metrics.api.cache import Cache
from metrics.domain.instants import MICROSECOND, InstantError, read_date_or_instant
from tracker.auth.callers import Caller
from tracker.auth.sessions import COOKIE
from tracker.organizations.service import zone_of
from tracker.pages.frame.address import Address
from tracker.pages.frame.asking import Asked, ask
from tracker.pages.frame.shell import entity_tag, frame_of, now, page_response, render, unchanged
from tracker.web.paging import CallerRequest
from tracker.web.rejections import latest_rejection
from tracker.web.state import Service

_SLOT_SECONDS = 300
"""How long "open for 50 min" may stand."""
_CACHE = Cache[Any]()


def live_page(
    request: CallerRequest,
    service: Service,
    name: str,
    make: Callable[[Asked], Any],
    *,
    address: Address | None = None,
    follows_history: bool = True,
    also: object = None,
) -> Response[bytes] | Redirect:
    """The page that a template of this name makes of what `make` finds; 304 where the browser has it.

    `follows_history`: whether it can be shown as of an earlier moment. `also`: what it depends on beside the
    records.

    Raises `RecordsUnavailable`.
    """
    caller, moment = request.user, now()
    address = address or Address.of(request.url.path, request.query_params.multi_items())
    if address.given("as_of") and not follows_history:
        return Redirect(str(address.without(["as_of"])), status_code=303)
    if address.given("until", "as_of_day"):
        return Redirect(str(_as_questions_say(address, service, caller)), status_code=303)
    state = (
        id(service),
        caller.organization,
        caller.repositories,
        tuple(sorted(caller.claims.scopes)),
        address,
        service.stores.of(caller.organization).head(),
        latest_rejection(service.engine, caller.organization),
        also,
        int(moment.timestamp() // _SLOT_SECONDS),
    )
    tag = entity_tag(*state[1:], request.cookies.get(COOKIE), request.headers.get("Host"))
    if (answer := unchanged(request, tag)) is not None:
        return answer
    found = _CACHE.get((name, state), lambda: make(ask(service, caller, address, moment)))
    frame = frame_of(name, request, service, address, tag=tag)
    html = render(getattr(found, "template", f"{name}.html"), frame, view=found, asked=found.asked)
    status = 400 if found.asked.notices else 200
    return page_response(request, html, status_code=status, headers={"ETag": tag})


def _as_questions_say(address: Address, service: Service, caller: Caller) -> Address:
    """What forms say in days, as questions do: a window ends before the day after its last one, and what was
    known on a day was known at its end.
    """
    if (last_day := address.first("until")) is not None:
        address = address.having(until=None, last=None, to=_day_after(last_day))
    if (known_on := address.first("as_of_day")) is not None:
        with contextlib.suppress(InstantError, OverflowError, ValueError, KeyError):
            zone = ZoneInfo(address.first("tz") or zone_of(service.engine, caller.organization).key)
            ends = read_date_or_instant(_day_after(known_on), zone) - MICROSECOND
            as_of = None if ends > now() else ends.astimezone(UTC).isoformat()
            address = address.having(as_of=as_of, as_of_day=None)
    return address.without(["until", "as_of_day"])


def _day_after(day: str) -> str:
    """The date after one; what is none stays, and is refused as a parameter."""
    with contextlib.suppress(ValueError, OverflowError):
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    return day
