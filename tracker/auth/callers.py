"""Who is calling: from an unverified token to claims, from claims to a caller and what it may do."""

import asyncio
import time
from base64 import b64decode
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from metrics.domain.repositories import CanAccess, RepositoryIdentity, allow_all, matches_any
from tracker.auth.job_tokens import JobTokens
from tracker.auth.keys import KeyRing
from tracker.auth.links import SIGNATURE, Link
from tracker.auth.sessions import COOKIE, open_session, verify_login_code, verify_session
from tracker.auth.tokens import Claims, Job, Scope, verify
from tracker.auth.trusts import Trusts
from tracker.errors import InsufficientScope, NotFound, Unauthenticated

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import Guard


BEARER = ("bearer",)
BASIC = "basic"
# A token that comes bare.
NO_SCHEME = ""

_ANY_SCHEME = (*BEARER, "token", BASIC)

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

    @property
    def job(self) -> Job | None:
        """The job of a CI system whose own token it is."""
        return self.claims.job

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

    def __init__(self, ring: KeyRing, revoked: Set[str] = frozenset(), jobs: JobTokens | None = None) -> None:
        """`jobs` verifies the tokens of CI systems; without it none is honoured."""
        self._ring = ring
        self._revoked = revoked
        self._jobs = jobs
        # A CI system sends the same token again and again, and verifying takes longer than recording.
        self._verified: dict[tuple[str, object], Claims] = {}
        self._used: dict[str, tuple[Claims, float]] = {}
        self._used_trusts: dict[str, float] = {}

    def reload(self, ring: KeyRing, revoked: Set[str], trusts: Trusts | None = None) -> None:
        """Load keys, revocations and trusts; what was verified with earlier ones is verified again."""
        self._ring, self._revoked = ring, revoked
        self.take_trusts(trusts)

    def take_trusts(self, trusts: Trusts | None) -> None:
        """Honour these trusts from now on; None: those of before."""
        self._verified = {}
        if self._jobs is not None and trusts is not None:
            self._jobs.trusts = trusts

    def authenticate(self, authorization: str | None, schemes: Collection[str] = BEARER) -> Caller:
        """The caller of an `Authorization` header. Raises `Unauthenticated`.

        May wait for the keys of a CI system, unless the token is remembered.
        """
        return self._caller(_unverified_token(authorization, schemes), self._verify_bearer)

    def remembers(self, authorization: str | None, schemes: Collection[str] = BEARER) -> bool:
        """Whether a header's token was verified before. Raises `Unauthenticated` where there is none."""
        return (_unverified_token(authorization, schemes), self._verify_bearer) in self._verified

    def caller_of_session(self, unverified_cookie: str) -> Caller:
        """The caller whose session a cookie is. Raises `Unauthenticated`."""
        return self._caller(unverified_cookie, verify_session)

    def caller_of_link(self, unverified_signature: str, link: Link) -> Caller:
        """The caller who has made a signed link. Raises `Unauthenticated`."""
        return self._caller(unverified_signature, link)

    def sign_link(self, caller: Caller, link: Link, scope: Scope, lifetime: timedelta) -> str:
        """The signature of a link, for whoever is handed it. Raises `KeyRingError`."""
        return link.sign(self._ring, caller.claims, scope, now=datetime.now(UTC), lifetime=lifetime)

    def caller_of_login_code(self, unverified_code: str) -> Caller:
        """The caller whom a login link lets in, where it was not used yet. Raises `Unauthenticated`."""
        return Caller(self._honoured(unverified_code, verify_login_code))

    def organization_of(self, authorization: str | None, cookie: str | None) -> str | None:
        """Whose figures are asked for, by a header or a session; None where that is not known at once."""
        try:
            if authorization is None:
                return None if cookie is None else self.caller_of_session(cookie).organization
            token = _unverified_token(authorization, _ANY_SCHEME)
            if not self.remembers(authorization, _ANY_SCHEME) and self._is_of_a_job(token):
                return None
            return self.authenticate(authorization, _ANY_SCHEME).organization
        except Unauthenticated:
            return None

    def open_session(self, caller: Caller, *, by_link: bool = False) -> tuple[str, timedelta]:
        """A new session's cookie, and how long it is good for. Raises `KeyRingError`."""
        return open_session(self._ring, caller.claims, datetime.now(UTC), by_link=by_link)

    def end(self, token_or_session_id: str) -> None:
        """Stop honouring it at once here; what was written down of it reaches the others."""
        self._revoked = self._revoked | {token_or_session_id}

    def take_uses(self) -> Mapping[str, tuple[Claims, float]]:
        """By token id the tokens that were used since the last call, and when last, in seconds since 1970."""
        used, self._used = self._used, {}
        return used

    def take_trust_uses(self) -> Mapping[str, float]:
        """The trusts by which jobs were let in since the last call, and when last, in seconds since 1970."""
        used, self._used_trusts = self._used_trusts, {}
        return used

    def _verify_bearer(self, unverified_token: str, ring: KeyRing) -> Claims:
        """The claims of a token: of one that was minted here, or a CI system's own."""
        if self._jobs is not None and self._is_of_a_job(unverified_token):
            return self._jobs.verify(unverified_token)
        return verify(unverified_token, ring)

    def _is_of_a_job(self, unverified_token: str) -> bool:
        """Whether a CI system that somebody trusts says that it is its own."""
        return self._jobs is not None and bool(self._jobs.trusted(unverified_token))

    def _caller(self, unverified: str, verify: Callable[[str, KeyRing], Claims]) -> Caller:
        claims = self._honoured(unverified, verify)
        if claims.job is not None:
            self._used_trusts[claims.job.trust.id] = time.time()
            return Caller(claims)
        known, _ = self._used.get(claims.token_id, (claims, 0.0))
        if len(self._used) < _MOST_REMEMBERED:
            # What a token allows is said by itself, and not by a session that it has opened.
            self._used[claims.token_id] = claims if claims.session_id is None else known, time.time()
        return Caller(claims)

    def _honoured(self, unverified: str, verify: Callable[[str, KeyRing], Claims]) -> Claims:
        claims = self._verify(unverified, verify)
        if claims.token_id in self._revoked or claims.session_id in self._revoked:
            refusal = Unauthenticated("the token has been revoked", reason="revoked")
            refusal.known = {
                "organization": claims.organization,
                "subject": claims.subject,
                "token_id": claims.token_id,
            }
            raise refusal
        return claims

    def _verify(self, unverified: str, verify: Callable[[str, KeyRing], Claims]) -> Claims:
        known = self._verified.get((unverified, verify))
        if known is not None and time.time() < known.expires_at:
            return known
        claims = verify(unverified, self._ring)
        if len(self._verified) < _MOST_REMEMBERED:
            self._verified[unverified, verify] = claims
        return claims


