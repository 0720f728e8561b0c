"""What the running service holds: one of each, made by `create_app`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar import Request
from sqlalchemy import Engine

from metrics.engine.store import Store
from tracker.auth.callers import Authenticator, Caller
from tracker.records.ledger import Author
from tracker.records.recorder import Recorder
from tracker.settings import Settings
from tracker.web.idempotency import KeysUnderWay
from tracker.web.problems import Page, Shape
from tracker.web.rejections import Rejections


class RawRequest(Request[Caller, Any, Any]):
    """A request whose JSON is left as bytes: bodies are parsed once, by the model that they are meant for."""

    async def json(self) -> bytes:
        body = await self.body()
        # Where it is refused, the one who keeps rejections wants to know the repository.
        self.state.raw_body = body
        return body


@dataclass(slots=True)
class Service:
    """The parts that handlers work with."""

    settings: Settings
    engine: Engine
    recorder: Recorder
    authenticator: Authenticator
    store: Store
    address: str
    """Where it listens, as a base URL."""
    error_shapes: Mapping[str, Shape] = field(default_factory=dict)
    """How failures are said under a path that begins so; elsewhere they are problem details."""
    error_page: Page | None = None
    """How failures are said to somebody who looks at a page."""
    keys_under_way: KeysUnderWay = field(default_factory=KeysUnderWay)
    rejections: Rejections = field(default_factory=Rejections)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service while it serves: the recorder works, and stops only with everything committed."""
        self.recorder.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.recorder.stop)
            self.store.close()
            self.engine.dispose()


def author_of(caller: Caller) -> Author:
    """Return the author of what the caller records."""
    return Author(caller.organization, caller.claims.subject, caller.claims.token_id)
