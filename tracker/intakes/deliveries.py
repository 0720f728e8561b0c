"""What came in and what became of it, for thirty days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection, Engine, Row, delete, insert, select
from uuid_utils import uuid7

from metrics.domain.instants import DAY_MICROSECONDS, from_microseconds, now_microseconds
from metrics.domain.vocabulary import name_key
from tracker.intakes.store import Intake
from tracker.intakes.tables import EVENT_DELIVERIES, SENDER_EVENTS
from tracker.records.engine import write_transaction
from tracker.retention import EVENT_DAYS, SENDER_STATE_DAYS

_MOST_LOOKED_AT = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDelivery:
    """An event that came, and what became of it."""

    id: str
    organization: str
    intake_id: str | None
    source: str
    delivery_id: str | None
    event: str
    received_at: datetime
    outcome: str
    reason: str | None
    records: Sequence[str]
    unmapped: Sequence[str]
    """The sender's names of services for which the intake knows no repository."""

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        columns = dict(row._mapping)
        received_at = from_microseconds(columns["received_at"])
        return cls(**{**columns, "received_at": received_at, "unmapped": columns["unmapped"] or []})


def note_delivery(connection: Connection, **columns: Any) -> None:
    """Write down that an event came."""
    row = {"id": str(uuid7()), "received_at": now_microseconds(), **columns}
    connection.execute(insert(EVENT_DELIVERIES).values(**row))


def list_deliveries(
    connection: Connection,
    organization: str,
    *,
    source: str | None = None,
    outcome: str | None = None,
    intake_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> Sequence[EventDelivery]:
    """The events of an organization, the latest first; those before the one with the id `before`."""
    columns = EVENT_DELIVERIES.c
    query = select(EVENT_DELIVERIES).where(columns.organization == organization)
    for column, wanted in (
        (columns.source, source),
        (columns.outcome, outcome),
        (columns.intake_id, intake_id),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(columns.id < before)
    rows = connection.execute(query.order_by(columns.id.desc()).limit(limit))
    return [EventDelivery.from_row(row) for row in rows]


def unmapped_names(connection: Connection, intake: Intake) -> Sequence[str]:
    """The sender's names of services that came lately, and for which the intake knows no repository yet."""
    columns = EVENT_DELIVERIES.c
    of_it = (columns.organization == intake.organization, columns.intake_id == intake.id)
    rows = connection.scalars(
        select(columns.unmapped)
        .where(*of_it, columns.unmapped.is_not(None))
        .order_by(columns.id.desc())
        .limit(_MOST_LOOKED_AT)
    )
    names = {name_key(name): name for row in rows for name in row}
    return sorted(name for name in names.values() if intake.unmapped_name({"service": name}) is not None)


def forget_old_events(engine: Engine, now: int) -> None:
    """Remove what came long ago. `now` in microseconds."""
    with write_transaction(engine) as connection:
        for table, days in ((EVENT_DELIVERIES, EVENT_DAYS), (SENDER_EVENTS, SENDER_STATE_DAYS)):
            connection.execute(delete(table).where(table.c.received_at < now - days * DAY_MICROSECONDS))
