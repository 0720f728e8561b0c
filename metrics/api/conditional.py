"""Answers while nothing is recorded: 304 for who has one, and the same for whoever asks what another did."""

import hashlib
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from litestar import MediaType, Request, Response

from metrics.api.cache import Cache
from metrics.engine.contents import fingerprint
from metrics.queries.session import Session

# What is asked up to now, and what a note says of it, is an answer of this minute.
_SECONDS = 60
# Of two hundred answers; a page of an explanation, or a table, is larger.
_MOST_BYTES = 100_000
_ANSWERS = Cache[Response[bytes]](is_kept=lambda response: len(response.content) <= _MOST_BYTES)
_Handler = Callable[..., Response[Any]]


def conditional(*, is_shared: bool = True) -> Callable[[_Handler], _Handler]:
    """Let a handler's answer carry an `ETag`, and have a client that shows it again told that it holds.

    The handler takes `request` and `session`. What was recorded while it answers is in the answer, and has
    the next one made anew. `is_shared`: whether the answer depends on nothing beside what its tag says, so
    that whoever asks the same is given the same.
    """

    def decorate(answer: _Handler) -> _Handler:
        @wraps(answer)
        def conditionally(request: Request[Any, Any, Any], session: Session, **given: Any) -> Response[Any]:
            tag = _tag(request, session)
            shown = request.headers.get("If-None-Match", "").split(",")
            known = {one.strip().removeprefix("W/") for one in shown}
            if tag in known or "*" in known:
                return Response(None, status_code=304, headers=_headers(tag))

            def make() -> Response[Any]:
                answered = answer(request=request, session=session, **given)
                answered.headers.update({**_headers(tag), **answered.headers})
                return answered

            if not is_shared:
                return make()
            key = (id(request.app), tag, _moment(request))
            return _ANSWERS.get(key, lambda: _rendered(make()))

        return conditionally

    return decorate


def _tag(request: Request[Any, Any, Any], session: Session) -> str:
    """What the answer depends on: the question, who asks, the records, the definitions and the minute."""
    asked = (request.url.path, request.url.query, request.headers.get("Accept", ""))
    parts = (*asked, *session.state(), fingerprint(), int(time.time() // _SECONDS))
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def _moment(request: Request[Any, Any, Any]) -> int | None:
    """The second, where what is asked ends with it; None where the question says when it ends."""
    return None if {"to", "last", "as_of"} & request.query_params.keys() else int(time.time())


def _rendered(answered: Response[Any]) -> Response[bytes]:
    """The answer as it is sent, to be sent as often as it is asked for."""
    media_type = answered.media_type or MediaType.JSON
    content = answered.render(answered.content, media_type)
    return Response(
        content, status_code=answered.status_code, headers=answered.headers, media_type=media_type
    )


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": f"W/{tag}", "Vary": "Accept", "Cache-Control": "private, no-cache"}
