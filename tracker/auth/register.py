"""The register of tokens: who has one, what it allows, until when, and when it was used last.

It holds no token. Those that were minted before there was a register enter it when they are used.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from metrics.domain.instants import (
    DAY_MICROSECONDS,
    from_microseconds,
    instant_of,
    now_microseconds,
    to_microseconds,
)
from tracker.auth.keys import KeyRing
from tracker.auth.tables import REVOKED_TOKENS, TOKENS
from tracker.auth.tokens import Claims, Scope, mint, verify
from tracker.errors import NotFound
from tracker.records.engine import write_transaction
from tracker.retention import EXPIRED_TOKEN_DAYS

EXPIRES_SOON = timedelta(days=14)
DEFAULT_LIFETIME = timedelta(days=90)
MOST_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A token as its organization's admins see it. `minted_at` and `minted_by` are None where not known."""

    id: str
    organization: str
    subject: str
    scopes: Sequence[str]
    repositories: Sequence[str] | None
    minted_by: str | None
    minted_at: datetime | None
    expires_at: datetime
    expires_soon: bool
    is_session: bool
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def is_honoured(self) -> bool:
        return self.revoked_at is None and self.expires_at > datetime.now(UTC)


def mint_registered(
    connection: Connection,
    ring: KeyRing,
    *,
    organization: str,
    subject: str,
    scopes: Sequence[Scope],
    lifetime: timedelta,
    minted_by: str,
    repositories: tuple[str, ...] = (),
) -> str:
    """A new token, which the register knows. Raises `KeyRingError` where no key can sign."""
    now = datetime.now(UTC)
    token = mint(
        ring,
        organization=organization,
        subject=subject,
        scopes=scopes,
        lifetime=lifetime,
        now=now,
        repositories=repositories,
    )
    minted = {"minted_by": minted_by, "minted_at": to_microseconds(now)}
    connection.execute(insert(TOKENS).values(**_columns(verify(token, ring)), **minted))
    return token


def renew_registered(
    connection: Connection,
    ring: KeyRing,
    token_id: str,
    *,
    lifetime: timedelta | None,
    minted_by: str,
) -> str:
    """A new token for whoever has the one with the id, which allows the same and stays valid beside it.

    It is valid for the `lifetime`, else for as long as the other one was. Raises `NotFound` where no such
    token is known, or it was revoked, and `KeyRingError` where no key can sign.
    """
    columns, revoked = TOKENS.c, REVOKED_TOKENS.c
    row = connection.execute(
        select(TOKENS)
        .outerjoin(REVOKED_TOKENS, revoked.token_id == columns.token_id)
        .where(columns.token_id == token_id, ~columns.is_session, revoked.token_id.is_(None))
    ).first()
    if row is None:
        raise NotFound(f"There is no token {token_id} that could be renewed.")
    known_since = row.expires_at if row.minted_at is None else row.minted_at
    return mint_registered(
        connection,
        ring,
        organization=row.organization,
        subject=row.subject,
        scopes=[Scope(name) for name in row.scope.split() if name in set(Scope)],
        lifetime=lifetime or _span(known_since, row.expires_at) or DEFAULT_LIFETIME,
        minted_by=minted_by,
        repositories=tuple(row.repositories or ()),
    )


def _span(since: int, until: int) -> timedelta:
    """From one to the other, to the second: a token's end is a whole one."""
    return timedelta(seconds=math.ceil(max(0, until - since) / 1_000_000))


def expiring_tokens(engine: Engine) -> Sequence[TokenEntry]:
    """Tokens that were used, of all organizations, and expire within `EXPIRES_SOON`; the next one first.

    One that nobody has used, or that was revoked, is nobody's loss.
    """
    columns, revoked = TOKENS.c, REVOKED_TOKENS.c
    now = now_microseconds()
    query = (
        select(TOKENS, revoked.revoked_at)
        .outerjoin(REVOKED_TOKENS, revoked.token_id == columns.token_id)
        .where(
            columns.expires_at > now,
            columns.expires_at <= now + EXPIRES_SOON // timedelta(microseconds=1),
            columns.last_used_at.is_not(None),
            ~columns.is_session,
            revoked.token_id.is_(None),
        )
        .order_by(columns.expires_at, columns.token_id)
        .limit(MOST_LISTED)
    )
    with engine.connect() as connection:
        return [_entry(row) for row in connection.execute(query)]


