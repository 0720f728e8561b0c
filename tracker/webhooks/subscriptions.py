"""Who is told of events."""

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection, Row, delete, insert, select, update
from uuid_utils import uuid7

from tracker.errors import NotFound
from tracker.records.ledger import Author, Ledger
from tracker.webhooks.deliveries import drop_pending
from tracker.webhooks.events import EventKind, head_revision
from tracker.webhooks.tables import DELIVERIES, WEBHOOKS

SECRET_PREFIX = "whsec_"
_SECRET_BYTES = 24


class SubscriberKind(StrEnum):
    """What a subscriber understands: Standard Webhooks, or also what GitHub sends."""

    STANDARD = "standard"
    GITHUB = "github"


EVENTS: Mapping[SubscriberKind, Sequence[EventKind]] = {
    SubscriberKind.STANDARD: tuple(EventKind),
    SubscriberKind.GITHUB: (EventKind.DEPLOYMENT, EventKind.DEPLOYMENT_STATUS),
}
"""What a subscriber of each kind can be told of."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscriber, and up to which revision its events are on their way."""

    id: str
    organization: str
    url: str
    kind: SubscriberKind
    events: Sequence[EventKind]
    secret: str
    created_at: int
    created_by: str
    position: int
    disabled_reason: str | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        columns = dict(row._mapping)
        columns["kind"] = SubscriberKind(row.kind)
        columns["events"] = tuple(EventKind(name) for name in row.events)
        return cls(**columns)


def new_secret() -> str:
    """Make a secret in the form of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signing_key(secret: str) -> bytes:
    """The bytes that a secret stands for. Raises `ValueError`."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("must be whsec_ and base64, or another text") from error


def subscribe(
    ledger: Ledger,
    author: Author,
    *,
    url: str,
    kind: SubscriberKind,
    events: Sequence[EventKind],
    secret: str,
) -> Subscription:
    """Create a webhook that is sent what happens from now on."""
    row = {
        "id": str(uuid7()),
        "organization": author.organization,
        "url": url,
        "kind": kind.value,
        "events": [event.value for event in events],
        "secret": secret,
        "created_at": ledger.now,
        "created_by": author.subject,
        "position": head_revision(ledger.connection),
        "disabled_reason": None,
    }
    ledger.connection.execute(insert(WEBHOOKS).values(**row))
    return find_subscription(ledger.connection, author.organization, str(row["id"]))


def change_subscription(
    ledger: Ledger, author: Author, webhook_id: str, changes: Mapping[str, Any]
) -> Subscription:
    """Change what `changes` names. A webhook that is enabled again is sent what happens from then on.

    Raises `NotFound`.
    """
    current = find_subscription(ledger.connection, author.organization, webhook_id)
    values = dict(changes)
    if "disabled_reason" in values:
        if values["disabled_reason"] is None and current.disabled_reason is not None:
            values["position"] = head_revision(ledger.connection)
        elif values["disabled_reason"] is not None:
            drop_pending(ledger, webhook_id)
    if values:
        ledger.connection.execute(update(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id).values(**values))
    return find_subscription(ledger.connection, author.organization, webhook_id)


def unsubscribe(ledger: Ledger, author: Author, webhook_id: str) -> None:
    """Delete the webhook and drop its pending deliveries. Raises `NotFound`."""
    find_subscription(ledger.connection, author.organization, webhook_id)
    ledger.connection.execute(delete(DELIVERIES).where(DELIVERIES.c.webhook_id == webhook_id))
    ledger.connection.execute(delete(WEBHOOKS).where(WEBHOOKS.c.id == webhook_id))


def find_subscription(connection: Connection, organization: str, webhook_id: str) -> Subscription:
    """Find one webhook of the organization. Raises `NotFound`."""
    columns = WEBHOOKS.c
    row = connection.execute(
        select(WEBHOOKS).where(columns.id == webhook_id, columns.organization == organization)
    ).first()
    if row is None:
        raise NotFound(f"There is no webhook {webhook_id}.")
    return Subscription.from_row(row)


def list_subscriptions(connection: Connection, organization: str) -> list[Subscription]:
    """List the organization's webhooks, the oldest first."""
    columns = WEBHOOKS.c
    statement = select(WEBHOOKS).where(columns.organization == organization)
    return [Subscription.from_row(row) for row in connection.execute(statement.order_by(columns.id))]


def enabled_subscriptions(connection: Connection) -> list[Subscription]:
    """List the enabled webhooks."""
    statement = select(WEBHOOKS).where(WEBHOOKS.c.disabled_reason.is_(None)).order_by(WEBHOOKS.c.id)
    return [Subscription.from_row(row) for row in connection.execute(statement)]


def disable(ledger: Ledger, subscription: Subscription, reason: str) -> None:
    """Disable the webhook; one whose URL has changed meanwhile stays enabled."""
    columns = WEBHOOKS.c
    disabled = ledger.connection.execute(
        update(WEBHOOKS)
        .where(columns.id == subscription.id, columns.url == subscription.url)
        .values(disabled_reason=reason)
    )
    if disabled.rowcount:
        drop_pending(ledger, subscription.id)
