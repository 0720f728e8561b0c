"""What the service does beside answering: taking up keys and revocations, writing down what was refused, and
removing what is kept for some time only.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from metrics.domain.instants import now_microseconds
from tracker.auth.keys import KeyRingError, load_keys
from tracker.auth.register import expiring_tokens, forget_old_tokens, note_uses
from tracker.auth.tokens import revoked_tokens
from tracker.auth.trusts import forget_old_job_tokens, load_trusts, note_trust_uses
from tracker.intakes.deliveries import forget_old_events
from tracker.jobs.logs import forget_old_logs
from tracker.telemetry import EXPIRING_TOKENS, NEXT_TOKEN_EXPIRY
from tracker.web.idempotency import forget_old_keys
from tracker.web.rejections import forget_old_rejections
from tracker.web.state import Service
from tracker.webhooks.deliveries import forget_old_deliveries

# A revocation or a new key is honoured within this time, and well within the five seconds promised.
REFRESH_SECONDS = 2.0
CLEAN_UP_SECONDS = 3_600.0
TELL_SECONDS = 60.0
_FORGETTING = (
    forget_old_keys,
    forget_old_rejections,
    forget_old_deliveries,
    forget_old_events,
    forget_old_tokens,
    forget_old_job_tokens,
    forget_old_logs,
)
_log = structlog.get_logger("tracker")


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """The chores of a running service."""

    service: Service
    told: dict[str, date] = field(default_factory=dict)
    """The tokens that were told of, each with the day."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the chores in the background while the service serves."""
        chores = [
            asyncio.create_task(self._repeat(self.refresh, REFRESH_SECONDS)),
            asyncio.create_task(self._repeat(self.keep_rejections, REFRESH_SECONDS)),
            asyncio.create_task(self._repeat(self.keep_uses, REFRESH_SECONDS)),
            asyncio.create_task(self._repeat(self.tell_expiring, TELL_SECONDS)),
            asyncio.create_task(self._repeat(self.clean_up, CLEAN_UP_SECONDS)),
        ]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            with contextlib.suppress(SQLAlchemyError):
                await asyncio.to_thread(self.keep_rejections)

    def refresh(self) -> None:
        """Take up keys, revocations and trusts as they now are."""
        service = self.service
        service.authenticator.reload(
            load_keys(service.settings), revoked_tokens(service.engine), load_trusts(service.engine)
        )

    def keep_rejections(self) -> None:
        """Write the refused posts since the last time."""
        self.service.rejections.flush(self.service.engine)

    def keep_uses(self) -> None:
        """Write down which tokens and trusts were used since the last time."""
        note_uses(self.service.engine, self.service.authenticator.take_uses().values())
        note_trust_uses(self.service.engine, self.service.authenticator.take_trust_uses())

    def tell_expiring(self) -> None:
        """Say which tokens in use expire soon: in the log once a day, and in the figures."""
        expiring = expiring_tokens(self.service.engine)
        EXPIRING_TOKENS.set(len(expiring))
        NEXT_TOKEN_EXPIRY.set(expiring[0].expires_at.timestamp() if expiring else math.nan)
        today = datetime.now(UTC).date()
        for token in expiring:
            if self.told.get(token.id) != today:
                self.told[token.id] = today
                _log.warning(
                    "a token expires soon",
                    organization=token.organization,
                    subject=token.subject,
                    token_id=token.id,
                    expires_at=token.expires_at.isoformat(),
                )

    def clean_up(self) -> None:
        """Remove what is older than `tracker.retention` says."""
        engine, now = self.service.engine, now_microseconds()
        for forget in _FORGETTING:
            forget(engine, now)

    async def _repeat(self, chore: Callable[[], None], every_seconds: float) -> None:
        while True:
            try:
                await asyncio.to_thread(chore)
            except (SQLAlchemyError, KeyRingError) as failure:
                # While the database or the key ring cannot be read, what was known before stays in force.
                _log.warning(
                    "could not be done, will be tried again", act=chore.__name__, failure=str(failure)
                )
            await asyncio.sleep(every_seconds)