def list_tokens(engine: Engine, organization: str) -> Sequence[TokenEntry]:
    """The organization's tokens, the next to expire first, and after them those that have."""
    columns, revoked = TOKENS.c, REVOKED_TOKENS.c
    query = (
        select(TOKENS, revoked.revoked_at)
        .outerjoin(REVOKED_TOKENS, revoked.token_id == columns.token_id)
        .where(columns.organization == organization)
        .order_by(columns.expires_at <= now_microseconds(), columns.expires_at, columns.token_id)
        .limit(MOST_LISTED)
    )
    with engine.connect() as connection:
        return [_entry(row) for row in connection.execute(query)]


def is_known(connection: Connection, token_id: str) -> bool:
    """Whether the register has the token."""
    return (
        connection.execute(select(TOKENS.c.token_id).where(TOKENS.c.token_id == token_id)).first() is not None
    )


def revoke_token(connection: Connection, organization: str, token_id: str) -> None:
    """Stop honouring one of the organization's tokens. Raises `NotFound` where none of its has the id."""
    columns = TOKENS.c
    of_it = select(columns.token_id).where(columns.token_id == token_id, columns.organization == organization)
    if connection.execute(of_it).first() is None:
        raise NotFound(f"There is no token {token_id}.")
    revoke(connection, token_id)


def revoke(connection: Connection, token_id: str, lifetime: timedelta | None = None) -> bool:
    """Stop honouring whatever has the id; return whether it was honoured before.

    After the `lifetime` of a session or a link the id says nothing any more, and is forgotten.
    """
    now = now_microseconds()
    needed_until = None if lifetime is None else now + lifetime // timedelta(microseconds=1)
    result = connection.execute(
        upsert(connection)(REVOKED_TOKENS)
        .values(token_id=token_id, revoked_at=now, needed_until=needed_until)
        .on_conflict_do_nothing()
        # A count of rows is not to be had of every driver.
        .returning(REVOKED_TOKENS.c.token_id)
    )
    return result.first() is not None


def note_uses(engine: Engine, used: Iterable[tuple[Claims, float]]) -> None:
    """Write down when tokens were used last, in seconds since 1970.

    What a token allows it says itself: a session that it has opened says only that it was used.
    """
    rows = [(claims, {**_columns(claims), "last_used_at": round(at * 1_000_000)}) for claims, at in used]
    if not rows:
        return
    columns = TOKENS.c
    with write_transaction(engine) as connection:
        for claims, row in rows:
            if claims.session_id is not None and claims.session_id != claims.token_id:
                connection.execute(
                    update(TOKENS)
                    .where(columns.token_id == claims.token_id)
                    .values(last_used_at=row["last_used_at"])
                )
                continue
            connection.execute(
                upsert(connection)(TOKENS)
                .values(**row)
                .on_conflict_do_update(
                    index_elements=["token_id"],
                    set_={name: value for name, value in row.items() if name != "token_id"},
                )
            )


def forget_old_tokens(engine: Engine, now: int) -> None:
    """Remove what is known of tokens that expired more than `EXPIRED_TOKEN_DAYS` ago, and the ids of sessions
    and links that are over. `now` in microseconds.
    """
    with write_transaction(engine) as connection:
        before = now - EXPIRED_TOKEN_DAYS * DAY_MICROSECONDS
        connection.execute(delete(TOKENS).where(TOKENS.c.expires_at < before))
        connection.execute(delete(REVOKED_TOKENS).where(REVOKED_TOKENS.c.needed_until < now))


def upsert(connection: Connection) -> Any:
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _columns(claims: Claims) -> Mapping[str, Any]:
    return {
        "token_id": claims.token_id,
        "organization": claims.organization,
        "subject": claims.subject,
        "scope": " ".join(sorted(claims.scopes)),
        "repositories": None if claims.repositories is None else list(claims.repositories),
        "expires_at": round(claims.expires_at * 1_000_000),
        "is_session": claims.session_id is not None,
    }


def _entry(row: Row[Any]) -> TokenEntry:
    expires_at, minted_at = from_microseconds(row.expires_at), instant_of(row.minted_at)
    return TokenEntry(
        id=row.token_id,
        organization=row.organization,
        subject=row.subject,
        scopes=row.scope.split(),
        repositories=row.repositories,
        minted_by=row.minted_by,
        minted_at=minted_at,
        expires_at=expires_at,
        expires_soon=not row.is_session and timedelta(0) < expires_at - datetime.now(UTC) < EXPIRES_SOON,
        is_session=row.is_session,
        last_used_at=instant_of(row.last_used_at),
        revoked_at=instant_of(row.revoked_at),
    )
