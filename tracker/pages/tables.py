"""The table of badges."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel

from tracker.records.tables import table


class Badge(SQLModel, table=True):
    """A figure behind a public link; `repositories` is how far the token reached that made it."""

    __tablename__ = "badges"
    __table_args__ = (Index("ix_badges_organization", "organization"),)

    id: str = Field(primary_key=True)
    organization: str
    metric: str
    parameters: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    repositories: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    created_at: int = Field(sa_type=BigInteger)
    created_by: str


BADGES = table(Badge)
