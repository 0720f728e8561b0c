"""Sessions of browsers: opened with a token or a one-time link, kept in a cookie, ended by either's end.

A session is a token of another audience: nobody can post with it, and it ends with the token that opened it.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tracker.auth.keys import KeyRing
from tracker.auth.tokens import Claims, Scope, derive, mint, verify

SESSION_AUDIENCE, LINK_AUDIENCE = "tracker-session", "tracker-login-link"
SESSION_LIFETIME = timedelta(hours=12)
LINK_LIFETIME = timedelta(minutes=15)
COOKIE = "tracker_session"
# Nobody records from a page, whatever the token would allow.
_SESSION_SCOPES = frozenset({Scope.METRICS_READ, Scope.DEPLOYMENTS_READ, Scope.ADMIN})


def open_session(
    ring: KeyRing, claims: Claims, now: datetime, *, by_link: bool = False
) -> tuple[str, timedelta]:
    """The cookie's text for whoever has shown a token with these claims, and how long it is good for.

    A link ends soon and opens one session; a token ends its sessions with itself. Raises `KeyRingError`
    where no key can sign.
    """
    session_id, expires_at = secrets.token_hex(16), (now + SESSION_LIFETIME).timestamp()
    if not by_link:
        expires_at = min(claims.expires_at, expires_at)
    cookie = derive(
        ring,
        claims,
        audience=SESSION_AUDIENCE,
        scopes=claims.scopes & _SESSION_SCOPES,
        now=now,
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        session_id=session_id,
        token_id=session_id if by_link else None,
    )
    return cookie, timedelta(seconds=expires_at - now.timestamp())


def verify_session(unverified_cookie: str, ring: KeyRing) -> Claims:
    """The claims of a session. Raises `Unauthenticated`."""
    return verify(unverified_cookie, ring, SESSION_AUDIENCE)


def form_key_of(cookie: str) -> str:
    """What a form of this session's pages carries, so that no other site's form is taken for one."""
    return hashlib.sha256(f"form {cookie}".encode()).hexdigest()[:32]


def mint_login_code(
    ring: KeyRing,
    *,
    organization: str,
    subject: str,
    scopes: Iterable[Scope],
    now: datetime,
    repositories: tuple[str, ...] = (),
) -> str:
    """The code of a link that opens one session, within `LINK_LIFETIME`. Raises `KeyRingError`."""
    return mint(
        ring,
        organization=organization,
        subject=subject,
        scopes=scopes,
        lifetime=LINK_LIFETIME,
        now=now,
        repositories=repositories,
        audience=LINK_AUDIENCE,
    )


def verify_login_code(unverified_code: str, ring: KeyRing) -> Claims:
    """The claims of a login link's code, whether it was used or not. Raises `Unauthenticated`."""
    return verify(unverified_code, ring, LINK_AUDIENCE)
