"""The tables of idempotency keys and of refused posts."""

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from tracker.records.tables import table


class IdempotencyKey(SQLModel, table=True):
    """The first answer to an `Idempotency-Key`, per organization and route."""

    __tablename__ = "idempotency_keys"

    organization: str = Field(primary_key=True)
    route: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    fingerprint: str
    status_code: int
    location: str
    body: str
    created_at: int = Field(sa_type=BigInteger, index=True)


class RejectedPost(SQLModel, table=True):
    """A post that was not recorded: why, and nothing of what it held."""

    __tablename__ = "rejections"
    __table_args__ = (Index("ix_rejections_listed", "organization", "rejected_at"),)

    id: str = Field(primary_key=True)
    organization: str
    rejected_at: int = Field(sa_type=BigInteger)
    route: str
    repository_key: str | None = None
    repository_host: str | None = None
    repository_path: str | None = None
    token_id: str | None = None
    code: str
    detail: str


IDEMPOTENCY_KEYS = table(IdempotencyKey)
REJECTIONS = table(RejectedPost)
