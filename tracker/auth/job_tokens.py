"""The token that a CI system gives to its jobs: verified, and taken for the organization that trusts it."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import jwt

from tracker.auth.issuer_keys import IssuerKeys, KeysUnavailable, key_in
from tracker.auth.issuers.base import Proof, Unproven
from tracker.auth.tokens import AUDIENCE, LEEWAY, Claims, Job, Scope, refusal_of
from tracker.auth.trusts import TrustedIssuer, Trusts
from tracker.errors import Unauthenticated

# Nobody but the issuer has the key: a secret that both have, or none, is no proof.
_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_LONGEST_LIFETIME = timedelta(days=1)
_REQUIRED = ("iss", "aud", "exp", "iat")
_LONGEST_TEXT = 200


class JobTokens:
    """Verifies the tokens of jobs with the issuers' keys."""

    def __init__(
        self, keys: IssuerKeys, audiences: Callable[[], Sequence[str]], trusts: Trusts | None = None
    ) -> None:
        """`audiences` are what a token may be meant for beside `tracker`: the service's public URL."""
        self._keys, self._audiences = keys, audiences
        self.trusts = trusts or Trusts()

    def trusted(self, unverified_token: str) -> Sequence[TrustedIssuer]:
        """The trusts of the issuer that the token says it is of; none where nobody trusts that one."""
        try:
            payload = jwt.decode(unverified_token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            return ()
        issuer = payload.get("iss")
        return self.trusts.of(issuer) if isinstance(issuer, str) else ()

    def verify(self, unverified_token: str) -> Claims:
        """The claims of a job that an organization trusts. Raises `Unauthenticated`."""
        refusals = []
        # The oldest trust first: what another organization says later takes no job away from it.
        for trust in self.trusted(unverified_token):
            try:
                return _claims(self._payload(unverified_token, trust), unverified_token, trust)
            except (Unproven, Unauthenticated) as refusal:
                refusals.append(str(refusal))
        reasons = "; ".join(dict.fromkeys(refusals))
        raise Unauthenticated(reasons[:_LONGEST_TEXT] or "nobody here trusts the token's issuer")

    def _payload(self, unverified_token: str, trust: TrustedIssuer) -> dict[str, Any]:
        """What the token says, once all that can be verified is. Raises `Unauthenticated`."""
        try:
            key = self._key(jwt.get_unverified_header(unverified_token), trust)
            payload: dict[str, Any] = jwt.decode(
                unverified_token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audiences_of(trust),
                issuer=trust.issuer,
                leeway=LEEWAY,
                options={"require": list(_REQUIRED), "enforce_minimum_key_length": True},
            )
        except KeysUnavailable as failure:
            raise Unauthenticated(f"the issuer's keys cannot be had: {failure}") from None
        except jwt.PyJWTError as failure:
            raise refusal_of(failure, self._audiences_of(trust), unverified_token) from None
        except (ValueError, OverflowError, RecursionError):
            raise refusal_of(None, ()) from None
        if float(payload["exp"]) - float(payload["iat"]) > _LONGEST_LIFETIME.total_seconds():
            raise Unauthenticated("the token is valid for longer than a day")
        return payload

    def _key(self, header: dict[str, Any], trust: TrustedIssuer) -> jwt.PyJWK:
        """The key that the token says it is signed with. Raises `Unauthenticated`, `KeysUnavailable`."""
        if header.get("alg") not in _ALGORITHMS:
            raise Unauthenticated("the token is not signed with a private key of its issuer")
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not key_id:
            raise Unauthenticated("the token does not say which key has signed it")
        key = (
            self._keys.find(trust.issuer, key_id[:_LONGEST_TEXT])
            if trust.jwks is None
            else key_in(trust.jwks, key_id[:_LONGEST_TEXT])
        )
        if key.algorithm_name not in _ALGORITHMS:
            raise Unauthenticated("the issuer's key is no public key")
        return key

    def _audiences_of(self, trust: TrustedIssuer) -> Sequence[str]:
        own = [form for url in self._audiences() for form in (url.rstrip("/"), url.rstrip("/") + "/")]
        more = [one for one in (trust.audience, trust.of_kind.audience) if one is not None]
        return list(dict.fromkeys([AUDIENCE, *own, *more]))


def _claims(payload: dict[str, Any], token: str, trust: TrustedIssuer) -> Claims:
    """The job's claims. Raises `Unproven` where they are not what the organization trusts."""
    refused = trust.refused_claim(payload)
    if refused is not None:
        raise Unproven(f"the token's claim {refused} is not one that is trusted here")
    proof = trust.of_kind.prove(payload, trust.issuer)
    if proof.repository is not None and not trust.reaches(proof.repository):
        raise Unproven("the token's repository is not one that is trusted here")
    return Claims(
        subject=proof.subject[:_LONGEST_TEXT],
        organization=trust.organization,
        scopes=frozenset({Scope.DEPLOYMENTS_RECORD}),
        token_id=_token_id(payload, token),
        expires_at=float(payload["exp"]),
        repositories=_reach(proof, trust),
        job=Job(trust, proof),
    )


def _reach(proof: Proof, trust: TrustedIssuer) -> tuple[str, ...]:
    """What the job may record for: its own repository, else those that the organization names."""
    return (proof.repository.key,) if proof.repository is not None else tuple(trust.repositories or ())


def _token_id(payload: dict[str, Any], token: str) -> str:
    """The token's own id; where its issuer gives none, that of what was signed."""
    given = payload.get("jti")
    if isinstance(given, str) and 0 < len(given) <= _LONGEST_TEXT:
        return given
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()
