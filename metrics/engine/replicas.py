"""A PostgreSQL server that holds what another does: what figures are pulled from, where there is one."""

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from psycopg.conninfo import make_conninfo

from metrics.domain.errors import RecordsUnavailable
from metrics.engine.pulled_tables import Position
from metrics.engine.record_databases import DatabaseRecords, DatabaseSnapshot, PostgresRecords

_CONNECT_SECONDS = 2
# It is tried again after so long.
_AWAY_SECONDS = 30.0


class Replica:
    """A server that holds what a primary does, as far as it has come. Safe to use from several threads."""

    def __init__(self, conninfo: str) -> None:
        # Who does not answer holds up every question otherwise.
        self._records = PostgresRecords(make_conninfo(conninfo, connect_timeout=_CONNECT_SECONDS))
        self._away_until = -math.inf

    @property
    def is_away(self) -> bool:
        """Whether it has failed just now, and is left alone for a while."""
        return time.monotonic() < self._away_until

    @contextmanager
    def snapshot(self, organization: str | None) -> Iterator[DatabaseSnapshot]:
        """One read transaction. Raises `RecordsUnavailable`, and is away then."""
        records = self._records if organization is None else self._records.of(organization)
        try:
            with records.snapshot() as snapshot:
                yield snapshot
        except RecordsUnavailable:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            raise

    def close(self) -> None:
        self._records.close()


class ReplicatedRecords(DatabaseRecords):
    """The records of a primary server, read of a replica: the primary is left to those who write."""

    def __init__(self, primary: DatabaseRecords, replica: Replica, organization: str | None = None) -> None:
        self._primary, self._replica, self._organization = primary, replica, organization

    def of(self, organization: str) -> "ReplicatedRecords":
        return ReplicatedRecords(self._primary.of(organization), self._replica, organization)

    @contextmanager
    def snapshot(self) -> Iterator[DatabaseSnapshot]:
        """Of the replica where it has all that the primary has at this moment, else of the primary."""
        with self._primary.snapshot() as snapshot:
            head = snapshot.head()
        with ExitStack() as held:
            replica = None if self._replica.is_away else self._as_far_as(head, held)
            yield replica or held.enter_context(self._primary.snapshot())

    def _as_far_as(self, head: Position, held: ExitStack) -> DatabaseSnapshot | None:
        """A snapshot of the replica; None where it has not come so far, is away, or is of another history."""
        with suppress(RecordsUnavailable), ExitStack() as attempt:
            snapshot = attempt.enter_context(self._replica.snapshot(self._organization))
            reached = snapshot.head()
            if reached == head or (reached.revision > head.revision and self._has_come_to(reached)):
                held.enter_context(attempt.pop_all())
                return snapshot
        return None

    def _has_come_to(self, position: Position) -> bool:
        """Whether the primary has passed through it meanwhile: one that was restored has not."""
        with self._primary.snapshot() as snapshot:
            return snapshot.holds(position)

    def close(self) -> None:
        self._primary.close()
        self._replica.close()
