"""The store follows the record database, and may be lost at any time."""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from metrics.definitions.base import MetricName
from metrics.domain.errors import RecordsUnavailable
from metrics.engine.record_databases import follow
from metrics.engine.store import Store
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session
from tests.conftest import Book, sqlite_url
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
    return book.folder / "stores" / "0.duckdb"


def test_a_store_that_was_closed_goes_on_where_it_was(book: Book, store_file: Path) -> None:
    reopen(book)
    book.deploy(finished_at="2026-03-02T11:00:00Z")
    assert deployments(book) == 2
    assert store_file.exists()


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
    assert [file.name for file in store_file.parent.glob("*.duckdb")] == [store_file.name]


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
    assert [file.name for file in store_file.parent.glob("*.duckdb")] == ["0.duckdb"]


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
    with Store(follow(book.url), store_file.parent):
        assert (store_file.parent / "1.duckdb").exists()
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
