"""The table of tokens that are no longer honoured."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from tracker.records.tables import table


class RevokedToken(SQLModel, table=True):
    """A token that is no longer honoured, by its `jti`."""

    __tablename__ = "revoked_tokens"

    token_id: str = Field(primary_key=True)
    revoked_at: int = Field(sa_type=BigInteger)


REVOKED_TOKENS = table(RevokedToken)
