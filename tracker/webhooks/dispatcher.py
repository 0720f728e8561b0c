"""Brings events to subscribers: at least once, in order for each subject, for a day, whatever happens here.

One process at a time does so, the one with the lease. What it does is in the database before and after each
step, so that another goes on where it was.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy import Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from metrics.domain.instants import now_microseconds
from tracker.egress import Network
from tracker.records.leases import release, take
from tracker.records.ledger import Ledger
from tracker.records.recorder import Recorder
from tracker.webhooks.collector import Collector, read
from tracker.webhooks.deliveries import (
    Attempt,
    DeliveryState,
    due_deliveries,
    settle,
)
from tracker.webhooks.retry import GIVE_UP_SECONDS, SECOND, retry_seconds
from tracker.webhooks.sender import DeliveryResult, OutgoingWebhook, send
from tracker.webhooks.subscriptions import Subscription, disable, enabled_subscriptions

LEASE_SECONDS, RENEW_SECONDS = 15, 5
_LEASE = "webhooks"
_SENT_AT_ONCE = 8
_GONE = 410
_LOOK_SECONDS, _SHORTEST_LOOK_SECONDS = 1.0, 0.05
_log = structlog.get_logger("tracker.webhooks")


@dataclass(slots=True)
class Dispatcher:
    """Collects events and delivers them, as long as it runs."""

    engine: Engine
    recorder: Recorder
    collector: Collector
    allowed: Sequence[Network] = ()
    clock: Callable[[], int] = now_microseconds
    holder: str = field(default_factory=lambda: str(uuid4()))
    _leased_until: int = 0
    _under_way: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver events in the background; deliveries under way at the end are sent again later."""
        loop = asyncio.get_running_loop()
        self.recorder.on_commit = partial(loop.call_soon_threadsafe, self._wake.set)
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            self.recorder.on_commit = None
            tasks = [work, *self._under_way.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._leased_until:
                with contextlib.suppress(SQLAlchemyError):
                    await self.recorder.record(lambda ledger: release(ledger, _LEASE, self.holder))

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            somebody_listens = False
            try:
                somebody_listens = await self.look()
            except SQLAlchemyError as failure:
                _log.warning("events cannot be read, will be tried again", failure=_reason(failure))
            if not somebody_listens:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            await asyncio.sleep(_SHORTEST_LOOK_SECONDS)
            # `asyncio.wait_for` would forget that it was cancelled where it is woken just then.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wake.wait()

    async def look(self) -> bool:
        """Collect new events and send what is due; return whether there is any subscriber."""
        subscriptions = await read(self.engine, enabled_subscriptions)
        if not subscriptions or not await self._has_lease():
            return False
        for subscription in subscriptions:
            try:
                if await self.collector.collect(subscription):
                    self._wake.set()
                await self._send_due(subscription)
            except SQLAlchemyError:
                raise
            except Exception:  # noqa: BLE001 - what is wrong with one's events must not hold up the others'
                _log.exception("the events of a webhook cannot be told", webhook=subscription.id)
        return True

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _has_lease(self) -> bool:
        now = self.clock()
        if self._leased_until - now < (LEASE_SECONDS - RENEW_SECONDS) * SECOND:
            until = now + LEASE_SECONDS * SECOND
            has_it = await self.recorder.record(lambda ledger: take(ledger, _LEASE, self.holder, now, until))
            self._leased_until = until if has_it else 0
        return self._leased_until > now

    async def _send_due(self, subscription: Subscription) -> None:
        free = _SENT_AT_ONCE - sum(webhook_id == subscription.id for webhook_id, _ in self._under_way)
        if free <= 0:
            return
        now = self.clock()
        due = await read(
            self.engine,
            # What is under way is due as well, until it is settled.
            lambda connection: due_deliveries(connection, subscription.id, now, _SENT_AT_ONCE + free),
        )
        for row in due:
            key = (subscription.id, row.subject)
            if free and key not in self._under_way:
                free -= 1
                self._under_way[key] = asyncio.create_task(self._deliver(subscription, row, key))

    async def _deliver(self, subscription: Subscription, row: Row[Any], key: tuple[str, str]) -> None:
        try:
            outgoing = OutgoingWebhook(
                id=row.id,
                url=subscription.url,
                secret=subscription.secret,
                event=row.event,
                body=row.body,
                headers_of=self.collector.shapes[subscription.kind].headers_of,
            )
            at = self.clock()
            result = await send(outgoing, self.allowed)
            await self._settle(subscription, row, at, result)
        except SQLAlchemyError as failure:
            # It stays pending, and goes out again under the same id.
            _log.warning("a delivery cannot be noted", delivery=row.id, failure=_reason(failure))
        finally:
            del self._under_way[key]
            self._wake.set()

    async def _settle(
        self, subscription: Subscription, row: Row[Any], at: int, result: DeliveryResult
    ) -> None:
        attempt = Attempt(at, round(result.seconds, 3), result.status, result.error)
        if result.is_taken:
            state, next_at = DeliveryState.DELIVERED, 0
        else:
            # Those of an earlier delivery that was asked for again say nothing of this one.
            tries = [one["at"] for one in row.attempts if one["at"] >= row.pending_since]
            next_at = self.clock() + round(retry_seconds(len(tries) + 1, result.retry_after) * SECOND)
            has_time = next_at - min([at, *tries]) < GIVE_UP_SECONDS * SECOND
            state = DeliveryState.PENDING if has_time else DeliveryState.GIVEN_UP

        def act(ledger: Ledger) -> None:
            settle(ledger, row.id, attempt, state, next_at)
            if result.status == _GONE:
                disable(ledger, subscription, "it answered 410 Gone")

        await self.recorder.record(act)


def _reason(failure: SQLAlchemyError) -> str:
    """Return the database's message, without the statement and its parameters."""
    return str(getattr(failure, "orig", failure))
