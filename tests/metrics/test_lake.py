"""The lake holds every version once, whatever a sync is cut off by, and answers what its database answers."""

import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metrics
from metrics.definitions.base import MetricName
from metrics.definitions.catalog import VIEWS
from metrics.domain.errors import RecordsUnavailable
from metrics.engine import record_databases
from metrics.engine.following import follow
from metrics.engine.pulled_tables import PULLED
from metrics.engine.store import Store
from metrics.lake.layout import Lake
from metrics.lake.reading import LakeRecords
from metrics.lake.writing import Synced, sync
from tests.conftest import Book
from tests.metrics.changes import ROUNDS, Changes, changes

MARCH: dict[str, Any] = {"from_": "2026-03-01", "to": "2026-04-01"}


class Shore:
    """A database and its lake, new for each example of a property."""

    def __init__(self, book: Book, folder: Path) -> None:
        self.book, self.folder = book, folder
        self.lake = Lake.at(str(folder))

    def sync(self) -> Synced:
        return sync(follow(self.book.url), self.lake)

    def sync_cut_off_after(self, files: int) -> None:
        """Let the disk be full after so many files."""
        left = iter([False] * files)
        finish = Lake.finish

        def full(lake: Lake, path: str) -> None:
            if path.endswith(".parquet") and next(left, True):
                raise OSError("No space left on device")
            finish(lake, path)

        with patch.object(Lake, "finish", full):
            try:
                self.sync()
            except OSError:
                return

    def revisions(self, table: str) -> list[int]:
        """The revisions of a table as any engine sees them, without the manifest."""
        files = sorted(self.folder.glob(f"{table}/*/*/[0-9]*.parquet"))
        return sorted(pl.concat([pl.read_parquet(file) for file in files])["revision"]) if files else []

    def read(self, table: str) -> list[int]:
        """The revisions of a table as the library reads them."""
        found: list[int] = []
        for organization in self.lake.organizations():
            with LakeRecords(self.lake, organization).snapshot() as snapshot:
                found += [one for rows in snapshot.rows(table, 0) for one in rows["revision"].to_pylist()]
        return sorted(found)

    def recorded(self, table: str) -> list[int]:
        return sorted(revision for (revision,) in self.book.rows(f"select revision from {table}"))


@pytest.fixture
def shore(book: Book, tmp_path: Path) -> Shore:
    return Shore(book, tmp_path / "lake")


@pytest.fixture
def filled(shore: Shore) -> Shore:
    book = shore.book
    for org in ("acme", "other"):
        for day in range(1, 11):
            book.deploy(
                org=org,
                version=f"v{day}",
                deployment_node_id=f"run-{day}",
                finished_at=f"2026-03-{day:02}T10:00:00Z",
                title=f"Release {day}",
                is_hotfix=day == 4,
                commits=[{"sha": f"{day:02x}" * 20, "committed_at": f"2026-03-{day:02}T08:00:00Z"}],
                labels={"size": "s"},
            )
    book.report(
        started_at="2026-03-07T11:00:00Z", repository_url="https://github.com/acme/shop", title="Down"
    )
    book.set(timezone="Europe/Berlin")
    shore.sync()
    return shore


@pytest.mark.long
@ROUNDS
@given(
    made=st.lists(changes, min_size=4, max_size=24),
    syncs=st.lists(st.sampled_from([None, None, "whole", 0, 1, 2, 3]), min_size=24, max_size=24),
)
def test_a_lake_that_was_cut_off_holds_every_version_once(
    book: Book, tmp_path: Path, made: list[tuple[str, Any]], syncs: list[Any]
) -> None:
    shutil.rmtree(tmp_path / "lake", ignore_errors=True)
    shore, organization = Shore(book, tmp_path / "lake"), Changes(book)
    for (kind, what), how in zip(made, syncs, strict=False):
        organization.make(kind, what)
        if how == "whole":
            shore.sync()
        elif how is not None:
            shore.sync_cut_off_after(how)
    shore.sync()
    for table in PULLED:
        # By the manifest once; by a pattern twice where files were made one just now, and never another.
        assert shore.read(table) == shore.recorded(table), table
        assert set(shore.revisions(table)) == set(shore.recorded(table)), table
    assert not [file for file in shore.folder.rglob("_*") if file.name != "_pending.json"]
    name = organization.org
    with (
        Store(LakeRecords(shore.lake, name)) as lake,
        Store(follow(book.url).of(name)) as database,
        lake.snapshot() as of_lake,
        database.snapshot() as of_database,
    ):
        for table in ("deployments", "incidents", "finished_deployments", "incident_links", "remediations"):
            rows = [
                cursor.execute(f"select hash(t) from {table} t order by 1").fetchall()
                for cursor in (of_lake, of_database)
            ]
            assert rows[0] == rows[1], table


