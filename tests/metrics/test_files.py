"""Files and frames answer as the database does that they come from, or that they would be recorded in."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metrics
from metrics.definitions.base import MetricName
from metrics.domain.errors import InvalidRecords, ParameterError, RecordsUnavailable
from metrics.library.frames import Library
from tests.conftest import Book
from tests.metrics.changes import FEW_ROUNDS, REPOSITORIES, WINDOW, Changes, changes
from tracker.deployments.queries import DeploymentFilter, select_deployments
from tracker.incidents.queries import IncidentFilter, select_incidents
from tracker.transfer.export import export_lines
from tracker.transfer.tables import DEPLOYMENT_TABLE, INCIDENT_TABLE, RecordTable

MARCH = {"from_": "2026-03-01", "to": "2026-04-01"}
RECORD = {"repository_url": REPOSITORIES[0], "version": "v1", "finished_at": "2026-03-02T10:00:00Z"}


def answers(library: Library, **asked: Any) -> dict[str, list[dict[str, Any]]]:
    with library:
        return {name: getattr(library, name)(**asked).to_dicts() for name in MetricName}


def frame(book: Book, table: RecordTable, query: Any) -> pl.DataFrame:
    with book.engine.connect() as connection:
        batches = [pl.DataFrame(batch) for batch in table.batches(connection, query)]
    empty = pl.DataFrame(table.schema.empty_table())
    return pl.concat([empty, *batches])


@FEW_ROUNDS
@given(made=st.lists(changes, min_size=6, max_size=30), all_versions=st.booleans())
def test_an_export_answers_as_the_database_does(
    book: Book, made: list[tuple[str, Any]], all_versions: bool
) -> None:
    organization = Changes(book)
    for kind, what in made:
        organization.make(kind, what)
    org, file = organization.org, book.folder / "export.ndjson"
    if not organization.deployments and not organization.incidents:
        return  # nothing is known of it
    with book.engine.connect() as connection:
        file.write_bytes(b"".join(export_lines(connection, org, all_versions=all_versions)))
    expected = answers(metrics.open(book.url, organization=org), group_by="repository", **WINDOW)
    assert answers(metrics.open(file), group_by="repository", **WINDOW) == expected


@FEW_ROUNDS
@given(made=st.lists(changes, min_size=6, max_size=30))
def test_exported_tables_answer_as_the_database_does(book: Book, made: list[tuple[str, Any]]) -> None:
    """Deployments that finished at one moment are as they were recorded: tables have them by that moment."""
    organization = Changes(book)
    for number, (kind, what) in enumerate(made):
        fields = {"finished_at": f"2026-03-{2 + number % 28:02}T{number % 24:02}:00:{number:02}Z"}
        if kind not in ("set", "produce", "alias"):  # a table has neither settings nor aliases
            organization.make(kind, what | fields if kind == "post" else what)
    org = organization.org
    if not organization.deployments and not organization.incidents:
        return  # nothing is known of it
    deployments = frame(book, DEPLOYMENT_TABLE, select_deployments(DeploymentFilter(organization=org)))
    incidents = frame(book, INCIDENT_TABLE, select_incidents(IncidentFilter(organization=org)))
    file = book.folder / "deployments.parquet"
    deployments.write_parquet(file)
    if deployments["finished_at"].n_unique() < deployments.height:
        return
    expected = answers(metrics.open(book.url, organization=org), **WINDOW)
    assert answers(metrics.open(deployments, incidents=incidents), **WINDOW) == expected
    assert answers(metrics.open(file, organization=org, incidents=incidents.lazy()), **WINDOW) == expected


def test_lines_as_they_are_posted_can_be_read(tmp_path: Path) -> None:
    """Repeats fill and finish, start and duration give the finish, and further fields do not matter."""
    lines = [
        {**RECORD, "status": "in_progress", "deployment_node_id": "7", "finished_at": None, "started_at": "2026-03-02T09:00:00+01:00"},
        {**RECORD, "version": "v2", "finished_at": None, "started_at": "2026-03-03T09:00:00Z", "duration_seconds": 60, "mood": "fine"},
        {**RECORD, "deployment_node_id": "7", "is_hotfix": True, "finished_at": "2026-03-02T08:30:00Z"},
        {"started_at": "2026-03-03T10:00:00Z", "repository_url": "git@github.com:acme/shop.git"},
    ]  # fmt: skip
    file = tmp_path / "records.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    with metrics.open(file) as records:
        deployments = records.deployments()
        assert deployments.select("release", "started_at", "finished_at", "is_hotfix").rows() == [
            ("v1", datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2026, 3, 2, 8, 30, tzinfo=UTC), True),
            ("v2", datetime(2026, 3, 3, 9, tzinfo=UTC), datetime(2026, 3, 3, 9, 1, tzinfo=UTC), False),
        ]
        assert records.links()["method"].to_list() == [None, "nearest"]
        assert records.change_failure_rate(**MARCH)["numerator"].to_list() == [1]


def test_a_frame_needs_only_what_a_record_needs() -> None:
    deployments = pl.DataFrame(
        [
            {**RECORD, "version": f"v{day}", "finished_at": datetime(2026, 3, day, tzinfo=UTC)}
            for day in (2, 3, 4)
        ]
    )
    with metrics.open(deployments) as records:
        assert records.deployment_frequency(**MARCH)["deployments"].to_list() == [3]


def test_rows_of_other_organizations_are_left_out() -> None:
    rows = pl.DataFrame([{**RECORD, "organization": name} for name in ("acme", "other", None)])
    with metrics.open(rows, organization="acme") as records:
        assert records.deployments().height == 2
    with metrics.open(rows) as records:
        assert records.deployments().height == 3


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ({"repository_url": None}, "repository_url: "),
        ({"repository_url": "shop"}, "repository_url: must be a git URL"),
        ({"finished_at": "2026-03-02T10:00:00"}, "finished_at: "),
        ({"finished_at": None}, "finished_at: is required in history where the status is success"),
        ({"version": None}, "commit_id: is required, or version"),
        ({"status": "done"}, "status: "),
        ({"commits": [{"sha": "a" * 7}]}, "commits.0.committed_at: "),
        ({"commit_id": ""}, "commit_id: "),
        ({"commit_id": "HEAD"}, "commit_id: must be 7 to 64 hexadecimal digits"),
        ({"version": ""}, "version: "),
        ({"deployment_node_id": ""}, "deployment_node_id: "),
        ({"environment": " "}, "environment: "),
        ({"is_hotfix": "yes"}, "is_hotfix: "),
        ({"finished_at": 1772445600}, "finished_at: must be a time with a zone"),
        ({"finished_at": "2099-01-01T00:00:00Z"}, "finished_at: must not be more than a day ahead"),
        ({"started_at": "2026-03-02T09:00:00Z", "duration_seconds": 60}, "duration_seconds: must agree"),
        ({"labels": ["x"]}, "labels: must be texts by name"),
        ({"labels": [{"k": 1}]}, "labels: must be texts by name"),
        ({"started_at": "2026-03-02T09:00:00Z", "duration_seconds": 1e20}, "duration_seconds: "),
        ({"type": "deploy"}, "type: must be one of deployment, incident, repository, settings"),
        ({"started_at": "2026-03-02T11:00:00Z"}, "finished_at: must not be before started_at"),
    ],
)  # fmt: skip
def test_a_row_that_is_wrong_is_named(tmp_path: Path, row: dict[str, Any], wrong: str) -> None:
    file = tmp_path / "records.ndjson"
    file.write_text("\n".join(map(json.dumps, [RECORD, RECORD | row])))
    with pytest.raises(InvalidRecords) as raised:
        metrics.open(file)
    assert str(raised.value).startswith("row 2: ")
    assert wrong in str(raised.value)


@pytest.mark.parametrize(
    ("repeat", "wrong"),
    [
        ({"version": "v2"}, "version"),
        ({"is_hotfix": True, "version": "v3"}, "version"),
    ],
)
def test_a_repeat_that_contradicts_is_refused(repeat: dict[str, Any], wrong: str) -> None:
    first = RECORD | {"deployment_node_id": "7"}
    filled = first | {
        "branch": "main",
        "team": "a",
        "status": "in_progress",
        "started_at": "2026-03-02T09:00:00Z",
    }
    filled.pop("finished_at")
    with metrics.open(pl.from_dicts([first, filled], infer_schema_length=None)) as records:
        assert records.deployments().select("branch", "team", "succeeded").rows() == [("main", "a", True)]
    with pytest.raises(InvalidRecords, match=f"row 2: {wrong}: differs from what is recorded"):
        metrics.open(pl.from_dicts([first, first | repeat], infer_schema_length=None))


def test_frames_of_others_are_opened() -> None:
    rows = [
        {**RECORD, "version": f"v{day}", "finished_at": datetime(2026, 3, day, tzinfo=UTC)}
        for day in (2, 3, 4)
    ]
    for made in (
        pa.Table.from_pylist(rows),
        pandas.DataFrame(rows),
        duckdb.from_arrow(pa.Table.from_pylist(rows)),
    ):
        with metrics.open(made) as records:
            assert records.deployment_frequency(**MARCH)["deployments"].to_list() == [3]


@pytest.mark.parametrize("at", ["2026-03-29T03:30:00", "2026-03-29 03:30", datetime(2026, 3, 29, 3, 30)])  # noqa: DTZ001
def test_times_without_a_zone_are_of_the_one_that_is_said(at: object) -> None:
    rows = pl.DataFrame([{**RECORD, "finished_at": at}])
    with metrics.open(rows, tz="Europe/Berlin") as records:
        assert records.deployments()["finished_at"].to_list() == [datetime(2026, 3, 29, 1, 30, tzinfo=UTC)]
    with pytest.raises(InvalidRecords, match="row 1: finished_at: must carry a time zone"):
        metrics.open(rows)
    told = pl.DataFrame([{**RECORD, "finished_at": "2026-03-29T03:30:00Z"}])
    with metrics.open(told, tz="Europe/Berlin") as records:
        assert records.deployments()["finished_at"].to_list() == [datetime(2026, 3, 29, 3, 30, tzinfo=UTC)]


def test_a_zone_that_is_none_is_said() -> None:
    with pytest.raises(ParameterError, match="tz: must be an IANA time zone"):
        metrics.open(pl.DataFrame([RECORD]), tz="Berlin")
    with pytest.raises(TypeError, match="zones itself"):
        metrics.open("sqlite:///data/tracker.db", organization="acme", tz="Europe/Berlin")


def test_columns_of_a_wrong_type_are_named_with_their_row() -> None:
    frames = {
        "is_hotfix: ": pl.DataFrame([RECORD, RECORD]).with_columns(is_hotfix=pl.Series([None, 3])),
        "finished_at: must be a time": pl.DataFrame([RECORD, RECORD]).with_columns(
            finished_at=pl.Series([1, 2])
        ),
        "labels: must be texts by name": pl.DataFrame([RECORD, RECORD]).with_columns(
            labels=pl.Series([None, ["x"]])
        ),
    }
    for wrong, frame in frames.items():
        with pytest.raises(InvalidRecords, match=f"row [12]: {wrong}"):
            metrics.open(frame)


def test_what_is_no_source_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordsUnavailable, match=r"there is no SQLite file .*records.xlsx"):
        metrics.open(tmp_path / "records.xlsx", organization="acme")
    with pytest.raises(RecordsUnavailable, match=r"no file that can be read: .ndjson"):
        metrics.open(pl.DataFrame([RECORD]), incidents="incidents.xlsx")
    with pytest.raises(TypeError, match="Arrow stream"):
        metrics.open([RECORD])


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "broken.ndjson.gz").write_bytes(gzip.compress(b"{}\n")[:12])
    for name in ("broken.parquet", "missing.parquet", "missing.ndjson", "broken.ndjson.gz"):
        with pytest.raises(RecordsUnavailable, match=name):
            metrics.open(tmp_path / name)
    (tmp_path / "deep.NDJSON").write_text("[" * 100_000 + "\n")
    with pytest.raises(InvalidRecords, match="row 1: is no JSON object"):
        metrics.open(tmp_path / "deep.NDJSON")
    (tmp_path / "text.ndjson").write_text("no json\n")
    with pytest.raises(InvalidRecords, match="row 1: is no JSON object"):
        metrics.open(tmp_path / "text.ndjson")
    with pytest.raises(TypeError, match="organization"):
        metrics.open("sqlite:///data/tracker.db")
