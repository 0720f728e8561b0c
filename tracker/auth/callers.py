"""Who is calling: from an unverified token to claims, from claims to a caller and what it may do."""

import re
import secrets
import time
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeGuard

import jwt

from metrics.domain.repositories import RepositoryIdentity, matches_repository
from tracker.auth.keys import KeyRing
from tracker.errors import InsufficientScope, NotFound, Unauthenticated
from tracker.facts import Reaches, everything

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import Guard

ISSUER = "tracker"
AUDIENCE = "tracker"
BEARER = ("bearer",)
# A token that comes bare.
NO_SCHEME = ""
LEEWAY = timedelta(seconds=30)
ORGANIZATION_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_MOST_REMEMBERED = 10_000
_PROFILE = ("name", "handle", "email")
_REQUIRED_CLAIMS = ("iss", "aud", "sub", "org", "scope", "exp", "jti")


class Scope(StrEnum):
    """What a token can be allowed. `admin` covers the others, within its own organization."""

    DEPLOYMENTS_WRITE = "deployments:write"
    DEPLOYMENTS_READ = "deployments:read"
    METRICS_READ = "metrics:read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. `repositories` is None where the token is not limited to some."""

    subject: str
    organization: str
    scopes: frozenset[str]
    token_id: str
    expires_at: float
    """Seconds since 1970; a leeway is granted after it."""
    repositories: tuple[str, ...] | None = None
    profile: Mapping[str, str] = field(default_factory=dict)
    """Of `name`, `handle` and `email` what the token has."""


def verify(unverified_token: str, ring: KeyRing) -> Claims:
    """The claims of a token that one of the ring's keys has signed. Raises `Unauthenticated`."""
    try:
        header = jwt.get_unverified_header(unverified_token)
        key = ring.find(str(header.get("kid")))
        if key is None:
            raise Unauthenticated("the token is signed with a key that is not known here")
        payload = jwt.decode(
            unverified_token,
            key.verifying,
            algorithms=[key.algorithm.value],
            audience=AUDIENCE,
            leeway=LEEWAY,
            options={"require": list(_REQUIRED_CLAIMS)},
        )
    except jwt.ExpiredSignatureError:
        raise Unauthenticated("the token has expired") from None
    except jwt.InvalidAudienceError:
        raise Unauthenticated(f"the token is not meant for the audience {AUDIENCE}") from None
    except jwt.MissingRequiredClaimError as error:
        raise Unauthenticated(f"the token lacks the claim {error.claim}") from None
    except (jwt.PyJWTError, ValueError, OverflowError):
        # Beyond PyJWT's own: a header that is no UTF-8, a number that is out of range.
        raise Unauthenticated("the token is malformed or its signature is wrong") from None
    return _claims(payload)


def _claims(payload: dict[str, Any]) -> Claims:
    organization, scope, repositories = payload["org"], payload["scope"], payload.get("repositories")
    if not isinstance(organization, str) or not ORGANIZATION_SLUG.fullmatch(organization):
        raise Unauthenticated("the token's claim org is no organization slug")
    if not isinstance(scope, str):
        raise Unauthenticated("the token's claim scope must be space-separated text")
    if not (repositories is None or _is_list_of_text(repositories)):
        raise Unauthenticated("the token's claim repositories must be a list of owner/name")
    return Claims(
        subject=payload["sub"],
        organization=organization,
        scopes=frozenset(scope.split()),
        token_id=payload["jti"],
        expires_at=float(payload["exp"]),
        repositories=None if repositories is None else tuple(repositories),
        profile={name: payload[name] for name in _PROFILE if isinstance(payload.get(name), str)},
    )


def _is_list_of_text(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


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
        """Whether the token reaches this repository; one that is limited never reaches "no repository"."""
        if self.repositories is None:
            return True
        return repository is not None and any(
            matches_repository(pattern, repository) for pattern in self.repositories
        )

    @property
    def reach(self) -> Reaches:
        """`may_use`, or `everything` where the token is not limited, which need not be asked."""
        return everything if self.repositories is None else self.may_use

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
        """Take up keys and revocations; what was verified with the keys before is verified again."""
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
        authenticator: Authenticator = connection.app.state.authenticator
        caller = authenticator.authenticate(connection.headers.get("Authorization"), schemes)
        if not caller.may(*scopes):
            wanted = " or ".join(scopes)
            raise InsufficientScope(f"insufficient_scope: this needs the scope {wanted}", " ".join(scopes))
        connection.scope["user"] = caller

    return guard


def mint(
    ring: KeyRing,
    *,
    organization: str,
    subject: str,
    scopes: Iterable[Scope],
    lifetime: timedelta,
    now: datetime,
    repositories: tuple[str, ...] = (),
) -> str:
    """A token signed with the ring's newest key."""
    key = ring.newest
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "org": organization,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + lifetime,
        # No base64: an id that begins with a hyphen would be an option on a command line.
        "jti": secrets.token_hex(16),
    }
    if repositories:
        claims["repositories"] = list(repositories)
    assert key.signing is not None
    return jwt.encode(claims, key.signing.key, algorithm=key.algorithm.value, headers={"kid": key.key_id})
