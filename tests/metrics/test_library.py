"""The library over a record database: frames with the interface's figures, while a service writes."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

import metrics
from metrics.domain.errors import ParameterError, RecordsUnavailable
from metrics.library.frames import Library
from tests.conftest import Book

MARCH = {"from_": date(2026, 3, 1), "to": "2026-04-01"}


@pytest.fixture
def library(book: Book) -> Library:
    book.deploy(version="v1", deployment_node_id="1", finished_at="2026-03-02T10:00:00Z", team="a")
    book.deploy(version="v2", deployment_node_id="2", finished_at="2026-03-03T10:00:00Z", is_hotfix=True)
    book.deploy(version="v3", deployment_node_id="3", finished_at="2026-03-20T10:00:00Z", status="fail")
    book.deploy(version="v9", finished_at="2026-03-20T10:00:00Z", org="other")
    book.report(
        started_at="2026-03-20T10:10:00Z", deployment="3", repository_url="https://github.com/acme/shop"
    )
    return metrics.open(book.url, organization="acme")


def test_each_metric_is_a_frame_with_what_the_interface_answers(library: Library, book: Book) -> None:
    with library:
        for name, answer in book.ask(from_="2026-03-01", to="2026-04-01").items():
            frame: pl.DataFrame = getattr(library, name)(**MARCH)
            (row,) = frame.to_dicts()
            assert row["value"] == answer.row.value
            assert (row["from"], row["to"]) == (
                datetime(2026, 3, 1, tzinfo=UTC),
                datetime(2026, 4, 1, tzinfo=UTC),
            )
        (rate,) = library.change_failure_rate(**MARCH).to_dicts()
        assert (rate["numerator"], rate["denominator"], rate["by_hotfix"], rate["by_incident"]) == (
            2,
            3,
            1,
            1,
        )
        assert rate["interval95_low"] < rate["value"] < rate["interval95_high"]


def test_series_and_groups_are_rows(library: Library) -> None:
    with library:
        weeks = library.deployment_frequency(**MARCH, interval="week", tz="Europe/Berlin")
        assert weeks["deployments"].sum() == 2
        assert weeks["partial"].to_list() == [True, False, False, False, False, True]
        teams = library.deployment_frequency(**MARCH, interval="month", group_by="team")
        assert teams.select("team", "deployments").rows() == [("a", 1), (None, 1)]
        both = library.deployment_frequency(**MARCH, compare=True)
        assert both.select("deployments", "previous_deployments", "distinguishable").rows() == [(2, 0, None)]
        assert both["comparison"][0].startswith("Deployment frequency: recording began on 2026-03-02")
        assert weeks.schema["from"] == pl.Datetime("us", "Europe/Berlin")
        assert weeks["from"].dt.day().to_list() == [1, 2, 9, 16, 23, 30]
        assert weeks["tz"].unique().to_list() == ["Europe/Berlin"]
        with pytest.raises(ParameterError, match="interval"):
            library.deployment_frequency(interval="year")


def test_the_facts_are_frames_and_can_be_queried(library: Library) -> None:
    with library:
        assert library.deployments()["deployment_node_id"].to_list() == ["1", "2", "3"]
        assert library.links().select("kind", "method").rows() == [
            ("remediation", "predecessor"),
            ("incident", "explicit"),
        ]
        failures = library.failures().select("incidents", "remediations", "recovered_at").rows()
        assert failures == [(0, 1, datetime(2026, 3, 3, 10, tzinfo=UTC)), (1, 0, None)]
        joined = library.sql(
            "select d.deployment_node_id from failures f join deployments d using (id) where f.incidents > 0"
        )
        assert joined.rows() == [("3",)]
        library.sql("drop view if exists deployments")
        assert library.deployments().height == 3
        assert library.commits().height == 0
        (incident,) = library.incidents().rows(named=True)
        assert (incident["deployment"], incident["resolved_at"], incident["method"]) == (
            "3",
            None,
            "explicit",
        )
        repaired, impaired = library.failures()["id"]
        assert incident["deployment_id"] == impaired
        (remediation,) = library.remediations().rows(named=True)
        assert (remediation["signals"], remediation["method"]) == (["hotfix"], "predecessor")
        assert remediation["culprit_id"] == repaired


def test_commits_repositories_and_teams_are_frames(book: Book) -> None:
    commits = [{"sha": "a" * 40, "committed_at": "2026-03-02T09:00:00.000001Z"}]
    for day in (2, 3):
        book.deploy(
            version=f"v{day}",
            commits=commits,
            finished_at=f"2026-03-0{day}T10:00:00Z",
            service="web",
            team="A",
        )
    book.deploy(
        repository_url="https://github.com/acme/shelf",
        version="v1",
        finished_at="2026-03-04T10:00:00Z",
        team="a",
    )
    with metrics.open(book.url, organization="acme") as library:
        assert library.commits().select("sha", "is_first", "committed_at", "lead_seconds").rows() == [
            ("a" * 40, True, datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=UTC), 3_599.999999),
            ("a" * 40, False, datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=UTC), 86_400 + 3_599.999999),
        ]
        assert library.repositories().select("repository", "service", "team", "aliases").rows() == [
            ("acme/shelf", "", None, []),
            ("acme/shop", "", None, []),
            ("acme/shop", "web", None, []),
        ]
        assert library.teams().rows() == [("A", 2, 3)]


def test_queries_take_parameters_and_frames_of_ones_own(library: Library) -> None:
    sizes = pl.DataFrame({"deployment_node_id": ["1", "3"], "lines": [10, 200]})
    query = "select lines from deployments join sizes using (deployment_node_id) where lines > $least order by lines"
    with library:
        assert library.sql(query, {"least": 5}, sizes=sizes)["lines"].to_list() == [10, 200]
        assert library.sql(query, {"least": 50}, sizes=sizes.to_arrow())["lines"].to_list() == [200]
        assert library.sql("select ?::integer as n", [3])["n"].to_list() == [3]
        # A frame stands before the view of its name.
        assert library.sql("select count(*) as n from teams", teams=sizes)["n"].to_list() == [2]
        # A view that is not named costs nothing, whatever else the query says.
        assert library.sql("SELECT count(*) AS n FROM Deployments")["n"].to_list() == [3]


def test_it_follows_what_is_recorded_meanwhile(library: Library, book: Book) -> None:
    with library:
        assert library.deployments().height == 3
        book.deploy(version="v4", finished_at="2026-03-21T10:00:00Z")
        assert library.deployments().height == 4


def test_an_organization_without_records_has_empty_frames(book: Book) -> None:
    with metrics.open(book.url, organization="nobody") as library:
        assert library.deployments().height == library.links().height == 0
        assert library.change_failure_rate(**MARCH)["reason"].to_list() == ["no_deployments"]


def test_what_cannot_be_read_is_said() -> None:
    with pytest.raises(RecordsUnavailable, match="no SQLite file"):
        metrics.open("sqlite:///nowhere.db", organization="acme")


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import metrics, sys; print({'duckdb', 'polars', 'pyarrow'} & set(sys.modules))"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert loaded.stdout == "set()\n"


def test_a_metric_is_shown_by_the_rules_of_each_profile(library: Library) -> None:
    with library:
        rates = library.profiles("change_failure_rate", **MARCH)
        assert rates["profile"].to_list() == ["default", "devlake", "middleware"]
        assert rates["numerator"].to_list() == [2, 1, 1]
        assert library.change_failure_rate(profile="devlake", **MARCH)["numerator"].to_list() == [1]


def test_a_number_is_explained_by_its_rows(library: Library) -> None:
    with library:
        rows = library.explain("change_failure_rate", repository="acme/shop", **MARCH)
        assert rows["counted"].to_list() == [True, True, True]
        assert rows.filter("in_numerator")["version"].to_list() == ["v1", "v3"]


def test_an_organization_that_nothing_is_recorded_of_is_said(book: Book) -> None:
    metrics.open(book.url, organization="nobody").close()
    book.deploy(org="checkout")
    with pytest.raises(RecordsUnavailable, match="organization chekkout: is checkout meant"):
        metrics.open(book.url, organization="chekkout")
