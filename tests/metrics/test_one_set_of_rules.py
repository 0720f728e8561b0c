"""What is posted, imported and opened as a file is read by the same rules: the same records, the same refusals."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metrics
from metrics.definitions.base import MetricName
from metrics.domain.errors import InvalidRecords
from metrics.library.frames import Library
from tests.conftest import Book
from tests.metrics.changes import FEW_ROUNDS
from tracker.records.ledger import Author
from tracker.transfer.ndjson import Tally, read_chunk, read_either

Post = dict[str, Any]
WINDOW = {"from_": "2026-03-01", "to": "2026-04-01"}
SHOWN = (
    "repository_key", "service", "environment", "branch", "team", "labels", "deployment_node_id", "commit_id", "release",
    "succeeded", "started_at", "finished_at", "position", "is_redeployment", "is_rollback", "is_hotfix", "is_fix",
    "remediates", "carries_commits",
)  # fmt: skip
TIMES = [f"2026-03-0{day}T10:00:{second:02}Z" for day in (2, 3) for second in (0, 30)]

optional = {
    "service": st.sampled_from(["web", " web ", "", "api"]),
    "environment": st.sampled_from(["production", "PRODUCTION", "staging"]),
    "status": st.sampled_from(["success", "fail", "in_progress"]),
    "deployment_node_id": st.sampled_from(["1", "1", " 1", "2"]),
    "started_at": st.sampled_from(
        ["2026-03-02T09:59:00Z", "2026-03-02 09:59:00+0000", "2026-03-02T09:59:00", "1960-01-01T00:00:00Z"]
    ),
    "duration_seconds": st.sampled_from([60, 60.5, 90, 1e9]),
    "title": st.sampled_from(["one", "another"]),
    "branch": st.sampled_from(["main", "hotfix/1"]),
    "team": st.sampled_from(["a", "b"]),
    "labels": st.dictionaries(st.sampled_from(["region", "tier"]), st.sampled_from(["eu", "us"]), max_size=2),
    "is_hotfix": st.booleans(),
    "is_fix": st.sampled_from([True, False, "yes"]),
    "commits": st.just([{"sha": "c" * 40, "committed_at": "2026-03-01T10:00:00Z"}]),
    "remediates": st.sampled_from(["1", "a" * 40]),
}
posts = st.fixed_dictionaries(
    {
        "repository_url": st.sampled_from(["https://github.com/acme/shop", "git@github.com:ACME/shop.git"]),
        "commit_id": st.sampled_from(["a" * 40, "A" * 40, "b" * 40]),
        "finished_at": st.sampled_from([*TIMES, None]),
    },
    optional=optional,
)


def import_lines(book: Book, organization: str, given_posts: Sequence[Post]) -> list[int]:
    """Record lines as `tracker import` does; the numbers of those that are refused."""
    lines = [(number, json.dumps(post).encode()) for number, post in enumerate(given_posts, start=1)]
    chunk, tally = read_chunk(lines, "import", read_either, check=lambda _: None), Tally()
    author = Author(organization, "import")
    chunk.count(book.recorder.record_now(lambda ledger: chunk.record(ledger, author)), tally)
    return [error.line for error in tally.errors]


def written(folder: Path, given_posts: Sequence[Post]) -> Path:
    file = folder / "posts.ndjson"
    file.write_text("".join(json.dumps(post) + "\n" for post in given_posts))
    return file


def records_of(library: Library) -> pl.DataFrame:
    return library.deployments().select(SHOWN)


def figures_of(library: Library) -> dict[str, list[dict[str, Any]]]:
    return {name: getattr(library, name)(**WINDOW, group_by="service").to_dicts() for name in MetricName}


@FEW_ROUNDS
@given(given_posts=st.lists(posts, min_size=1, max_size=12))
def test_an_import_and_an_opened_file_have_the_same_records_and_figures(
    book: Book, tmp_path: Path, given_posts: list[Post]
) -> None:
    organization = f"acme-{next(_numbers)}"
    refused = import_lines(book, organization, given_posts)
    if refused:
        with pytest.raises(InvalidRecords) as raised:
            metrics.open(written(tmp_path, given_posts))
        assert [int(row) for row in re.findall(r"row (\d+): ", str(raised.value))] == refused[:5]
    good = [post for number, post in enumerate(given_posts, start=1) if number not in refused]
    if not good:
        return  # nothing is known of the organization
    with (
        metrics.open(book.url, organization=organization) as imported,
        metrics.open(written(tmp_path, good)) as opened,
    ):
        assert records_of(opened).to_dicts() == records_of(imported).to_dicts()
        assert figures_of(opened) == figures_of(imported)


_numbers = iter(range(1, 10**9))
POST = {"repository_url": "https://github.com/acme/shop", "commit_id": "a" * 40, "deployment_node_id": "1"}
DONE = POST | {"finished_at": "2026-03-02T10:00:00Z"}


@pytest.mark.parametrize(
    ("repeat", "records"),
    [
        ({"service": " "}, 1),
        ({"labels": {"region": "eu"}}, 1),
        ({"status": None}, 1),
        ({"started_at": "2026-03-02T09:59:00Z", "duration_seconds": 60.5}, 1),
        ({"deployment_node_id": "2", "service": " web "}, 2),
    ],
)
def test_a_file_takes_what_the_service_takes(tmp_path: Path, repeat: Post, records: int) -> None:
    first = DONE | {"labels": {"tier": "1"}, "duration_seconds": 60}
    with metrics.open(written(tmp_path, [first, DONE | repeat])) as opened:
        assert opened.deployments().height == records


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"started_at": "1960-01-01T00:00:00Z"}, "started_at"),
        ({"commit_id": "b" * 40}, "commit_id"),
        ({"duration_seconds": 1e9}, "duration_seconds"),
        ({"labels": {f"l{number}": "x" for number in range(21)}}, "labels"),
    ],
)
def test_a_file_refuses_what_the_service_refuses(tmp_path: Path, other: Post, field: str) -> None:
    with pytest.raises(InvalidRecords, match=f"row 2: {field}: "):
        metrics.open(written(tmp_path, [DONE | {"title": "one"}, DONE | other]))


def test_another_incident_under_a_known_key_is_refused(tmp_path: Path) -> None:
    incident = {"type": "incident", "key": "i", "started_at": "2026-03-02T10:00:00Z", "title": "one"}
    with pytest.raises(InvalidRecords, match="row 2: title: differs"):
        metrics.open(written(tmp_path, [incident, incident | {"title": "two"}]))
