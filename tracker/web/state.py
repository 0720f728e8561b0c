"""What the running service holds: one of each, made by `create_app`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from litestar import Request
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from metrics.domain.instants import now_microseconds
from metrics.domain.settings import OrganizationSettings
from metrics.engine.store import Store
from tracker.auth.callers import Authenticator, Caller
from tracker.auth.keys import KeyRingError, load_keys
from tracker.auth.tokens import revoked_tokens
from tracker.jobs.logs import forget_old_logs
from tracker.organizations.service import read_all_settings
from tracker.records.ledger import Author
from tracker.records.recorder import Recorder
from tracker.settings import Settings
from tracker.web.idempotency import KeysUnderWay, forget_old_keys
from tracker.web.rejections import Rejections, forget_old_rejections
from tracker.webhooks.deliveries import forget_old_deliveries

# A revocation or a new key is honoured within this time, and well within the five seconds promised.
REFRESH_SECONDS = 2.0
CLEAN_UP_SECONDS = 3_600.0

_log = structlog.get_logger("tracker")


class RawRequest(Request[Caller, Any, Any]):
    """A request whose JSON is left as bytes: bodies are parsed once, by the model that they are meant for."""

    async def json(self) -> bytes:
        body = await self.body()
        # Where it is refused, the one who keeps rejections wants to know the repository.
        self.state.raw_body = body
        return body


@dataclass(frozen=True, slots=True)
class Service:
    """The parts that handlers work with."""

    settings: Settings
    engine: Engine
    recorder: Recorder
    authenticator: Authenticator
    store: Store
    keys_under_way: KeysUnderWay = field(default_factory=KeysUnderWay)
    rejections: Rejections = field(default_factory=Rejections)
    _settings_seen: dict[str, OrganizationSettings] = field(default_factory=dict)

    def settings_of(self, organization: str) -> OrganizationSettings:
        """The organization's settings as they were a moment ago: good enough to word a warning."""
        return self._settings_seen.get(organization, OrganizationSettings())

    def refresh(self) -> None:
        """Take up keys, revocations and settings as they now are."""
        self.authenticator.reload(load_keys(self.settings), revoked_tokens(self.engine))
        with self.engine.connect() as connection:
            self._settings_seen.update(read_all_settings(connection))

    def clean_up(self) -> None:
        """Remove what is kept for some time only."""
        now = now_microseconds()
        forget_old_keys(self.engine, now)
        forget_old_rejections(self.engine, now)
        forget_old_deliveries(self.engine, now)
        forget_old_logs(self.engine, now)

    def keep_rejections(self) -> None:
        """Write down what was refused since the last time."""
        self.rejections.flush(self.engine)

    async def _repeat(self, act: Callable[[], None], every_seconds: float) -> None:
        while True:
            try:
                await asyncio.to_thread(act)
            except (SQLAlchemyError, KeyRingError) as failure:
                # While the database or the key ring cannot be read, what was known before stays in force.
                _log.warning("could not be done, will be tried again", act=act.__name__, failure=str(failure))
            await asyncio.sleep(every_seconds)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service while it serves: the recorder works, and stops only with everything committed."""
        self.recorder.start()
        chores = [
            asyncio.create_task(self._repeat(self.refresh, REFRESH_SECONDS)),
            asyncio.create_task(self._repeat(self.keep_rejections, REFRESH_SECONDS)),
            asyncio.create_task(self._repeat(self.clean_up, CLEAN_UP_SECONDS)),
        ]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.to_thread(self.recorder.stop)
            with contextlib.suppress(SQLAlchemyError):
                await asyncio.to_thread(self.keep_rejections)
            self.store.close()
            self.engine.dispose()


def author_of(caller: Caller) -> Author:
    """The caller as the one who records."""
    return Author(caller.organization, caller.claims.subject, caller.claims.token_id)
