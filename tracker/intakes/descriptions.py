"""What a sender has said of a thing before there is a record of it: a release that is deployed later, say."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from tracker.intakes.events import Happened
from tracker.intakes.tables import SENDER_EVENTS
from tracker.records.ledger import Ledger


def describe(ledger: Ledger, organization: str, kind: str, key: str, fields: Mapping[str, Any]) -> None:
    """Keep what is said of the thing now, beside what was said before."""
    said = msgspec.json.encode([ledger.now, fields], order="deterministic")
    digest = hashlib.sha256(said).hexdigest()
    columns = SENDER_EVENTS.c
    of_it = (columns.organization == organization, columns.kind == kind, columns.key == key)
    if ledger.connection.scalar(select(columns.at).where(*of_it, columns.digest == digest)) is not None:
        return
    ledger.connection.execute(
        insert(SENDER_EVENTS).values(
            organization=organization,
            kind=kind,
            key=key,
            digest=digest,
            at=ledger.now,
            rank=0,
            state=Happened.DESCRIBED,
            fields=dict(fields),
            received_at=ledger.now,
        )
    )


def described(connection: Connection, organization: str, kind: str, key: str) -> dict[str, Any] | None:
    """All that was said of the thing, each as it was said last; None where nothing was."""
    columns = SENDER_EVENTS.c
    rows = connection.scalars(
        select(columns.fields)
        .where(columns.organization == organization, columns.kind == kind, columns.key == key)
        .order_by(columns.at, columns.digest)
    ).all()
    found: dict[str, Any] = {}
    for fields in rows:
        found |= fields
    return found if rows else None
