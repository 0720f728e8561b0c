"""Events on their way to a subscriber: each once in the table, under one id however often it is sent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from uuid_utils import uuid7

from metrics.domain.instants import DAY_MICROSECONDS
from metrics.wire.cursors import read_cursor, write_cursor
from tracker.errors import NotFound
from tracker.records.engine import write_transaction
from tracker.records.ledger import Ledger
from tracker.records.pages import Page
from tracker.retention import DELIVERY_DAYS
from tracker.webhooks.tables import DELIVERIES, WEBHOOKS

_MOST_ATTEMPTS_KEPT = 50


class DeliveryState(StrEnum):
    """What has become of an event on its way. Given up after a day; dropped with its subscriber."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver: when, and what came of it. `error` is None where the subscriber took it."""

    at: int
    seconds: float
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """An event as a subscriber is to read it."""

    sequence: int
    subject: str
    event: str
    action: str
    body: str


def enqueue(ledger: Ledger, webhook_id: str, deliveries: Sequence[NewDelivery], *, position: int) -> None:
    """Queue deliveries, and keep the revision they are collected up to. No event is queued twice."""
    columns = WEBHOOKS.c
    moved = ledger.connection.execute(
        update(WEBHOOKS)
        .where(
            columns.id == webhook_id,
            columns.position < position,
            columns.disabled_reason.is_(None),
        )
        .values(position=position)
    )
    if moved.rowcount and deliveries:
        ledger.connection.execute(
            insert(DELIVERIES),
            [
                {
                    "id": f"msg_{uuid7()}",
                    "webhook_id": webhook_id,
                    **asdict(one),
                    "state": DeliveryState.PENDING.value,
                    "created_at": ledger.now,
                    "pending_since": ledger.now,
                    "next_attempt_at": 0,
                    "attempts": [],
                }
                for one in deliveries
            ],
        )


def due_deliveries(connection: Connection, webhook_id: str, now: int, limit: int) -> Sequence[Row[Any]]:
    """List the deliveries that are due: of each subject the first pending one, where its time has come."""
    columns, earlier = DELIVERIES.c, DELIVERIES.alias("earlier")
    is_blocked = exists().where(
        earlier.c.webhook_id == columns.webhook_id,
        earlier.c.subject == columns.subject,
        earlier.c.state == DeliveryState.PENDING.value,
        earlier.c.sequence < columns.sequence,
    )
    return connection.execute(
        select(DELIVERIES)
        .where(
            columns.webhook_id == webhook_id,
            columns.state == DeliveryState.PENDING.value,
            columns.next_attempt_at <= now,
            ~is_blocked,
        )
        .order_by(columns.next_attempt_at, columns.sequence)
        .limit(limit)
    ).all()


def count_pending(connection: Connection, webhook_id: str) -> int:
    """Count a subscriber's pending deliveries."""
    columns = DELIVERIES.c
    pending = select(func.count()).where(
        columns.webhook_id == webhook_id, columns.state == DeliveryState.PENDING.value
    )
    return connection.execute(pending).scalar_one()


def settle(
    ledger: Ledger, delivery_id: str, attempt: Attempt, state: DeliveryState, next_attempt_at: int
) -> None:
    """Keep the result of a try, and when the next is due. What was dropped stays so, unless delivered."""
    columns = DELIVERIES.c
    row = ledger.connection.execute(
        select(columns.webhook_id, columns.subject, columns.attempts, columns.state).where(
            columns.id == delivery_id
        )
    ).first()
    if row is None:
        return
    if row.state != DeliveryState.PENDING and state is not DeliveryState.DELIVERED:
        state = DeliveryState(row.state)
    ledger.connection.execute(
        update(DELIVERIES)
        .where(columns.id == delivery_id)
        .values(
            state=state.value,
            next_attempt_at=next_attempt_at,
            attempts=[*row.attempts, asdict(attempt)][-_MOST_ATTEMPTS_KEPT:],
        )
    )
    # What waits behind it need not be looked at before.
    ledger.connection.execute(
        update(DELIVERIES)
        .where(
            columns.webhook_id == row.webhook_id,
            columns.subject == row.subject,
            columns.state == DeliveryState.PENDING.value,
        )
        .values(next_attempt_at=next_attempt_at if state is DeliveryState.PENDING else 0)
    )


def drop_pending(ledger: Ledger, webhook_id: str) -> None:
    """Drop the webhook's pending deliveries."""
    columns = DELIVERIES.c
    pending = and_(columns.webhook_id == webhook_id, columns.state == DeliveryState.PENDING.value)
    ledger.connection.execute(update(DELIVERIES).where(pending).values(state=DeliveryState.DROPPED.value))


def redeliver(ledger: Ledger, webhook_id: str, delivery_id: str) -> Row[Any]:
    """Send it again, under the same id. Raises `NotFound`."""
    find_delivery(ledger.connection, webhook_id, delivery_id)
    values = {"state": DeliveryState.PENDING.value, "pending_since": ledger.now, "next_attempt_at": 0}
    ledger.connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery_id).values(**values))
    return find_delivery(ledger.connection, webhook_id, delivery_id)


def find_delivery(connection: Connection, webhook_id: str, delivery_id: str) -> Row[Any]:
    """Find one delivery of a webhook. Raises `NotFound`."""
    columns = DELIVERIES.c
    row = connection.execute(
        select(DELIVERIES).where(columns.webhook_id == webhook_id, columns.id == delivery_id)
    ).first()
    if row is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    return row


def forget_old_deliveries(engine: Engine, now: int) -> int:
    """Remove deliveries that ended more than `DELIVERY_DAYS` ago; return how many."""
    columns = DELIVERIES.c
    old = and_(
        columns.state != DeliveryState.PENDING.value,
        columns.pending_since < now - DELIVERY_DAYS * DAY_MICROSECONDS,
    )
    with write_transaction(engine) as connection:
        return connection.execute(delete(DELIVERIES).where(old)).rowcount


def list_deliveries(
    connection: Connection, webhook_id: str, *, state: Sequence[str], limit: int, cursor: str | None
) -> Page[Row[Any]]:
    """A page of what a subscriber was or is to be told, the latest first. Raises `ParameterError`."""
    columns = DELIVERIES.c
    statement = select(DELIVERIES).where(columns.webhook_id == webhook_id)
    if state:
        statement = statement.where(columns.state.in_(state))
    if cursor is not None:
        statement = statement.where(columns.sequence < read_cursor(cursor, int)[0])
    rows = connection.execute(statement.order_by(columns.sequence.desc()).limit(limit + 1)).all()
    more = len(rows) > limit
    return Page(rows[:limit], write_cursor([rows[limit - 1].sequence]) if more else None)
