"""ETags on what GitHub's clients read, and 304 where nothing has changed since."""

from hashlib import sha256
from typing import TYPE_CHECKING, cast

from litestar.datastructures.headers import Headers
from litestar.enums import HttpMethod, ScopeType

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send


def conditional(app: "ASGIApp") -> "ASGIApp":
    """A middleware: the answer to a GET has an ETag, and is not sent again to whoever has it."""

    async def answer(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != HttpMethod.GET:
            await app(scope, receive, send)
            return
        start: list[HTTPResponseStartEvent] = []
        parts: list[bytes] = []

        async def keep(message: "Message") -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            assert message["type"] == "http.response.body"
            parts.append(message["body"])
            if not message.get("more_body"):
                await _send(start[0], b"".join(parts), Headers.from_scope(scope), send)

        await app(scope, receive, keep)

    return answer


async def _send(start: "HTTPResponseStartEvent", body: bytes, asked: Headers, send: "Send") -> None:
    if start["status"] == 200:
        tag = f'W/"{sha256(body).hexdigest()[:32]}"'
        start["headers"] = [*start["headers"], (b"etag", tag.encode())]
        known = {one.strip().removeprefix("W/") for one in asked.get("If-None-Match", "").split(",")}
        if tag.removeprefix("W/") in known or "*" in known:
            start["status"], body = 304, b""
            start["headers"] = [
                pair for pair in start["headers"] if not pair[0].lower().startswith(b"content-")
            ]
    await send(start)
    await send(cast("Message", {"type": "http.response.body", "body": body, "more_body": False}))
