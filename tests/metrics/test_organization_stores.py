"""A store for each organization: it follows its own records, and what becomes of another's is nothing to it."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from metrics.definitions.base import MetricName
from metrics.domain.deployments import NewDeployment
from metrics.domain.errors import RecordsUnavailable
from metrics.domain.instants import now_microseconds
from metrics.engine import organizations as organization_stores
from metrics.engine.following import follow
from metrics.engine.organizations import OrganizationStores
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session
from tests.conftest import REPOSITORY, Book, sqlite_url
from tests.metrics.test_store import full_disk
from tracker.deployments.service import record_deployment
from tracker.records.ledger import Author, Ledger

MARCH = MetricParameters.of({"from": "2026-03-01", "to": "2026-04-01"})
AT = "2026-03-02T10:00:00Z"


@pytest.fixture
def stores(book: Book) -> Iterator[OrganizationStores]:
    with OrganizationStores(follow(book.url), book.folder / "each") as opened:
        yield opened


def counted(stores: OrganizationStores, organization: str) -> int:
    (answer,) = Session(stores.of(organization), organization).answers(
        MARCH, [MetricName.DEPLOYMENT_FREQUENCY]
    )
    return answer.row.deployments  # type: ignore[union-attr]


def held(stores: OrganizationStores, organization: str) -> dict[str, int]:
    """Of whom a store has deployments, and how many."""
    sql = "select organization, count(*) from deployments group by organization"
    return stores.of(organization).read(lambda cursor: dict(cursor.execute(sql).fetchall()))


def open_beside(stores: OrganizationStores, organization: str) -> set[str]:
    """The stores that are open while one of them is asked, that one included."""
    sql = "select path from duckdb_databases() where path is not null"
    paths = stores.of(organization).read(lambda cursor: cursor.execute(sql).fetchall())
    return {Path(path).stem for (path,) in paths}


def test_a_store_holds_the_records_of_its_organization_alone(book: Book, stores: OrganizationStores) -> None:
    for org, count in (("acme", 2), ("other", 3)):
        for _ in range(count):
            book.deploy(org=org, finished_at=AT)
    assert counted(stores, "acme") == 2
    assert held(stores, "acme") == {"acme": 2}
    book.deploy(org="other", finished_at=AT)
    assert counted(stores, "acme") == 2
    assert stores.lag() == 0
    assert counted(stores, "other") == 4
    assert held(stores, "acme") == {"acme": 2}
    assert counted(stores, "nobody") == 0


def test_what_an_organization_records_is_in_its_next_answer(book: Book, stores: OrganizationStores) -> None:
    made = book.deploy(finished_at=AT).deployment.version.id
    assert counted(stores, "acme") == 1
    assert stores.lag() == 0
    book.deploy(finished_at="2026-03-03T10:00:00Z")
    assert stores.lag() == 1
    assert counted(stores, "acme") == 2
    book.delete(made)
    assert counted(stores, "acme") == 1


def test_a_store_goes_on_where_it_was(book: Book) -> None:
    book.deploy(finished_at=AT)
    for count in (1, 2):
        with OrganizationStores(follow(book.url), book.folder / "each") as stores:
            assert counted(stores, "acme") == count
        file = book.folder / "each" / "0" / "acme.duckdb"
        made = file.stat().st_ino
        book.deploy(finished_at=AT, commit_id=f"{count:07}")
    assert file.stat().st_ino == made


@pytest.mark.parametrize("damage", ["deleted", "emptied", "random bytes"])
def test_damage_to_one_store_touches_no_other(book: Book, damage: str) -> None:
    for org in ("acme", "other"):
        book.deploy(org=org, finished_at=AT)
    folder = book.folder / "each"
    with OrganizationStores(follow(book.url), folder) as stores:
        assert [counted(stores, org) for org in ("acme", "other")] == [1, 1]
    with OrganizationStores(follow(book.url), folder) as stores:
        assert counted(stores, "other") == 1
        others = (folder / "0" / "other.duckdb").stat().st_ino
        file = folder / "0" / "acme.duckdb"
        match damage:
            case "deleted":
                file.unlink()
            case "emptied":
                os.truncate(file, 0)
            case "random bytes":
                file.write_bytes(os.urandom(file.stat().st_size))
        for org in ("acme", "other", "acme"):
            assert counted(stores, org) == 1
        assert (folder / "0" / "other.duckdb").stat().st_ino == others


def test_a_full_disk_under_one_store_leaves_the_others_answering(tmp_path: Path) -> None:
    with (
        closing(Book(sqlite_url(tmp_path), tmp_path)) as book,
        OrganizationStores(follow(book.url), tmp_path / "each") as stores,
    ):
        for org in ("acme", "other"):
            book.deploy(org=org, finished_at=AT)
            assert counted(stores, org) == 1
        book.deploy(finished_at=AT, commit_id="bbbbbbb")
        with full_disk(500):
            with pytest.raises(RecordsUnavailable):
                counted(stores, "acme")
            with pytest.raises(RecordsUnavailable):
                counted(stores, "newcomer")
            assert counted(stores, "other") == 1
        assert [counted(stores, org) for org in ("acme", "other", "newcomer")] == [2, 1, 0]


def test_stores_that_nobody_asks_are_closed_and_opened_again(
    book: Book, stores: OrganizationStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organization_stores, "_MOST_IDLE", 2)
    names = ("acme", "other", "third", "fourth")
    for org in names:
        book.deploy(org=org, finished_at=AT)
        assert counted(stores, org) == 1
    assert open_beside(stores, "fourth") == {"third", "fourth"}
    for org in names:
        book.deploy(org=org, finished_at=AT, commit_id="bbbbbbb")
        assert counted(stores, org) == 2


def test_two_thousand_organizations_of_which_fifty_are_asked_at_once(tmp_path: Path) -> None:
    names = [f"org-{number:04}" for number in range(2_000)]
    body = f'{{"repository_url": "{REPOSITORY}", "commit_id": "aaaaaaa", "finished_at": "{AT}"}}'.encode()
    sent = NewDeployment.parse(body).sent(triggered_by="api", now=now_microseconds())

    def record_all(ledger: Ledger) -> None:
        for number, name in enumerate(names):
            for _ in range(1 + number % 3):
                record_deployment(ledger, Author(name, "test"), sent)

    with (
        closing(Book(sqlite_url(tmp_path), tmp_path)) as book,
        OrganizationStores(follow(book.url), tmp_path / "each") as stores,
    ):
        book.recorder.record_now(record_all)
        asked = names[::40] * 2
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda name: counted(stores, name), asked))
        assert answers == [1 + names.index(name) % 3 for name in asked]
        assert len(list((tmp_path / "each" / "0").glob("org-*.duckdb"))) == 50
