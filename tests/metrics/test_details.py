"""The views show what a record says beside what is measured, wherever the records are."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import metrics
from metrics.engine.following import follow
from metrics.lake.layout import Lake
from metrics.lake.writing import sync
from metrics.library.frames import Library
from tests.conftest import Book

FIRST = {"title": "Pay by card", "url": "https://ci.example/1", "member_id": "kim", "pull_request_number": 7}
OUTAGE = {"key": "INC-1", "title": "Nobody can pay", "severity": "high", "url": "https://status.example/1"}
ABOUT = ("title", "url", "member_id", "pull_request_number", "changelog", "triggered_by")
RECORDED = ("created_at", "recorded_at", "recorded_by")


@pytest.fixture
def shop(book: Book) -> Book:
    """Three deployments, the second without a word, and an incident; another organization has one too."""
    book.deploy(version="v1", finished_at="2026-03-02T10:00:00Z", **FIRST)
    book.deploy(version="v2", finished_at="2026-03-03T10:00:00Z")
    book.deploy(version="v3", finished_at="2026-03-04T10:00:00Z", member_id="sam", changelog="- colours")
    book.deploy(org="other", version="v1", finished_at="2026-03-04T10:00:00Z", title="not theirs")
    book.report(started_at="2026-03-04T11:00:00Z", deployment="v3", **OUTAGE)
    return book


def told(library: Library) -> list[tuple[object, ...]]:
    return library.deployments().select("version", *ABOUT).rows()


SAID = [
    ("v1", "Pay by card", "https://ci.example/1", "kim", 7, None, "api"),
    ("v2", None, None, None, None, None, "api"),
    ("v3", None, None, "sam", None, "- colours", "api"),
]


def test_a_record_database_has_all_columns(shop: Book) -> None:
    with metrics.open(shop.url, organization="acme") as library:
        assert told(library) == SAID
        (incident,) = library.incidents().rows(named=True)
        assert OUTAGE.items() <= incident.items()
        created = library.deployments().select(RECORDED).rows()
        assert all(first == last <= datetime.now(UTC) and by == "test" for first, last, by in created)


def test_what_is_corrected_added_and_deleted_meanwhile_is_seen(shop: Book) -> None:
    with metrics.open(shop.url, organization="acme") as library:
        ids = library.deployments()["id"].to_list()
        shop.correct(ids[0], title="Pay by card or cash")
        shop.delete(ids[1])
        shop.deploy(version="v4", finished_at="2026-03-05T10:00:00Z", title="Pay later")
        titles = library.deployments().select("version", "title").rows()
        assert titles == [("v1", "Pay by card or cash"), ("v3", None), ("v4", "Pay later")]
        first, _, last = library.deployments().select("created_at", "recorded_at").rows()
        assert first[0] < first[1]
        assert last[0] == last[1]
        shop.delete(library.deployments()["id"][2])
        assert library.sql("select title from deployments")["title"].to_list() == [
            "Pay by card or cash",
            None,
        ]


def test_the_lake_has_them(shop: Book, tmp_path: Path) -> None:
    sync(follow(shop.url), Lake.at(str(tmp_path / "lake")))
    with metrics.open(tmp_path / "lake", organization="acme") as library:
        assert told(library) == SAID
        shop.correct(library.deployments()["id"][0], title="Pay by card or cash")
        sync(follow(shop.url), Lake.at(str(tmp_path / "lake")))
        assert library.deployments()["title"][0] == "Pay by card or cash"


def test_files_have_what_they_say() -> None:
    deployments = pl.DataFrame(
        {
            "repository_url": "https://github.com/acme/shop",
            "version": ["v1", "v2"],
            "finished_at": ["2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z"],
            "title": ["Pay by card", None],
            "pull_request_number": [7, None],
        }
    )
    incidents = pl.DataFrame({"started_at": ["2026-03-04T11:00:00Z"], **OUTAGE, "deployment": "v2"})
    with metrics.open(deployments, incidents=incidents) as library:
        shown = library.deployments().select("title", "pull_request_number", "recorded_by").rows()
        assert shown == [("Pay by card", 7, None), (None, None, None)]
        assert OUTAGE.items() <= library.incidents().row(0, named=True).items()


@pytest.mark.usefixtures("forgetting")
def test_a_metric_of_ones_own_may_depend_on_them(shop: Book, tmp_path: Path) -> None:
    metrics.register(
        "by_kim", "select id, member_id = 'kim' as is_counted from deployments", "frequency", title="By Kim"
    )
    march = {"from_": "2026-03-01", "to": "2026-04-01"}
    sync(follow(shop.url), Lake.at(str(tmp_path / "lake")))
    for source in (shop.url, tmp_path / "lake"):
        with metrics.open(source, organization="acme") as library:
            assert library.metric("by_kim", **march)["deployments"].to_list() == [1]
            counted = library.explain("by_kim", **march).filter(pl.col("counted"))
            assert counted.height == 1
            before = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
            assert library.metric("by_kim", **march, as_of=before)["deployments"].to_list() == [0]
    with metrics.open(shop.url, organization="acme") as library:
        moment = datetime.now(UTC).isoformat()
        shop.correct(library.deployments()["id"][1], member_id="kim")
        assert library.metric("by_kim", **march)["deployments"].to_list() == [2]
        assert library.metric("by_kim", **march, as_of=moment)["deployments"].to_list() == [1]
