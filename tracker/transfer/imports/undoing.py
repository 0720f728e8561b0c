"""Imports as they are listed, and undone: what one has made is deleted, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, select, update

from metrics.domain.instants import from_microseconds, instant_of, now_microseconds
from tracker.deployments.service import RecordedDeployment
from tracker.errors import NotFound
from tracker.incidents.service import RecordedIncident
from tracker.records.ledger import Author, Ledger
from tracker.records.recorder import Recorder
from tracker.records.tables import DEPLOYMENTS, INCIDENTS, current
from tracker.transfer.imports.known import UNDO_SUBJECT
from tracker.transfer.imports.tables import IMPORTED_RECORDS, IMPORTS

_AT_ONCE = 1_000
_KINDS: dict[str, tuple[Table, Callable[[Row[Any]], RecordedDeployment | RecordedIncident]]] = {
    "deployment": (DEPLOYMENTS, RecordedDeployment.from_row),
    "incident": (INCIDENTS, RecordedIncident.from_row),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PastImport:
    """One run, as it is listed. `finished_at` is None where it was interrupted."""

    id: str
    source: str
    name: str
    started_at: datetime
    finished_at: datetime | None
    recorded: int
    undone_at: datetime | None


def list_imports(connection: Connection, organization: str) -> Sequence[PastImport]:
    """The imports of an organization, the latest first."""
    columns = IMPORTS.c
    rows = connection.execute(
        select(IMPORTS).where(columns.organization == organization).order_by(columns.id.desc())
    )
    return [
        PastImport(
            id=row.id,
            source=row.source,
            name=row.name,
            started_at=from_microseconds(row.started_at),
            finished_at=instant_of(row.finished_at),
            recorded=row.recorded,
            undone_at=instant_of(row.undone_at),
        )
        for row in rows
    ]


@dataclass(slots=True)
class Undone:
    """How many records were deleted; what stays, for it was changed since; what was gone already."""

    deleted: int = 0
    changed: int = 0
    gone: int = 0


def undo_import(
    recorder: Recorder, organization: str, import_id: str, progress: Callable[[int], None]
) -> Undone:
    """Delete what an import has made, as far as nobody has changed it since. Raises `NotFound`.

    One that is interrupted goes on when it is called again.
    """
    undone = Undone()
    for kind in _KINDS:
        after = ""
        while True:
            chunk = recorder.record_now(_Chunk(organization, import_id, kind, after).delete)
            if chunk.last is None:
                break
            after = chunk.last
            undone.deleted += chunk.deleted
            undone.changed += chunk.changed
            undone.gone += chunk.gone
            progress(chunk.deleted + chunk.changed + chunk.gone)
    finished = update(IMPORTS).where(IMPORTS.c.id == import_id).values(undone_at=now_microseconds())
    recorder.record_now(lambda ledger: ledger.connection.execute(finished))
    return undone


@dataclass(frozen=True, slots=True)
class _Deleted:
    last: str | None
    deleted: int = 0
    changed: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The next records of a kind that an import has made."""

    organization: str
    import_id: str
    kind: str
    after: str

    def delete(self, ledger: Ledger) -> _Deleted:
        known = select(IMPORTS.c.id).where(
            IMPORTS.c.id == self.import_id, IMPORTS.c.organization == self.organization
        )
        if ledger.connection.execute(known).first() is None:
            raise NotFound(f"There is no import {self.import_id}: see 'tracker import list'.")
        made = self._made(ledger)
        if not made:
            return _Deleted(None)
        table, read = _KINDS[self.kind]
        rows = ledger.connection.execute(
            select(table).where(current(table.c, self.organization), ledger.in_values(table.c.id, made))
        ).all()
        author, changes = Author(self.organization, UNDO_SUBJECT), []
        for row in rows:
            recorded = read(row)
            if recorded.version.revision == made[recorded.version.id]:
                version = ledger.next_version(author, recorded.version).as_deletion()
                changes.append((recorded.version, type(recorded)(version, recorded.facts).to_row()))  # type: ignore[arg-type]
        ledger.supersede_all(table, changes)
        return _Deleted(max(made), len(changes), len(rows) - len(changes), len(made) - len(rows))

    def _made(self, ledger: Ledger) -> dict[str, int]:
        """By id the version that the import wrote."""
        columns = IMPORTED_RECORDS.c
        rows = ledger.connection.execute(
            select(columns.record_id, columns.revision)
            .where(
                columns.import_id == self.import_id,
                columns.kind == self.kind,
                columns.record_id > self.after,
            )
            .order_by(columns.record_id)
            .limit(_AT_ONCE)
        )
        return {row.record_id: row.revision for row in rows}
