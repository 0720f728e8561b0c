"""Backups of a SQLite record database, taken and put back while the service runs."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tracker.records.engine import connect
from tracker.records.migrations import migrate

_BUSY_SECONDS = 60


class BackupError(Exception):
    """The backup cannot be taken or put back; the message says why."""


def back_up(database: Path, target: Path) -> None:
    """Copy the database as it is at one moment into a new file. Raises `BackupError`.

    Neither waits for writers nor makes them wait.
    """
    if target.exists():
        raise BackupError(f"{target} is there already")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.touch(mode=0o600)  # it holds secrets
        with _opened(database) as source, _opened(draft) as copy:
            source.backup(copy)
            _require_sound(copy, draft)
            copy.execute("pragma journal_mode = delete")
        _keep(draft)
        os.link(draft, target)
        _keep(target.absolute().parent)
    except sqlite3.Error as error:
        raise BackupError(f"{database} cannot be backed up: {error}") from error
    finally:
        draft.unlink(missing_ok=True)


def restore(database: Path, backup: Path) -> Path:
    """Put a backup in the database's place; every running service goes on with what it holds.

    An older schema is brought to head. Tokens that have been revoked since stay revoked. What was there
    before is kept in a file beside the database, which is returned. Raises `BackupError`.
    """
    now = datetime.now(UTC)
    kept = database.with_name(f"{database.name}.before-restore-{now:%Y%m%dT%H%M%S%fZ}")
    prepared = database.with_name(f".{database.name}.restore.{os.getpid()}")
    if not backup.is_file():
        raise BackupError(f"there is no file {backup}")
    try:
        with _opened(backup, "ro") as source, _opened(prepared) as copy:
            _require_sound(source, backup)
            source.backup(copy)
        engine = connect(f"sqlite:///{prepared}")
        migrate(engine)
        engine.dispose()
        if database.exists():
            back_up(database, kept)
            _keep_revocations(database, prepared)
        with _opened(prepared) as source, _opened(database) as live:
            source.backup(live)
    except sqlite3.Error as error:
        raise BackupError(f"{backup} cannot be restored: {error}") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            prepared.with_name(prepared.name + suffix).unlink(missing_ok=True)
    return kept


@contextmanager
def _opened(file: Path, mode: str = "rwc") -> Iterator[sqlite3.Connection]:
    uri = f"{file.absolute().as_uri()}?mode={mode}"
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("pragma synchronous = full")
        yield connection


def _require_sound(connection: sqlite3.Connection, file: Path) -> None:
    """Raises `BackupError` where the file is damaged or no record database."""
    found = connection.execute("pragma integrity_check").fetchone()
    if found != ("ok",):
        raise BackupError(f"{file} is damaged: {found[0]}")
    if not connection.execute("select 1 from sqlite_master where name = 'alembic_version'").fetchone():
        raise BackupError(f"{file} is no record database")


def _keep_revocations(database: Path, prepared: Path) -> None:
    with _opened(prepared) as connection:
        connection.execute("attach ? as live", (str(database),))
        connection.execute("insert or ignore into revoked_tokens select * from live.revoked_tokens")


def _keep(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
