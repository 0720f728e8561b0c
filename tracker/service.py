"""What the running service holds: one of each, made by `create_app`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from litestar import Request
from sqlalchemy import Engine, select

from metrics.store import Store
from tracker.auth import Authenticator, Caller
from tracker.keys import load
from tracker.ledger import Author
from tracker.models import REVOKED_TOKENS
from tracker.recording import Recorder
from tracker.settings import Settings

# A revocation or a new key is honoured within this time, and well within the five seconds promised.
RELOAD_SECONDS = 2.0


class RawRequest(Request[Caller, Any, Any]):
    """A request whose JSON is left as bytes: bodies are parsed once, by the model that they are meant for."""

    async def json(self) -> bytes:
        return await self.body()


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that handlers work with."""

    settings: Settings
    engine: Engine
    recorder: Recorder
    authenticator: Authenticator
    store: Store

    def reload_authentication(self) -> None:
        """Take up keys and revocations as they now are."""
        self.authenticator.reload(load(self.settings.key_ring_file), revoked_tokens(self.engine))

    async def keep_authentication_fresh(self) -> None:
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            # While the file or the database cannot be read, what was known before stays in force.
            with contextlib.suppress(Exception):
                await asyncio.to_thread(self.reload_authentication)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service while it serves: the recorder works, and stops only with everything committed."""
        self.recorder.start()
        refresher = asyncio.create_task(self.keep_authentication_fresh())
        try:
            yield
        finally:
            refresher.cancel()
            await asyncio.to_thread(self.recorder.stop)
            self.store.close()
            self.engine.dispose()


def revoked_tokens(engine: Engine) -> frozenset[str]:
    """The ids of all tokens that have been revoked."""
    with engine.connect() as connection:
        return frozenset(connection.scalars(select(REVOKED_TOKENS.c.token_id)))


def author_of(caller: Caller) -> Author:
    """The caller as the one who records."""
    return Author(caller.organization, caller.claims.subject, caller.claims.token_id)
