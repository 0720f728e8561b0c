"""The tables of intakes, of what came through them, and of what senders have told of one thing."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel

from tracker.records.tables import table


class Intake(SQLModel, table=True):
    """Where one system's events come in for an organization; instants in microseconds."""

    __tablename__ = "intakes"
    __table_args__ = (Index("ix_intakes_organization", "organization"),)

    id: str = Field(primary_key=True)
    organization: str
    source: str
    secrets: list[str] = Field(sa_type=JSON)
    repositories: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    """Patterns of the repositories that its events may tell of; none: all."""
    defaults: dict[str, str] = Field(sa_type=JSON)
    """What a record says where the event does not: repository_url, service, environment, team."""
    production: list[str] = Field(sa_type=JSON)
    """Patterns of environments that are production, whatever their name."""
    names: dict[str, dict[str, str]] = Field(sa_type=JSON)
    """By the sender's name of a service what a record says for it."""
    options: dict[str, str] = Field(sa_type=JSON)
    created_at: int = Field(sa_type=BigInteger)
    created_by: str


class EventDelivery(SQLModel, table=True):
    """An event that came, and what became of it."""

    __tablename__ = "event_deliveries"
    __table_args__ = (
        Index("ix_event_deliveries_organization", "organization", "id"),
        Index("ix_event_deliveries_received", "received_at"),
    )

    id: str = Field(primary_key=True)
    organization: str
    intake_id: str | None = None
    source: str
    delivery_id: str | None = None
    event: str
    received_at: int = Field(sa_type=BigInteger)
    outcome: str
    reason: str | None = None
    records: list[str] = Field(sa_type=JSON)
    unmapped: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    """The sender's names of services for which the intake knows no repository."""


class SenderEvent(SQLModel, table=True):
    """One state of a deployment or an incident, as its sender told it; a repeat is the same row."""

    __tablename__ = "sender_events"
    __table_args__ = (Index("ix_sender_events_received", "received_at"),)

    organization: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    at: int = Field(sa_type=BigInteger)
    """The sender's own time of it, in microseconds."""
    rank: int = Field(sa_type=BigInteger)
    state: str
    fields: dict[str, Any] = Field(sa_type=JSON)
    received_at: int = Field(sa_type=BigInteger)


INTAKES = table(Intake)
EVENT_DELIVERIES = table(EventDelivery)
SENDER_EVENTS = table(SenderEvent)
