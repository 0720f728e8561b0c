"""Who is calling: from an unverified token to claims, from claims to a caller and what it may do."""

import time
from collections.abc import Collection, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metrics.domain.repositories import CanAccess, RepositoryIdentity, allow_all, matches_any
from tracker.auth.keys import KeyRing
from tracker.auth.tokens import Claims, Scope, verify
from tracker.errors import InsufficientScope, NotFound, Unauthenticated

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import Guard


BEARER = ("bearer",)
# A token that comes bare.
NO_SCHEME = ""

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request, with the right to ask on behalf of one organization."""

    claims: Claims

    @property
    def organization(self) -> str:
        return self.claims.organization

    @property
    def repositories(self) -> tuple[str, ...] | None:
        """The patterns that the token is limited to; None where it is not."""
        return self.claims.repositories

    def may(self, *scopes: Scope) -> bool:
        """Whether one of the scopes, or `admin`, is the caller's."""
        return not self.claims.scopes.isdisjoint({*scopes, Scope.ADMIN})

    def may_use(self, repository: RepositoryIdentity | None) -> bool:
        """Whether the token may use this repository; one that is limited may never use "no repository"."""
        if self.repositories is None:
            return True
        return repository is not None and matches_any(self.repositories, repository)

    @property
    def can_access(self) -> CanAccess:
        """The check for one repository; `allow_all` where the token is not limited."""
        return allow_all if self.repositories is None else self.may_use

    def require_write(self, repository: RepositoryIdentity | None) -> None:
        """Raises `InsufficientScope` where the token may not write to the repository."""
        if not self.may_use(repository):
            named = repository.path if repository else "a record that names no repository"
            raise InsufficientScope(f"insufficient_scope: the token does not reach {named}")

    def require_unlimited(self, why: str) -> None:
        """Raises `InsufficientScope` where the token is limited to some repositories."""
        if self.repositories is not None:
            raise InsufficientScope(f"insufficient_scope: the token is limited to repositories; {why}")

    def require_read(self, repository: RepositoryIdentity | None, what: str) -> None:
        """Raises `NotFound` where the token may not see the repository."""
        if not self.may_use(repository):
            raise NotFound(what)


class Authenticator:
    """Verifies tokens with the keys and revocations as they were last loaded.

    `reload` is called by a task of the service every few seconds; nothing is read while a request waits.
    """

    def __init__(self, ring: KeyRing, revoked: Set[str] = frozenset()) -> None:
        self._ring = ring
        self._revoked = revoked
        # A CI system sends the same token again and again, and verifying takes longer than recording.
        self._verified: dict[str, Claims] = {}

    def reload(self, ring: KeyRing, revoked: Set[str]) -> None:
        """Load keys and revocations; tokens that were verified with earlier keys are verified again."""
        self._ring, self._revoked, self._verified = ring, revoked, {}

    def authenticate(self, authorization: str | None, schemes: Collection[str] = BEARER) -> Caller:
        """The caller of an `Authorization` header. Raises `Unauthenticated`."""
        scheme, space, unverified_token = (authorization or "").partition(" ")
        if NO_SCHEME in schemes and not space:
            scheme, unverified_token = NO_SCHEME, scheme
        if scheme.lower() not in schemes or not unverified_token.strip():
            raise Unauthenticated("send the header Authorization: Bearer <token>", token_given=False)
        claims = self._verify(unverified_token.strip())
        if claims.token_id in self._revoked:
            raise Unauthenticated("the token has been revoked")
        return Caller(claims)

    def _verify(self, unverified_token: str) -> Claims:
        known = self._verified.get(unverified_token)
        if known is not None and time.time() < known.expires_at:
            return known
        claims = verify(unverified_token, self._ring)
        if len(self._verified) < _MOST_REMEMBERED:
            self._verified[unverified_token] = claims
        return claims


def requires(*scopes: Scope, schemes: Collection[str] = BEARER) -> "Guard":
    """A guard that lets callers with one of the scopes pass, and makes the caller known to the handler.

    `schemes` are those that a token may come with, in lower case.
    """

    def guard(connection: "ASGIConnection[Any, Any, Any, Any]", _: "BaseRouteHandler") -> None:
        authenticator: Authenticator = connection.app.state.service.authenticator
        caller = authenticator.authenticate(connection.headers.get("Authorization"), schemes)
        if not caller.may(*scopes):
            wanted = " or ".join(scopes)
            raise InsufficientScope(f"insufficient_scope: this needs the scope {wanted}", " ".join(scopes))
        connection.scope["user"] = caller

    return guard
