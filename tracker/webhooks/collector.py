"""Collects events for subscribers: reads them off the revisions, and puts them on their way."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, Engine

from tracker.records.ledger import Ledger
from tracker.records.recorder import Recorder
from tracker.webhooks.deliveries import NewDelivery, count_pending, enqueue
from tracker.webhooks.events import read_events
from tracker.webhooks.shapes import WebhookShape
from tracker.webhooks.subscriptions import SubscriberKind, Subscription

T = TypeVar("T")
_EVENTS_AT_ONCE = 200
_REVISIONS_UNNOTED = 1_000
_COLLECT_SECONDS, _MOST_PENDING = 0.2, 10_000


async def read(engine: Engine, act: Callable[[Connection], T]) -> T:
    """Run a read on a thread of its own and return its result."""

    def reading() -> T:
        with engine.connect() as connection:
            return act(connection)

    return await asyncio.to_thread(reading)


@dataclass(slots=True)
class Collector:
    """Knows how far each subscriber's events are collected."""

    engine: Engine
    recorder: Recorder
    shapes: Mapping[SubscriberKind, WebhookShape]
    base_of: Callable[[], str]
    """Where subscribers find the service, as a base URL."""
    _positions: dict[str, int] = field(default_factory=dict)
    _collected_at: dict[str, float] = field(default_factory=dict)

    async def collect(self, subscription: Subscription) -> bool:
        """Queue some of a subscriber's events, few enough not to delay recording.

        What is not collected yet is in the records, and waits there as safely. Returns whether there may be
        more.
        """
        now = time.monotonic()
        if now - self._collected_at.get(subscription.id, 0.0) < _COLLECT_SECONDS:
            return False
        self._collected_at[subscription.id] = now
        position = max(subscription.position, self._positions.get(subscription.id, 0))
        while True:
            deliveries, reached = await read(
                self.engine,
                lambda connection, after=position: self._deliveries(connection, subscription, after),  # type: ignore[misc]
            )
            # A position that only passes by what is no news is written down now and then.
            if deliveries or reached - subscription.position > _REVISIONS_UNNOTED:
                await self._enqueue(subscription, deliveries, reached)
            self._positions[subscription.id] = reached
            if deliveries or reached == position:
                return bool(deliveries)
            position = reached

    async def _enqueue(
        self, subscription: Subscription, deliveries: Sequence[NewDelivery], position: int
    ) -> None:
        def act(ledger: Ledger) -> None:
            enqueue(ledger, subscription.id, deliveries, position=position)

        await self.recorder.record(act)

    def _deliveries(
        self, connection: Connection, subscription: Subscription, after: int
    ) -> tuple[list[NewDelivery], int]:
        if count_pending(connection, subscription.id) >= _MOST_PENDING:
            return [], after
        page = read_events(connection, subscription.organization, after, _EVENTS_AT_ONCE)
        render, base = self.shapes[subscription.kind].render, self.base_of()
        wanted = [event for event in page.events if event.kind in subscription.events]
        rendered = [(event, render(event, subscription.organization, base)) for event in wanted]
        return [
            NewDelivery(event.sequence, event.subject, event.kind, event.action, body)
            for event, body in rendered
            if body is not None
        ], page.position
