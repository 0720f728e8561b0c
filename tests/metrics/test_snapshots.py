"""Snapshots of a record database are read over connections that are kept, and keep nothing else."""

import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from metrics.engine import record_databases
from metrics.engine.following import follow
from metrics.engine.record_databases import SqliteRecords
from metrics.engine.store import Store
from tests.conftest import Book, _made, sqlite_url


def test_each_snapshot_is_of_its_moment(book: Book) -> None:
    records = follow(book.url, is_service=True)
    with Store(follow(book.url)) as store:
        for count in (1, 2, 3):
            book.deploy(finished_at=f"2026-03-0{count}T10:00:00Z")
            with records.snapshot() as snapshot:
                assert snapshot.head().revision == store.head().revision
                assert sum(rows.num_rows for rows in snapshot.rows("deployments", 0)) == count
    records.close()


def test_one_that_was_left_in_the_middle_holds_nobody_up(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_databases, "_ROWS_AT_ONCE", 1)
    for day in (1, 2, 3):
        book.deploy(finished_at=f"2026-03-0{day}T10:00:00Z")
    records = follow(book.url, is_service=True)
    with records.snapshot() as snapshot:
        rows = snapshot.rows("deployments", 0)
        next(rows)
    book.deploy(finished_at="2026-03-04T10:00:00Z")
    with records.snapshot() as snapshot:
        assert sum(rows.num_rows for rows in snapshot.rows("deployments", 0)) == 4
    if isinstance(records, SqliteRecords):
        with closing(sqlite3.connect(records.file)) as connection:
            busy, left, moved = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        assert (busy, left, moved) == (0, 0, 0)
    records.close()


def test_many_read_at_once(book: Book) -> None:
    book.deploy(finished_at="2026-03-02T10:00:00Z")
    records = follow(book.url, is_service=True)

    def count(_: int) -> int:
        with records.snapshot() as snapshot:
            return sum(rows.num_rows for rows in snapshot.rows("deployments", 0))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(count, range(80))) == {1}
    records.close()


@pytest.mark.on_one_database
def test_a_forked_process_reads_over_connections_of_its_own(book: Book) -> None:
    """SQLite's locks are a process's: over a connection of the parent's they would not hold."""
    records = follow(book.url, is_service=True)
    assert isinstance(records, SqliteRecords)
    with records.snapshot():
        pass
    kept = records._idle.take()
    assert kept is not None
    records._idle.keep(kept)
    child = os.fork()
    if child == 0:
        is_left = records._idle.take() is None
        records.close()
        os._exit(0 if is_left and list(records._idle._kept.queue) == [kept] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert records._idle.take() is kept
    kept.close()


@pytest.mark.on_one_database
def test_who_only_reads_keeps_no_log_of_a_writer_that_has_ended(tmp_path: Path) -> None:
    shutil.copy(_made() / "tracker.db", tmp_path)
    url = sqlite_url(tmp_path)
    records = follow(url)
    with records.snapshot():
        pass
    with closing(sqlite3.connect(tmp_path / "tracker.db")) as writer:
        writer.execute("pragma user_version = 7")
    assert [file.name for file in tmp_path.iterdir()] == ["tracker.db"]
    # What is written later is read all the same.
    with closing(sqlite3.connect(tmp_path / "tracker.db")) as writer:
        writer.execute("create table other (one)")
        writer.commit()
    with records.snapshot() as snapshot:
        assert snapshot._run("select name from sqlite_master where name = 'other'", ()) == [("other",)]
    records.close()
