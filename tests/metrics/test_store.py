"""The store follows the record database, and may be lost at any time."""

import gc
import os
import random
import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg
import pytest

from metrics.definitions.base import MetricName
from metrics.domain.errors import RecordsUnavailable
from metrics.engine.following import follow
from metrics.engine.store import Store
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session
from tests.conftest import Book, Postgres, sqlite_url
from tests.waiting import wait_until
from tracker.records.engine import write_transaction

WINDOW = {"from_": "2026-03-02", "to": "2026-03-03"}


def deployments(book: Book, **parameters: str) -> int:
    return book.ask(**WINDOW, **parameters)["deployment_frequency"].row.deployments  # type: ignore[union-attr]


def reopen(book: Book) -> None:
    book.store.close()
    book.open_store()


@pytest.fixture
def store_file(book: Book) -> Path:
    book.deploy(finished_at="2026-03-02T10:00:00Z")
    assert deployments(book) == 1
    return book.folder / "stores" / "0" / "all.duckdb"


def files_of(store_file: Path) -> list[Path]:
    """Every file that the store has, under whatever name."""
    return list(store_file.parent.glob(f"{store_file.stem}*.duckdb"))


def test_a_store_that_was_closed_goes_on_where_it_was(book: Book, store_file: Path) -> None:
    reopen(book)
    book.deploy(finished_at="2026-03-02T11:00:00Z")
    assert deployments(book) == 2
    assert store_file.exists()


@pytest.mark.on_one_database
@pytest.mark.parametrize("damage", ["deleted", "truncated", "random bytes", "another version"])
def test_a_damaged_store_is_made_again(book: Book, store_file: Path, damage: str) -> None:
    book.store.close()
    match damage:
        case "deleted":
            store_file.unlink()
        case "truncated":
            store_file.write_bytes(store_file.read_bytes()[:5000])
        case "random bytes":
            store_file.write_bytes(bytes(range(256)) * 100)
        case "another version":
            with duckdb.connect(str(store_file)) as connection:
                connection.execute("update definitions set fingerprint = 'older'")
    book.open_store()
    assert deployments(book) == 1
    # It has its old place: the next start finds it, and does not make it once more.
    assert files_of(store_file) == [store_file]


@pytest.mark.on_one_database
@pytest.mark.parametrize("damage", ["deleted", "truncated", "emptied", "random bytes"])
def test_a_store_that_is_damaged_in_use_is_made_again(book: Book, store_file: Path, damage: str) -> None:
    reopen(book)  # nothing of the file is in memory
    match damage:
        case "deleted":
            store_file.unlink()
        case "truncated":
            os.truncate(store_file, 5_000)
        case "emptied":
            os.truncate(store_file, 0)
        case "random bytes":
            with store_file.open("r+b") as file:
                file.write(random.Random(7).randbytes(store_file.stat().st_size))
    for count in (1, 2, 3):
        answers = ThreadPoolExecutor(4).map(lambda _: counted(book), range(8))
        assert set(answers) == {count}
        book.deploy(finished_at="2026-03-02T11:00:00Z")
    reopen(book)
    assert deployments(book) == 4
    assert files_of(store_file) == [store_file]


