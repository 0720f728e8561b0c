"""Which issuers of OIDC tokens an organization trusts, and for which of their jobs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from uuid_utils import uuid7

from metrics.domain.instants import from_microseconds, instant_of, now_microseconds
from metrics.domain.repositories import RepositoryIdentity, matches_any
from metrics.domain.vocabulary import matches_any_name
from tracker.auth.issuers import KINDS
from tracker.auth.issuers.base import ClaimPatterns, IssuerKind, JobClaims
from tracker.auth.tables import JOB_TOKENS, TRUSTS
from tracker.errors import Conflict, NotFound
from tracker.records.engine import write_transaction

# A token is honoured for some seconds after its end.
_REMEMBERED_AFTER_MICROSECONDS = 3_600 * 1_000_000
MOST_OF_ONE = 200
"""Trusts of one organization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """An issuer that an organization trusts, for jobs whose claims are as it says."""

    id: str
    organization: str
    kind: str
    issuer: str
    audience: str | None = None
    claims: ClaimPatterns
    repositories: Sequence[str] | None = None
    environments: Sequence[str] | None = None
    allow_pull_requests: bool = False
    allow_any_commit: bool = False
    jwks: Mapping[str, Any] | None = None
    created_at: datetime
    created_by: str
    last_used_at: datetime | None = None

    @property
    def of_kind(self) -> IssuerKind:
        return KINDS[self.kind]

    def reaches(self, repository: RepositoryIdentity) -> bool:
        """Whether its jobs may record for the repository."""
        return self.repositories is None or matches_any(self.repositories, repository)

    def refused_claim(self, claims: JobClaims) -> str | None:
        """The first claim that is not as the organization says; None where all are."""
        for name, texts in self.claims.items():
            if not any(matches_claim(claims.get(name), text) for text in texts):
                return name
        return None


def matches_claim(value: object, pattern: str) -> bool:
    """Whether a claim is what a pattern says; a number or a boolean is its JSON text.

    Cases are not told apart, as hosts of repositories do not, but for ASCII alone: other letters have cases
    that make them look like these.
    """
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str):
        return False
    if value.isascii():
        value, pattern = value.lower(), pattern.lower()
    return matches_any_name(value, [pattern])


class Trusts:
    """The trusts of all organizations, by issuer."""

    def __init__(self, trusts: Iterable[TrustedIssuer] = ()) -> None:
        self._by_issuer: dict[str, list[TrustedIssuer]] = {}
        for one in trusts:
            self._by_issuer.setdefault(one.issuer, []).append(one)

    def of(self, issuer: str) -> Sequence[TrustedIssuer]:
        """Who trusts the issuer."""
        return self._by_issuer.get(issuer, ())


def load_trusts(engine: Engine) -> Trusts:
    """Every trust, as it now is."""
    with engine.connect() as connection:
        return Trusts(_trust(row) for row in connection.execute(select(TRUSTS).order_by(TRUSTS.c.id)))


def list_trusts(engine: Engine, organization: str) -> Sequence[TrustedIssuer]:
    """Those of an organization, the oldest first."""
    columns = TRUSTS.c
    query = select(TRUSTS).where(columns.organization == organization).order_by(columns.id)
    with engine.connect() as connection:
        return [_trust(row) for row in connection.execute(query)]


def add_trust(connection: Connection, trust: TrustedIssuer) -> TrustedIssuer:
    """Trust an issuer, under a new id.

    Raises `Conflict` where another organization trusts it for the same jobs: nobody could tell then whose a
    token is.
    """
    columns = TRUSTS.c
    others = [_trust(row) for row in connection.execute(select(TRUSTS).where(columns.issuer == trust.issuer))]
    for other in others:
        if other.organization != trust.organization and _overlap(other, trust):
            raise Conflict(
                "Another organization trusts this issuer for the same jobs: let each of the two name its "
                "repositories."
            )
    if sum(other.organization == trust.organization for other in others) >= MOST_OF_ONE:
        raise Conflict(f"An organization has at most {MOST_OF_ONE} trusts of one issuer.")
    added = replace(trust, id=str(uuid7()))
    connection.execute(insert(TRUSTS).values(**_columns(added)))
    return added


def _overlap(one: TrustedIssuer, other: TrustedIssuer) -> bool:
    """Whether they are of the same owner, and one of them is not limited to repositories that it names."""
    return _owner(one) == _owner(other) and (one.repositories is None or other.repositories is None)


def _owner(trust: TrustedIssuer) -> Sequence[tuple[str, tuple[str, ...]]]:
    """Whose jobs they are, as claims are compared; further claims only narrow that."""
    names = trust.of_kind.owner_claims or trust.claims.keys()
    return sorted(
        (name, tuple(text.lower() for text in texts)) for name, texts in trust.claims.items() if name in names
    )


def remove_trust(connection: Connection, organization: str, trust_id: str) -> None:
    """Trust an issuer no longer. Raises `NotFound` where the organization has no such trust."""
    columns = TRUSTS.c
    removed = connection.execute(
        delete(TRUSTS).where(columns.id == trust_id, columns.organization == organization)
    )
    if not removed.rowcount:
        raise NotFound(f"There is no trust {trust_id}.")


def note_trust_uses(engine: Engine, used: Mapping[str, float]) -> None:
    """Write down when trusts were used last, in seconds since 1970."""
    if not used:
        return
    with write_transaction(engine) as connection:
        for trust_id, at in used.items():
            connection.execute(
                update(TRUSTS).where(TRUSTS.c.id == trust_id).values(last_used_at=round(at * 1_000_000))
            )


def node_id_recorded_by(connection: Connection, organization: str, token_id: str) -> str | None:
    """The deployment that the token has recorded; None where it has recorded none."""
    columns = JOB_TOKENS.c
    found = connection.scalar(
        select(columns.node_id).where(columns.organization == organization, columns.token_id == token_id)
    )
    return None if found is None else str(found)


def note_recorded(
    connection: Connection, organization: str, token_id: str, node_id: str, expires_at: float
) -> None:
    """Remember which deployment the token has recorded. `expires_at` in seconds since 1970."""
    connection.execute(
        insert(JOB_TOKENS).values(
            organization=organization,
            token_id=token_id,
            node_id=node_id,
            expires_at=round(expires_at * 1_000_000) + _REMEMBERED_AFTER_MICROSECONDS,
        )
    )


def forget_old_job_tokens(engine: Engine, now: int) -> None:
    """Remove what is known of tokens that nobody can show any more. `now` in microseconds."""
    with write_transaction(engine) as connection:
        connection.execute(delete(JOB_TOKENS).where(JOB_TOKENS.c.expires_at < now))


def new_trust(organization: str, created_by: str, **fields: Any) -> TrustedIssuer:
    """A trust that is not written yet."""
    made_at = from_microseconds(now_microseconds())
    return TrustedIssuer(
        id="", organization=organization, created_by=created_by, created_at=made_at, **fields
    )


def _trust(row: Row[Any]) -> TrustedIssuer:
    columns = dict(row._mapping)
    columns["created_at"] = from_microseconds(columns["created_at"])
    columns["last_used_at"] = instant_of(columns["last_used_at"])
    return TrustedIssuer(**columns)


def _columns(trust: TrustedIssuer) -> Mapping[str, Any]:
    columns = {name: getattr(trust, name) for name in TRUSTS.c.keys()}  # noqa: SIM118  a column collection
    return columns | {
        "claims": {name: list(texts) for name, texts in trust.claims.items()},
        "created_at": round(trust.created_at.timestamp() * 1_000_000),
    }
