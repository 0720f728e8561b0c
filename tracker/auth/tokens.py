"""Tokens: minted, verified, revoked."""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeGuard

import jwt
from sqlalchemy import Engine, select

from metrics.domain.fields import LONGEST_NAME
from tracker.auth.issuers.base import Proof
from tracker.auth.keys import KeyRing
from tracker.auth.tables import REVOKED_TOKENS
from tracker.auth.trusts import TrustedIssuer
from tracker.errors import Unauthenticated

ISSUER = "tracker"
AUDIENCE = "tracker"
LEEWAY = timedelta(seconds=30)
ORGANIZATION_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
REPOSITORY_PATTERN = re.compile(r"\*|[^/*\s]+(/[^/*\s]+)*/([^/*\s]+\*?|\*)")
"""What a token can be limited to: owner/name, owner/* or *, with the host before it or none."""
_PROFILE = ("name", "handle", "email")
_REQUIRED_CLAIMS = ("iss", "aud", "sub", "org", "scope", "exp", "jti")


class Scope(StrEnum):
    """What a token can be allowed. `admin` covers the others, within its own organization."""

    DEPLOYMENTS_RECORD = "deployments:record"
    """To post records, and no more: what a CI system's own token allows."""
    DEPLOYMENTS_WRITE = "deployments:write"
    DEPLOYMENTS_READ = "deployments:read"
    METRICS_READ = "metrics:read"
    DEPLOY = "deploy"
    """To have a workspace deployed: a runner runs its command. Who records may not."""
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
    session_id: str | None = None
    """Of a browser's session, which carries the claims of the token that it was opened with."""
    job: "Job | None" = None
    """The job of a CI system whose own token it is."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job that has shown its CI system's token: what that proves, and what the organization allows it."""

    trust: TrustedIssuer
    proof: Proof


def verify(unverified_token: str, ring: KeyRing, audience: str = AUDIENCE) -> Claims:
    """The claims of a token that one of the ring's keys has signed. Raises `Unauthenticated`."""
    try:
        header = jwt.get_unverified_header(unverified_token)
        key = ring.find(str(header.get("kid")))
        if key is None:
            raise Unauthenticated(
                "the token is signed with a key that is not known here", reason="unknown_key"
            )
        payload = jwt.decode(
            unverified_token,
            key.verifying,
            algorithms=[key.algorithm.value],
            audience=audience,
            issuer=ISSUER,
            leeway=LEEWAY,
            # When it was made is nobody's concern: a clock that was set back must not lock everybody out.
            options={"require": list(_REQUIRED_CLAIMS), "verify_iat": False},
        )
        return _claims(payload)
    except jwt.PyJWTError as failure:
        raise refusal_of(failure, [audience], unverified_token) from None
    except (ValueError, OverflowError, RecursionError):
        # Beyond PyJWT's own: a header that is no UTF-8, a number that is out of range.
        raise refusal_of(None, [audience]) from None


def refusal_of(
    failure: jwt.PyJWTError | None, audiences: Sequence[str], unverified_token: str = ""
) -> Unauthenticated:
    """What a failed verification is told as; with whose token it is, where its signature was right."""
    refusal = _refusal_of(failure, audiences)
    if refusal.reason != _MALFORMED:
        # PyJWT looks at the claims once the signature is verified.
        said = jwt.decode(unverified_token, options={"verify_signature": False})
        refusal.known = {name: said[claim] for name, claim in _TOLD.items() if _is_name(said.get(claim))}
    return refusal


_MALFORMED = "malformed"
_TOLD = {"organization": "org", "subject": "sub", "token_id": "jti"}


def _refusal_of(failure: jwt.PyJWTError | None, audiences: Sequence[str]) -> Unauthenticated:
    match failure:
        case jwt.ExpiredSignatureError():
            return Unauthenticated("the token has expired", reason="expired")
        case jwt.ImmatureSignatureError():
            return Unauthenticated("the token is not valid yet: compare the clocks", reason="not_yet_valid")
        case jwt.InvalidAudienceError():
            detail = f"the token is not meant for the audience {' or '.join(audiences)}"
            return Unauthenticated(detail, reason="audience")
        case jwt.InvalidIssuerError():
            return Unauthenticated("the token is of another issuer", reason="issuer")
        case jwt.MissingRequiredClaimError():
            return Unauthenticated(f"the token lacks the claim {failure.claim}", reason="claims")
        case _:
            return Unauthenticated("the token is malformed or its signature is wrong", reason=_MALFORMED)


def _claims(payload: dict[str, Any]) -> Claims:
    organization, scope, repositories = payload["org"], payload["scope"], payload.get("repositories")
    if not isinstance(organization, str) or not ORGANIZATION_SLUG.fullmatch(organization):
        raise Unauthenticated("the token's claim org is no organization slug", reason="claims")
    if not isinstance(scope, str):
        raise Unauthenticated("the token's claim scope must be space-separated text", reason="claims")
    if not (repositories is None or _is_list_of_text(repositories)):
        raise Unauthenticated("the token's claim repositories must be a list of owner/name", reason="claims")
    for name in ("sub", "jti"):
        if not _is_name(payload[name]):
            detail = (
                f"the token's claim {name} must be text of 1 to {LONGEST_NAME} characters that can be printed"
            )
            raise Unauthenticated(detail, reason="claims")
    return Claims(
        subject=payload["sub"],
        organization=organization,
        scopes=frozenset(scope.split()),
        token_id=payload["jti"],
        expires_at=float(payload["exp"]),
        repositories=None if repositories is None else tuple(repositories),
        profile={name: payload[name] for name in _PROFILE if isinstance(payload.get(name), str)},
        session_id=payload.get("sid"),
    )


def _is_name(value: object) -> bool:
    """Whether it can stand in a record, on every database and in every log."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def _is_list_of_text(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def mint(
    ring: KeyRing,
    *,
    organization: str,
    subject: str,
    scopes: Iterable[Scope],
    lifetime: timedelta,
    now: datetime,
    repositories: tuple[str, ...] = (),
    audience: str = AUDIENCE,
) -> str:
    """A token signed with the ring's newest key. Raises `KeyRingError` where none can sign."""
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": audience,
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
    return sign(ring, claims)


def derive(
    ring: KeyRing,
    claims: Claims,
    *,
    audience: str,
    scopes: Iterable[str],
    now: datetime,
    expires_at: datetime,
    session_id: str,
    token_id: str | None = None,
) -> str:
    """A token of another audience for whoever has one with these claims, with the same reach.

    Who revokes that one ends it, unless it has a `token_id` of its own. Raises `KeyRingError` where no key
    can sign.
    """
    derived: dict[str, object] = {
        "iss": ISSUER,
        "aud": audience,
        "sub": claims.subject,
        "org": claims.organization,
        "scope": " ".join(sorted(scopes)),
        "iat": now,
        "exp": expires_at,
        "jti": token_id or claims.token_id,
        "sid": session_id,
    }
    if claims.repositories is not None:
        derived["repositories"] = list(claims.repositories)
    return sign(ring, derived)


def sign(ring: KeyRing, claims: Mapping[str, object]) -> str:
    """Claims as a token. Raises `KeyRingError` where no key of the ring can sign."""
    key = ring.newest
    assert key.signing is not None
    return jwt.encode(
        dict(claims), key.signing.key, algorithm=key.algorithm.value, headers={"kid": key.key_id}
    )


def revoked_tokens(engine: Engine) -> frozenset[str]:
    """The ids of all tokens that have been revoked."""
    with engine.connect() as connection:
        return frozenset(connection.scalars(select(REVOKED_TOKENS.c.token_id)))
