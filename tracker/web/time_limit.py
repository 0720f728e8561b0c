"""How long a request may take: the time until its answer begins, and what runs for somebody who has left."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypedDict

import msgspec
from litestar.enums import ScopeType

from metrics.engine.askers import ASKER, Asker
from tracker.errors import RETRY_AFTER_SECONDS

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Message, Receive, Scope, Send

# Whose handlers change nothing: whoever has left misses nothing where they are stopped.
_SAFE = frozenset({"GET", "HEAD"})
_LIMIT: ContextVar[asyncio.Timeout] = ContextVar("limit")


def allow(seconds: float) -> None:
    """Let the request that is being answered take so long from now on."""
    _LIMIT.get().reschedule(asyncio.get_running_loop().time() + seconds)


class TimeLimit:
    """Ends requests whose answer does not begin in time, and those that nobody waits for any more."""

    def __init__(self, app: "ASGIApp", seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send, self._seconds)
        ASKER.set(exchange.asker)
        try:
            async with asyncio.timeout(self._seconds) as limit:
                _LIMIT.set(limit)
                if scope["method"] in _SAFE:
                    async with exchange.watched() as watched:
                        await self._app(scope, watched, exchange.send)
                else:
                    await self._app(scope, exchange.receive, exchange.send)
        except TimeoutError:
            if not limit.expired():
                raise
            exchange.asker.leave()
            if not exchange.has_begun:
                await _answer(scope, send, exchange)


class _Exchange:
    """A request and its answer, as far as they have come."""

    def __init__(self, receive: "Receive", send: "Send", seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self.asker = Asker()
        self.is_reading = False
        self.has_begun = False

    async def receive(self) -> "HTTPReceiveMessage":
        self.is_reading = True
        message = await self._receive()
        self.is_reading = False
        return message  # type: ignore[return-value]  # what the server receives, the application is given

    async def send(self, message: "Message") -> None:
        """Send a part of the answer, which must be taken in time as well."""
        self.has_begun = True
        allow(self._seconds)
        await self._send(message)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator["Receive"]:
        """What the application receives of a request without a body, while it is seen who waits."""
        left = asyncio.get_running_loop().create_future()

        async def watch() -> None:
            while (message := await self._receive())["type"] != "http.disconnect":
                pass
            self.asker.leave()
            left.set_result(message)

        received = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> "HTTPReceiveMessage":
            return received.pop() if received else await asyncio.shield(left)  # type: ignore[return-value]

        watching = asyncio.create_task(watch())
        try:
            yield receive
        finally:
            watching.cancel()


class _TooSlow(TypedDict):
    """Problem details, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


async def _answer(scope: "HTTPScope", send: "Send", exchange: _Exchange) -> None:
    problem = _body_too_slow() if exchange.is_reading else _answer_too_slow(scope["method"])
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    if not exchange.is_reading:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    await send({"type": "http.response.start", "status": problem["status"], "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem), "more_body": False})


def _body_too_slow() -> _TooSlow:
    detail = "The body of the request has not come in time."
    return _TooSlow(
        type="urn:tracker:problem:too-slow", title="The request is too slow", status=408, detail=detail
    )


def _answer_too_slow(method: str) -> _TooSlow:
    detail = "The answer has not been found in time; ask for less, or try again."
    if method not in _SAFE:
        detail = (
            "It is not known yet whether this was done. Send it again as it is: with a "
            "deployment_node_id, a key or an Idempotency-Key it is done once."
        )
    return _TooSlow(
        type="urn:tracker:problem:took-too-long", title="It took too long", status=503, detail=detail
    )
