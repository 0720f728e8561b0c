"""The tables of subscribers, and of events on their way to them."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from tracker.records.tables import table

_PENDING = text("state = 'pending'")


class Webhook(SQLModel, table=True):
    """A subscriber; `position` is the last revision whose events are collected."""

    __tablename__ = "webhooks"

    id: str = Field(primary_key=True)
    organization: str = Field(index=True)
    url: str
    kind: str
    events: list[str] = Field(sa_type=JSON)
    secret: str
    created_at: int = Field(sa_type=BigInteger)
    created_by: str
    position: int = Field(sa_type=BigInteger)
    disabled_reason: str | None = None


class Delivery(SQLModel, table=True):
    """An event on its way to a subscriber. Those about one subject go out in the order of `sequence`."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("webhook_id", "sequence"),
        Index(
            "ix_webhook_deliveries_pending",
            "webhook_id",
            "subject",
            "sequence",
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
        Index(
            "ix_webhook_deliveries_due",
            "webhook_id",
            "next_attempt_at",
            "sequence",
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
    )

    id: str = Field(primary_key=True)
    webhook_id: str
    sequence: int = Field(sa_type=BigInteger)
    subject: str
    event: str
    action: str
    body: str
    state: str
    created_at: int = Field(sa_type=BigInteger)
    pending_since: int = Field(sa_type=BigInteger)
    next_attempt_at: int = Field(sa_type=BigInteger)
    attempts: list[dict[str, Any]] = Field(sa_type=JSON)


WEBHOOKS = table(Webhook)
DELIVERIES = table(Delivery)
