"""ETags on answers, and 304 where nothing was recorded since: what a dashboard asks again costs no answer."""

import hashlib
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from litestar import Request, Response

from metrics.engine.contents import fingerprint
from metrics.queries.session import Session

# What is asked up to now, and what a note says of it, is an answer of this minute.
_SECONDS = 60


def conditional(answer: Callable[..., Response[Any]]) -> Callable[..., Response[Any]]:
    """Let a handler's answer carry an `ETag`, and have a client that shows it again told that it holds.

    The handler takes `request` and `session`. What was recorded while it answers is in the answer, and has
    the next one made anew.
    """

    @wraps(answer)
    def conditionally(request: Request[Any, Any, Any], session: Session, **given: Any) -> Response[Any]:
        tag = _tag(request, session)
        shown = request.headers.get("If-None-Match", "").split(",")
        known = {one.strip().removeprefix("W/") for one in shown}
        if tag in known or "*" in known:
            return Response(None, status_code=304, headers=_headers(tag))
        answered = answer(request=request, session=session, **given)
        answered.headers.update({**_headers(tag), **answered.headers})
        return answered

    return conditionally


def _tag(request: Request[Any, Any, Any], session: Session) -> str:
    """What the answer depends on: the question, who asks, the records, the definitions and the minute."""
    asked = (request.url.path, request.url.query, request.headers.get("Accept", ""))
    parts = (*asked, *session.state(), fingerprint(), int(time.time() // _SECONDS))
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": f"W/{tag}", "Vary": "Accept", "Cache-Control": "private, no-cache"}
