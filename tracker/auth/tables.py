"""The tables of tokens: those that were minted or used here, and those that are no longer honoured."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index
from sqlmodel import Field, SQLModel

from tracker.records.tables import table


class MintedToken(SQLModel, table=True):
    """What is known of a token, and nothing to sign in with; instants in microseconds."""

    __tablename__ = "tokens"
    __table_args__ = (Index("ix_tokens_organization", "organization"),)

    token_id: str = Field(primary_key=True)
    organization: str
    subject: str
    scope: str
    repositories: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    minted_by: str | None = None
    """None of a token that was minted before this was written down."""
    minted_at: int | None = Field(default=None, sa_type=BigInteger)
    expires_at: int = Field(sa_type=BigInteger)
    last_used_at: int | None = Field(default=None, sa_type=BigInteger)
    is_session: bool = False
    """Whether it is a browser's session that a link has opened, and no token that anybody keeps."""


class RevokedToken(SQLModel, table=True):
    """A token that is no longer honoured, by its `jti`, or a session by its `sid`."""

    __tablename__ = "revoked_tokens"

    token_id: str = Field(primary_key=True)
    revoked_at: int = Field(sa_type=BigInteger)
    needed_until: int | None = Field(default=None, sa_type=BigInteger)
    """In microseconds: after it a session or a link is over by itself. None for a token."""


class Trust(SQLModel, table=True):
    """An issuer of OIDC tokens whose jobs may record for an organization, and which jobs; instants in
    microseconds.
    """

    __tablename__ = "trusts"
    __table_args__ = (Index("ix_trusts_organization", "organization"),)

    id: str = Field(primary_key=True)
    organization: str
    kind: str
    issuer: str
    audience: str | None = None
    """An audience that its tokens may have beside the service's own."""
    claims: dict[str, list[str]] = Field(sa_type=JSON)
    """By claim the texts of which it must be one, a * standing for any characters."""
    repositories: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    environments: list[str] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    allow_pull_requests: bool = False
    allow_any_commit: bool = False
    jwks: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    """Its keys, where they cannot be fetched."""
    created_at: int = Field(sa_type=BigInteger)
    created_by: str
    last_used_at: int | None = Field(default=None, sa_type=BigInteger)


class JobToken(SQLModel, table=True):
    """Which deployment a token has recorded whose issuer names no run: shown again, it records no other."""

    __tablename__ = "job_tokens"

    organization: str = Field(primary_key=True)
    token_id: str = Field(primary_key=True)
    node_id: str
    expires_at: int = Field(sa_type=BigInteger)


TOKENS = table(MintedToken)
TRUSTS = table(Trust)
JOB_TOKENS = table(JobToken)
REVOKED_TOKENS = table(RevokedToken)
