"""A body that is read as it comes, while it is seen whether its sender is still there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar.exceptions import InternalServerException

from tracker.transfer.ndjson import InputError
from tracker.web.paging import CallerRequest

# Pieces that wait; the sender waits after that.
_MOST_WAITING = 4


class IncomingBody:
    """The pieces of a body, a few of them read ahead."""

    def __init__(self, request: CallerRequest, seconds: float) -> None:
        """`seconds` is the longest time between two pieces."""
        self._request = request
        self._seconds = seconds
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_WAITING)
        self._has_left = False

    def require_sender(self) -> None:
        """Raises `InternalServerException`, as the framework does, where the sender has left."""
        if self._has_left:
            raise InternalServerException("client disconnected prematurely")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Every piece in order. Raises `InputError` where the next one does not come in time."""
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    piece = await self._waiting.get()
            except TimeoutError:
                raise InputError(f"nothing has come for {self._seconds:g} s") from None
            self.require_sender()
            if piece is None:
                return
            yield piece

    async def take_in(self) -> None:
        """Read pieces until the end of the body, then wait until the sender leaves."""
        while (message := await self._request.receive())["type"] == "http.request":
            await self._waiting.put(message["body"])
            if not message["more_body"]:
                await self._waiting.put(None)
        self._has_left = True
        await self._waiting.put(None)


@asynccontextmanager
async def incoming_body(request: CallerRequest, seconds: float) -> AsyncIterator[IncomingBody]:
    """The body of a request, taken in while it is worked on."""
    body = IncomingBody(request, seconds)
    taking_in = asyncio.create_task(body.take_in())
    try:
        yield body
    finally:
        taking_in.cancel()
