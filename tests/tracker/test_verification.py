"""What `tracker verify` checks: each promise is broken once, and that check alone says so."""

import json
import sqlite3
from contextlib import closing
from itertools import dropwhile
from pathlib import Path

import duckdb
import pytest

from metrics.domain.incidents import NewIncident
from metrics.domain.repositories import RepositoryIdentity
from tests.conftest import REPOSITORY, Book, sqlite_url
from tests.server import run_tracker
from tracker.incidents.service import report_incident
from tracker.records.ledger import Author
from tracker.records.verification import verify_records
from tracker.transfer.export import export_lines
from tracker.transfer.ndjson import Tally
from tracker.transfer.replay import Replay, read_exported

FINISH = "2026-03-02T10:05:00Z"
ORDER = "revisions rise by one, and time with them"
FINISHED = "deployments: what is final has finished, and nothing else"
VERSIONED = ("deployments", "incidents", "repositories", "organization_settings")
# What no two may have, and what gives one of two things what the other has.
KEYS = {
    "deployments": ("uq_deployments_natural_key", "deployment_node_id = '1'"),
    "incidents": ("uq_incidents_key", "key = 'one'"),
    "repositories": ("uq_repositories_key", "service_key = ''"),
}


def fill(book: Book) -> None:
    """Two versions of everything that changes, and two things of each kind that has a key."""
    gone = book.deploy(version="gone", finished_at=FINISH)
    book.deploy(version="once", finished_at=FINISH)
    book.delete(gone.deployment.version.id)
    for node_id in ("1", "2"):
        book.deploy(deployment_node_id=node_id, status="in_progress", service="web")
        book.deploy(deployment_node_id=node_id, finished_at=FINISH, service="web")
    for key in ("one", "two"):
        incident = book.report(key=key, started_at=FINISH)
        book.revise(incident.version.id, title="changed")
    for timezone in ("Europe/Berlin", "Europe/Paris"):
        book.set(timezone=timezone)


@pytest.fixture(scope="module")
def filled(shared_book: Book) -> Book:
    """Nobody who breaks it leaves it broken."""
    fill(shared_book)
    assert wrong_after(shared_book) == set()
    return shared_book


def wrong_after(book: Book, *statements: str) -> set[str]:
    """The checks that do not hold once the statements are carried out; they are taken back."""
    with book.engine.connect() as connection:
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount != 0, statement
        findings = list(verify_records(connection))
        connection.rollback()
    for finding in findings:
        assert finding.holds is (not finding.contradictions)
    return {finding.check for finding in findings if not finding.holds}


@pytest.mark.parametrize(
    "statement",
    [
        "delete from deployments where version = 'once'",
        "update deployments set recorded_at = 1 where version = 'once'",
        "update repositories set revision = {0}, first_revision = {0} where service = 'web'".format(
            "(select min(revision) from deployments)"
        ),
    ],
    ids=["one is missing", "one is before its time", "one is there twice"],
)
def test_revisions_rise_by_one_over_all_tables(filled: Book, statement: str) -> None:
    assert wrong_after(filled, statement) == {ORDER}


@pytest.mark.parametrize("table", VERSIONED)
@pytest.mark.parametrize(
    "change",
    [
        "superseded_revision = 1000 where superseded_revision is null",
        "first_revision = first_revision + 1",
    ],
    ids=["closed by none", "of another beginning"],
)
def test_the_versions_of_each_table_follow_each_other(filled: Book, table: str, change: str) -> None:
    assert wrong_after(filled, f"update {table} set {change}") == {f"{table}: versions follow each other"}


@pytest.mark.parametrize("table", KEYS)
def test_no_key_is_there_twice(filled: Book, table: str) -> None:
    index, same = KEYS[table]
    statements = (f"drop index {index}", f"update {table} set {same} where superseded_revision is null")
    assert wrong_after(filled, *statements) == {f"{table}: no key twice"}


