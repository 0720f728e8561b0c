"""Signed links: the address of one answer, which whoever holds it may get without a token, for some time.

What reads files by their address alone, a data frame's library or a spreadsheet, sends no header. A link
is a token of another audience, the address itself: it opens nothing else, and ends with the token that it
was made with.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from tracker.auth.keys import KeyRing
from tracker.auth.tokens import Claims, Scope, derive, verify
from tracker.errors import Unauthenticated

SIGNATURE = "signature"
"""The query parameter that a link carries its token in."""
LONGEST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Link:
    """The address that a link is good for: it verifies the link's signature."""

    audience: str

    @classmethod
    def to(cls, path: str, query: Iterable[tuple[str, str]]) -> Self:
        """The link to a path with parameters, in whichever order; the signature is none of them."""
        asked = (path, sorted((name, text) for name, text in query if name != SIGNATURE))
        return cls(f"tracker-link-{hashlib.sha256(repr(asked).encode()).hexdigest()}")

    def __call__(self, unverified_signature: str, ring: KeyRing) -> Claims:
        """The claims of a link to this address. Raises `Unauthenticated`."""
        try:
            return verify(unverified_signature, ring, self.audience)
        except Unauthenticated as refusal:
            if refusal.reason != "audience":
                raise
            raise Unauthenticated("the link is of another address: use it as it was given") from None

    def sign(self, ring: KeyRing, claims: Claims, scope: Scope, *, now: datetime, lifetime: timedelta) -> str:
        """The signature of a link that allows no more than the scope, and no longer than the claims do.

        Raises `KeyRingError` where no key can sign.
        """
        return derive(
            ring,
            claims,
            audience=self.audience,
            scopes=[scope],
            now=now,
            expires_at=min(now + lifetime, datetime.fromtimestamp(claims.expires_at, UTC)),
            session_id=secrets.token_hex(16),
        )
