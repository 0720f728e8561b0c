"""Idempotency keys: a request that is sent again under its key gets the first answer again.

The answer is kept in the transaction of what it answers, so either both are on disk or neither is.
A refusal is not kept: nothing was recorded, and the key may be used again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import Engine, delete, insert, select

from metrics.domain.instants import DAY_MICROSECONDS
from tracker.errors import KeyReused, KeyUnderWay
from tracker.records.engine import write_transaction
from tracker.records.ledger import Act, Ledger
from tracker.retention import IDEMPOTENCY_KEY_DAYS
from tracker.web.tables import IDEMPOTENCY_KEYS

LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was first given."""

    status_code: int
    location: str
    body: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request under a key. The same key on another route, or of another organization, is another key."""

    organization: str
    route: str
    key: str
    fingerprint: str

    @classmethod
    def of(cls, organization: str, route: str, key: str, body: bytes) -> "KeyedRequest":
        return cls(organization, route, key, sha256(body).hexdigest())


def answer_once(ledger: Ledger, request: KeyedRequest, act: Act[KeptAnswer]) -> KeptAnswer:
    """The answer that the key was given first, else the act's, which is kept with what it has recorded.

    Raises `KeyReused` where the key came with another body first, and what the act raises.
    """
    columns = IDEMPOTENCY_KEYS.c
    found = ledger.connection.execute(
        select(columns.fingerprint, columns.status_code, columns.location, columns.body).where(
            columns.organization == request.organization,
            columns.route == request.route,
            columns.key == request.key,
        )
    ).first()
    if found is not None:
        if found.fingerprint != request.fingerprint:
            raise KeyReused(f"Idempotency-Key {request.key} was first sent with another body.")
        return KeptAnswer(found.status_code, found.location, found.body, replayed=True)
    answer = act(ledger)
    ledger.connection.execute(
        insert(IDEMPOTENCY_KEYS).values(
            organization=request.organization,
            route=request.route,
            key=request.key,
            fingerprint=request.fingerprint,
            status_code=answer.status_code,
            location=answer.location,
            body=answer.body,
            created_at=ledger.now,
        )
    )
    return answer


@dataclass(frozen=True, slots=True)
class KeysUnderWay:
    """The keys whose first request this process is answering just now."""

    _held: set[tuple[str, str, str]] = field(default_factory=set)

    @contextmanager
    def holding(self, request: KeyedRequest) -> Iterator[None]:
        """Hold the key while it is answered. Raises `KeyUnderWay` where another request holds it."""
        name = (request.organization, request.route, request.key)
        if name in self._held:
            raise KeyUnderWay(f"The first request with Idempotency-Key {request.key} is not answered yet.")
        self._held.add(name)
        try:
            yield
        finally:
            self._held.remove(name)


def forget_old_keys(engine: Engine, now: int) -> int:
    """Remove keys older than `IDEMPOTENCY_KEY_DAYS`; return how many. `now` in microseconds."""
    before = now - IDEMPOTENCY_KEY_DAYS * DAY_MICROSECONDS
    with write_transaction(engine) as connection:
        return connection.execute(
            delete(IDEMPOTENCY_KEYS).where(IDEMPOTENCY_KEYS.c.created_at < before)
        ).rowcount
