"""Whatever is recorded and however it is asked: the service, its database, the lake and an export answer the same."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metrics
from metrics.definitions.base import MetricName, Profile
from metrics.engine.following import follow
from metrics.lake.layout import Lake
from metrics.lake.writing import sync
from metrics.library.frames import Library
from tests.conftest import Book, sqlite_url
from tests.metrics.changes import FEW_ROUNDS, REPOSITORIES, TIMES, Changes, changes
from tests.server import Server

WINDOWS: list[Mapping[str, Any]] = [
    {"from_": "2026-02-01", "to": "2026-06-01"},
    {"from_": "2026-03-15T12:00:00Z", "to": "2026-05-02T00:00:01Z", "tz": "America/New_York"},
    {"from_": "2026-03-01", "to": "2026-04-01", "tz": "Asia/Kathmandu"},
]
FIRST = {
    "repository_url": REPOSITORIES[0],
    "version": "v0",
    "environment": "production",
    "finished_at": "2026-03-16T10:00:00Z",
    "is_hotfix": True,
}
SIGNALS = ["incident", "rollback", "hotfix", "fix", "status"]


def some(values: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


parameters = st.builds(
    lambda window, rest: {**window, **rest},
    st.sampled_from(WINDOWS),
    st.fixed_dictionaries(
        {},
        optional={
            "interval": st.sampled_from(["week", "month"]),
            "group_by": st.sampled_from(["repository", "service", "team", "environment", "branch"]),
            "compare": st.booleans(),
            "environment": some(["production", "staging", "pro*", "*"]),
            "repository": some(["acme/shop", "acme/*", "github.com/acme/api"]),
            "service": some(["web", "WEB", "api"]),
            "team": some(["a", "B"]),
            "label": st.just(["region:eu"]),
            "failure_signals": some(SIGNALS),
            "profile": st.sampled_from(list(Profile)),
        },
    ),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Book]]:
    """A service, and what records in its database, which is sooner done than over HTTP."""
    folder = tmp_path_factory.mktemp("service")
    with Server(folder) as server:
        book = Book(sqlite_url(folder / "data"), folder)
        yield server, book
        book.close()


@pytest.mark.long
@settings(FEW_ROUNDS, max_examples=4 * TIMES)
@given(
    made=st.lists(changes, min_size=6, max_size=24),
    asked=st.lists(st.tuples(st.sampled_from(list(MetricName)), parameters), min_size=2, max_size=2),
)
def test_they_answer_the_same(
    service: tuple[Server, Book],
    tmp_path: Path,
    made: list[tuple[str, Any]],
    asked: list[tuple[str, dict[str, Any]]],
) -> None:
    server, book = service
    organization = Changes(book)
    # What is drawn may record nothing, and of nobody there is nothing to ask.
    for kind, what in (("post", FIRST), *made):
        organization.make(kind, what)
    shutil.rmtree(tmp_path / "lake", ignore_errors=True)
    sync(follow(book.url), Lake.at(str(tmp_path / "lake")))
    exported = server.run("export", "--org", organization.org, "-o", str(tmp_path / "export.ndjson"))
    assert exported.returncode == 0, exported.stderr
    with (
        metrics.open(book.url, organization=organization.org) as database,
        metrics.open(server.url, token=server.token("metrics:read", organization.org)) as remote,
        metrics.open(tmp_path / "lake", organization=organization.org) as lake,
        metrics.open(tmp_path / "export.ndjson") as file,
    ):
        for metric, given_parameters in asked:
            wanted = answers(database, metric, given_parameters)
            for library in (remote, lake, file):
                found = answers(library, metric, given_parameters)
                for mine, theirs in zip(found, wanted, strict=True):
                    assert mine.equals(theirs, null_equal=True), (library, metric, given_parameters)


def answers(library: Library, metric: str, given_parameters: dict[str, Any]) -> list[pl.DataFrame]:
    """The figures, and the rows that made them, in an order of their own."""
    figures = library.metric(metric, **given_parameters)
    alone = {
        name: value
        for name, value in given_parameters.items()
        if name not in ("interval", "compare", "group_by")
    }
    return [figures, library.explain(metric, **alone)]