def test_a_store_that_cannot_be_made_again_goes_on_once_it_can(book: Book, store_file: Path) -> None:
    """Its folder is on a disk that is away for a while."""
    reopen(book)
    os.truncate(store_file, 0)
    away = store_file.parent.rename(book.folder / "away")
    for _ in range(2):
        with pytest.raises(RecordsUnavailable):
            counted(book)
    assert book.store.lag() is None
    away.rename(store_file.parent)
    assert counted(book) == 1
    book.deploy(finished_at="2026-03-02T11:00:00Z")
    assert counted(book) == 2


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """The limit on a file's size stands for the disk: this process writes none beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_store_on_a_full_disk_goes_on_once_there_is_room(tmp_path: Path) -> None:
    with closing(Book(sqlite_url(tmp_path), tmp_path)) as book:
        book.deploy(finished_at="2026-03-02T10:00:00Z")
        assert counted(book) == 1
        book.deploy(finished_at="2026-03-02T11:00:00Z")
        with full_disk(500):
            for _ in range(2):
                with pytest.raises(RecordsUnavailable, match="File too large"):
                    counted(book)
        assert counted(book) == 2
        book.deploy(finished_at="2026-03-02T12:00:00Z")
        # There is room for the log and none for the checkpoint: DuckDB gives the file up until it is opened again.
        book.store._connection.execute("set checkpoint_threshold = '1KB'")
        with full_disk(1_000_000):
            assert counted(book) == 3
        book.deploy(finished_at="2026-03-02T13:00:00Z")
        assert counted(book) == 4
        assert len(files_of(tmp_path / "stores" / "0" / "all.duckdb")) == 1


def counted(book: Book) -> int:
    asked = {"from": WINDOW["from_"], "to": WINDOW["to"]}
    (answer,) = Session(book.store, "acme").answers(
        MetricParameters.of(asked), [MetricName.DEPLOYMENT_FREQUENCY]
    )
    return answer.row.deployments  # type: ignore[union-attr]


def test_a_database_that_was_replaced_is_followed_anew(book: Book, tmp_path: Path) -> None:
    book.deploy(finished_at="2026-03-02T10:00:00Z")
    assert deployments(book) == 1
    book.store.close()
    (tmp_path / "other").mkdir()
    other = Book(sqlite_url(tmp_path / "other"), tmp_path / "other")
    other.store.close()
    for minute in range(3):
        other.deploy(finished_at=f"2026-03-02T10:0{minute}:00Z")
    other.folder = book.folder
    other.open_store()
    assert deployments(other) == 3
    other.close()
    book.open_store()
    assert deployments(book) == 1


def test_two_stores_in_one_folder_have_a_file_each(book: Book, store_file: Path) -> None:
    slots = store_file.parent.parent
    with Store(follow(book.url), slots):
        assert (slots / "1" / store_file.name).exists()
    book.deploy(finished_at="2026-03-02T11:00:00Z")
    assert deployments(book) == 2


def test_answers_are_right_while_records_come_in_and_many_ask(book: Book) -> None:
    """Each answer holds everything that was recorded before it was asked for."""
    failures: list[str] = []
    recorded = 0

    def ask_often() -> None:
        for _ in range(10):
            before = recorded
            found = deployments(book)
            if found < before:
                failures.append(f"{found} < {before}")

    readers = [threading.Thread(target=ask_often) for _ in range(4)]
    for reader in readers:
        reader.start()
    for minute in range(30):
        book.deploy(finished_at=f"2026-03-02T10:{minute:02d}:00Z")
        recorded += 1
    for reader in readers:
        reader.join()
    assert failures == []
    assert deployments(book) == 30


def test_a_change_replaces_what_the_store_had(book: Book) -> None:
    book.deploy(deployment_node_id="1", status="in_progress", started_at="2026-03-02T09:59:00Z")
    assert deployments(book) == 0
    book.deploy(deployment_node_id="1", finished_at="2026-03-02T10:00:00Z")
    assert deployments(book) == 1
    book.deploy(deployment_node_id="1", title="named later")
    assert deployments(book) == 1
    assert book.ask(**WINDOW)["deployment_frequency"].row.median_duration_seconds == 60  # type: ignore[union-attr]


def test_the_pull_waits_for_no_writer(book: Book) -> None:
    book.deploy(finished_at="2026-03-02T10:00:00Z")
    with write_transaction(book.engine) as connection:
        connection.exec_driver_sql("update deployments set title = 'not committed'")
        assert deployments(book) == 1


def test_connections_that_were_kept_are_closed_also_where_they_are_garbage_in_a_cycle(
    postgres: Postgres,
) -> None:
    url = postgres.database()
    records = follow(url)
    records.position_at(datetime(2026, 3, 2, tzinfo=UTC))

    # Once the collector has gone over all of them, it takes them in another order than they were made in.
    gc.collect()
    cycle: list[object] = [records]
    cycle.append(cycle)
    del records, cycle
    # A connection that is collected while open is an error here, by pytest's settings.
    gc.collect()

    with psycopg.connect(url, autocommit=True) as connection:
        others = "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        wait_until(lambda: not connection.execute(others).fetchall())