def test_it_answers_what_the_database_answers(filled: Shore) -> None:
    with (
        metrics.open(str(filled.folder), organization="acme") as lake,
        metrics.open(filled.book.url, organization="acme") as database,
    ):
        for name in MetricName:
            for given_ in (
                {},
                {"interval": "week", "group_by": "repository"},
                {"compare": True, "profile": "devlake"},
            ):
                mine, theirs = (library.metric(name, **MARCH, **given_) for library in (lake, database))
                assert mine.equals(theirs, null_equal=True), (name, given_)
            assert lake.explain(name, **MARCH).equals(database.explain(name, **MARCH), null_equal=True)
        for view in VIEWS:
            assert getattr(lake, view)().equals(getattr(database, view)(), null_equal=True), view


def test_an_open_library_follows_what_is_synced(filled: Shore) -> None:
    with metrics.open(str(filled.folder), organization="acme") as lake:
        assert lake.deployments().height == 10
        filled.book.deploy(version="v11", finished_at="2026-03-11T10:00:00Z")
        assert lake.deployments().height == 10
        filled.sync()
        assert lake.deployments().height == 11


def test_corrections_and_deletions_are_versions(filled: Shore) -> None:
    ids = [
        row[0]
        for row in filled.book.rows("select id from deployments where organization = 'acme' order by 1")
    ]
    filled.book.correct(ids[0], is_hotfix=True)
    filled.book.delete(ids[1])
    done = filled.sync()
    assert (done.versions, done.organizations) == (2, 1)
    with metrics.open(str(filled.folder), organization="acme") as lake:
        known = lake.deployments().select("id", "is_hotfix").rows()
    assert (len(known), dict(known)[ids[0]]) == (9, True)
    assert ids[1] not in dict(known)


def test_every_engine_reads_it(filled: Shore) -> None:
    """The records as they are now: of each id the last version, where that does not end it."""
    ((gone, *_), *_) = filled.book.rows("select id from deployments where organization = 'other'")
    filled.book.delete(gone, org="other")
    filled.sync()
    files = f"{filled.folder}/deployments/*/*/*.parquet"
    last = "qualify row_number() over (partition by id order by revision desc) = 1"
    query = (
        "select organization, count(*) filter (where not deleted), min(title), max(epoch_us(finished_at))"
        f" from (select * from read_parquet('{files}', hive_partitioning = true) {last}) group by all order by all"
    )
    with duckdb.connect() as connection:
        rows = connection.execute(query).fetchall()
    last_at = int(datetime(2026, 3, 10, 10, tzinfo=UTC).timestamp() * 1e6)
    assert rows == [("acme", 10, "Release 1", last_at), ("other", 9, "Release 1", last_at)]
    polars = (
        pl.scan_parquet(files, hive_partitioning=True).group_by("organization").len().sort("organization")
    )
    assert polars.collect().rows() == [("acme", 10), ("other", 11)]


def test_many_small_files_become_one(filled: Shore) -> None:
    for number in range(9):
        filled.book.deploy(version=f"n{number}", finished_at="2026-03-12T10:00:00Z")
        filled.sync()
    folders = list(filled.folder.glob("deployments/organization=acme/*"))
    assert all(len(list(folder.iterdir())) <= 2 for folder in folders)
    assert filled.revisions("deployments") == filled.recorded("deployments")


def test_who_reads_while_it_is_synced_sees_one_revision(filled: Shore) -> None:
    """Whether files were made one since the manifest was read, or have gone."""
    with LakeRecords(filled.lake, "acme").snapshot() as snapshot:
        for number in range(20):
            filled.book.deploy(version=f"n{number}", finished_at="2026-03-12T10:00:00Z")
            filled.sync()
        found = pl.DataFrame(pa.concat_tables(snapshot.rows("deployments", 0)))
    assert found.height == 10
    with metrics.open(str(filled.folder), organization="acme") as lake:
        assert lake.deployments().height == 30