def _unverified_token(authorization: str | None, schemes: Collection[str]) -> str:
    """The token of an `Authorization` header. Raises `Unauthenticated`."""
    scheme, space, token = (authorization or "").partition(" ")
    if NO_SCHEME in schemes and not space:
        scheme, token = NO_SCHEME, scheme
    if scheme.lower() == BASIC and BASIC in schemes:
        token = _password(token)
    if scheme.lower() not in schemes or not token.strip():
        raise Unauthenticated("send the header Authorization: Bearer <token>", token_given=False)
    return token.strip()


def _password(credentials: str) -> str:
    """The password of a name and a password, RFC 7617; empty where there is none."""
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[2]
    except (ValueError, UnicodeDecodeError):
        return ""


def requires(
    *scopes: Scope, schemes: Collection[str] = BEARER, headers: Collection[str] = (), by_link: bool = False
) -> "Guard":
    """A guard that lets callers with one of the scopes pass, and makes the caller known to the handler.

    `schemes` are those that a token may come with, in lower case; `headers` those in which it may stand
    bare, and then that one counts. `by_link` lets signed links in.
    """

    async def guard(connection: "ASGIConnection[Any, Any, Any, Any]", _: "BaseRouteHandler") -> None:
        authenticator: Authenticator = connection.app.state.service.authenticator
        authorization, accepted = connection.headers.get("Authorization"), schemes
        bare = next((connection.headers[name] for name in headers if name in connection.headers), None)
        cookie = connection.cookies.get(COOKIE) if _may_use_cookie(connection) else None
        if bare is not None:
            authorization, accepted = f"Bearer {bare}", BEARER
        signature = connection.query_params.get(SIGNATURE) if by_link else None
        if authorization is None and signature is not None:
            link = Link.to(connection.url.path, connection.query_params.multi_items())
            caller = authenticator.caller_of_link(signature, link)
        elif authorization is None and cookie is not None:
            caller = authenticator.caller_of_session(cookie)
        elif authenticator.remembers(authorization, accepted):
            # Without a change of threads, which costs more than all the rest of this.
            caller = authenticator.authenticate(authorization, accepted)
        else:
            caller = await asyncio.to_thread(authenticator.authenticate, authorization, accepted)
        require_scope(caller, *scopes)
        connection.scope["user"] = caller
        connection.app.state.service.rate_limits.count(caller)

    return guard


def _may_use_cookie(connection: "ASGIConnection[Any, Any, Any, Any]") -> bool:
    """Whether a session may make this request: what a page links to, and nothing that changes anything."""
    return connection.scope.get("method") in ("GET", "HEAD")


def require_scope(caller: Caller, *scopes: Scope) -> None:
    """Raises `InsufficientScope` where the caller has none of the scopes."""
    if not caller.may(*scopes):
        wanted = " or ".join(scopes)
        raise InsufficientScope(f"insufficient_scope: this needs the scope {wanted}", " ".join(scopes))