@pytest.mark.parametrize(
    "change",
    ["finished_at = null where finished_at is not null", "status = 'in_progress' where status = 'success'"],
)
def test_what_is_final_has_finished_and_nothing_else(filled: Book, change: str) -> None:
    assert wrong_after(filled, f"update deployments set {change}") == {FINISHED}


def verify(book: Book, folder: Path) -> tuple[int, list[str]]:
    """The exit code of `tracker verify`, and what it says from the first check on that does not hold."""
    done = run_tracker(folder, "verify", TRACKER_DATABASE_URL=book.url)
    lines = done.stdout.splitlines()
    assert any(line.startswith("ok") for line in lines), done.stderr
    return done.returncode, list(dropwhile(lambda line: not line.startswith("WRONG"), lines))


def test_a_store_that_has_lost_rows_is_no_rebuild(filled: Book, tmp_path: Path) -> None:
    assert verify(filled, tmp_path) == (0, [])
    losing = {"deployments": 3, "incidents": 2, "finished_deployments": 3}
    with duckdb.connect(str(tmp_path / "data" / "stores" / "0" / "acme.duckdb")) as store:
        for table, count in losing.items():
            assert store.execute(f"select count(*) from {table}").fetchall() == [(count,)]
            store.execute(f"delete from {table} where rowid = (select max(rowid) from {table})")
    said = [f"      acme: {table}: {count - 1} rows, rebuilt {count}" for table, count in losing.items()]
    assert verify(filled, tmp_path) == (1, ["WRONG the stores equal a rebuild", *said])


def test_a_file_whose_index_has_lost_its_entries_is_not_sound(tmp_path: Path) -> None:
    book = Book(sqlite_url(tmp_path), tmp_path)
    fill(book)
    book.close()
    file = tmp_path / "tracker.db"
    connection = sqlite3.connect(file)
    connection.execute("pragma wal_checkpoint(truncate)")
    ((page_size,),) = connection.execute("pragma page_size").fetchall()
    ((root,),) = connection.execute(
        "select rootpage from sqlite_master where name = 'ix_deployments_history'"
    ).fetchall()
    connection.close()
    with file.open("r+b") as opened:
        # A page of a tree says in its fourth and fifth byte how many entries it has.
        opened.seek((root - 1) * page_size + 3)
        opened.write(b"\0\0")
    code, said = verify(book, tmp_path)
    assert (code, said[0]) == (1, "WRONG the file is sound")
    assert any("ix_deployments_history" in line for line in said)


def test_two_incidents_with_one_key_are_moved_as_two(tmp_path: Path) -> None:
    """One was reported by who knows nothing of the other."""
    fields = {"key": "1", "started_at": "2026-03-02T10:00:00Z"}
    with closing(Book(sqlite_url(tmp_path), tmp_path)) as book:
        book.report(**fields, repository_url="https://github.com/acme/api")
        sent = NewIncident.parse(json.dumps({**fields, "repository_url": REPOSITORY}).encode()).sent(None)
        reach = RepositoryIdentity.parse(REPOSITORY)
        book.recorder.record_now(
            lambda ledger: report_incident(ledger, Author("acme", "test"), sent, lambda one: one == reach)
        )
        with book.engine.connect() as connection:
            lines = list(export_lines(connection, "acme", all_versions=False))
            assert all(finding.holds for finding in verify_records(connection))
    for repeated in (0, len(lines)):
        with closing(Book(sqlite_url(tmp_path / "other"), tmp_path / "other")) as other:
            tally = replayed(other, lines)
            assert (tally.failed, tally.repeated) == (0, repeated)
            assert len(other.rows("select id from incidents where key = '1'")) == 2


def replayed(book: Book, lines: list[bytes]) -> Tally:
    replay, read = Replay("acme"), read_exported(enumerate(lines, start=1))
    book.recorder.record_now(lambda ledger: replay.record(ledger, read))
    return replay.tally