def test_a_sync_that_is_lost_with_its_history_leaves_nothing(filled: Shore, tmp_path: Path) -> None:
    """Cut off, and then the database was restored to a time before."""
    database = filled.book.url.removeprefix("sqlite:///")
    if not database.startswith("/"):
        pytest.skip("a file is put back more simply than a server's database")
    backup = tmp_path / "backup.db"
    filled.book.engine.dispose()
    with sqlite3.connect(database) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    filled.book.deploy(org="other", version="lost", finished_at="2026-03-12T10:00:00Z")
    filled.sync_cut_off_after(1)
    restored = Book(f"sqlite:///{backup}", tmp_path / "restored")
    for day in range(13, 20):
        restored.deploy(version=f"r{day}", finished_at=f"2026-03-{day}T10:00:00Z")
    sync(follow(restored.url), filled.lake)
    with metrics.open(str(filled.folder), organization="other") as lake:
        assert "lost" not in lake.deployments()["release"]
    assert filled.revisions("deployments") == sorted(
        revision for (revision,) in restored.rows("select revision from deployments")
    )
    restored.close()


def test_what_is_not_the_lakes_stays(shore: Shore) -> None:
    """A folder that has others of the same name."""
    (shore.folder / "deployments").mkdir(parents=True)
    other = shore.folder / "deployments" / "notes.txt"
    other.write_text("mine")
    shore.book.deploy(version="v1", finished_at="2026-03-12T10:00:00Z")
    shore.sync()
    assert other.read_text() == "mine"


def test_a_database_of_another_history_begins_it_anew(filled: Shore, tmp_path: Path) -> None:
    other = Book(f"sqlite:///{tmp_path / 'other.db'}", tmp_path / "other")
    for day in (1, 2):
        other.deploy(version=f"w{day}", finished_at=f"2026-03-{day:02}T10:00:00Z")
    done = sync(follow(other.url), filled.lake)
    assert done.began_anew
    assert filled.lake.organizations() == ["acme"]
    with metrics.open(str(filled.folder), organization="acme") as lake:
        assert lake.deployments()["release"].to_list() == ["w1", "w2"]
    other.close()


def test_times_that_run_backwards_lose_nothing(shore: Shore) -> None:
    """As where another system's export was taken over, with the times that it says."""
    for day in range(1, 9):
        shore.book.deploy(version=f"v{day}", finished_at=f"2026-03-{day:02}T10:00:00Z")
    january, february = 1_767_607_200_000_000, 1_770_285_600_000_000
    with shore.book.engine.begin() as connection:
        connection.exec_driver_sql(
            f"update deployments set recorded_at = case when (revision & 1) = 0 then {january} else {february} end"
        )
    with patch.object(record_databases, "_ROWS_AT_ONCE", 3):
        shore.sync()
    assert shore.revisions("deployments") == shore.recorded("deployments")
    with metrics.open(str(shore.folder), organization="acme") as lake:
        assert lake.deployments().height == 8


def test_the_past_is_asked_of_it(filled: Shore) -> None:
    (now,) = filled.book.rows("select max(recorded_at) from deployments")[0]
    before = datetime.fromtimestamp(now / 1e6, UTC).isoformat()
    filled.book.deploy(version="v11", finished_at="2026-03-11T10:00:00Z")
    filled.sync()
    with (
        metrics.open(str(filled.folder), organization="acme") as lake,
        metrics.open(filled.book.url, organization="acme") as database,
    ):
        for asked in ({}, {"as_of": before}):
            mine, theirs = (one.deployment_frequency(**MARCH, **asked) for one in (lake, database))
            assert mine.equals(theirs, null_equal=True)
        assert lake.deployment_frequency(**MARCH, as_of=before)["deployments"].to_list() == [10]


def test_what_is_no_lake_is_said(filled: Shore, tmp_path: Path) -> None:
    with pytest.raises(RecordsUnavailable, match=r"has no manifest\.json"):
        metrics.open(str(tmp_path), organization="acme")
    with pytest.raises(RecordsUnavailable, match=r"organization acmee: is acme meant\?"):
        metrics.open(str(filled.folder), organization="acmee")
    (filled.folder / "manifest.json").write_text("{}")
    with pytest.raises(RecordsUnavailable, match=r"manifest\.json cannot be read"):
        metrics.open(str(filled.folder), organization="acme")
