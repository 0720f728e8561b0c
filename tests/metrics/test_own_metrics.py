"""A metric of one's own is answered, grouped, compared and explained as the five are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import metrics
from metrics.definitions.dora import level_of, score_of
from metrics.domain.errors import DefinitionError, ParameterError
from metrics.library.frames import Library
from metrics.queries.explanation import definition_version
from metrics.queries.parameters import MetricParameters
from metrics.queries.question import Question
from metrics.queries.session import Snapshot, open_snapshot
from tests.conftest import Book, now

SHELF = "https://github.com/acme/shelf"
MARCH = {"from": "2026-03-01", "to": "2026-04-01"}
FAILED = (
    "select d.id, f.id is not null as in_numerator from deployments d left join failures f using (id)"
    " where d.succeeded or f.id is not null"
)


pytestmark = pytest.mark.usefixtures("forgetting")


@pytest.fixture
def shop(book: Book) -> Book:
    """Thirty days with a deployment each, of two repositories, the one of the 10th a hotfix."""
    for day in range(1, 31):
        book.deploy(
            repository_url=SHELF if day % 3 == 0 else "https://github.com/acme/shop",
            version=f"v{day}",
            started_at=f"2026-03-{day:02}T10:00:00Z",
            duration_seconds=_seconds(day),
            is_hotfix=day == 10,
            commits=[
                {"sha": f"{day:02x}{n}" * 10, "committed_at": "2026-02-01T10:00:00Z"} for n in range(day % 4)
            ],
        )
    book.report(started_at="2026-03-20T12:00:00Z", repository_url=SHELF)
    return book


def _seconds(day: int) -> int:
    """How long the deployment of a day took: 1 to 30 minutes, in no order."""
    return 60 * (7 * day % 31)


def question(reading: Snapshot, **parameters: Any) -> Question:
    given = MetricParameters.of({**MARCH, **parameters})
    return given.question("acme", reading.settings("acme"), now=now())

    return now()


def ask(book: Book, name: str, **parameters: Any) -> Any:
    with open_snapshot(book.store) as reading:
        (answer,) = reading.ask(question(reading, **parameters), [name])
        return answer


def rows(book: Book, name: str, **parameters: Any) -> list[Mapping[str, Any]]:
    with open_snapshot(book.store) as reading:
        found: list[Mapping[str, Any]] = reading.explain(
            question(reading, **parameters), name
        ).rows.to_pylist()
        return found


def test_a_share_is_of_the_deployments_that_the_query_chooses(shop: Book) -> None:
    metrics.register(
        "large_failures",
        f"select * from ({FAILED}) where id in"
        " (select deployment_id from commits group by deployment_id having count(*) >= 2)",
        "share",
        title="Failures of large deployments",
    )
    row = ask(shop, "large_failures").row
    # Days 2, 3, 6, 7, … have two or three commits. The hotfix of the 10th repairs the 8th, which has none; what
    # happened on the 20th is of shelf, whose last deployment was on the 18th, with two.
    assert (row.numerator, row.denominator, row.value) == (1, 15, 1 / 15)
    assert row.interval95[0] < 1 / 15 < row.interval95[1]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"interval": "week", "tz": "Asia/Kathmandu"},
        {"group_by": "repository", "interval": "month"},
        {"from": "2026-03-15", "compare": True},
        {"repository": ["acme/shelf"], "compare": True, "group_by": "service"},
        {"environment": ["staging"]},
    ],
)
def test_one_that_says_what_a_metric_says_has_all_its_answers(shop: Book, parameters: dict[str, Any]) -> None:
    metrics.register("failed", FAILED, "share", title="Failed")
    own, five = (ask(shop, name, **parameters) for name in ("failed", "change_failure_rate"))

    def figures(row: Any) -> Any:
        return (row.value, row.numerator, row.denominator, row.interval95, row.reason)

    def answered(part: Any) -> Any:
        before = None if part.previous is None else (figures(part.previous.row), part.previous.weeks)
        return figures(part.row), [(point.window, figures(point.row)) for point in part.series], before

    assert answered(own) == answered(five)
    assert [(one.name, answered(one)) for one in own.groups] == [
        (one.name, answered(one)) for one in five.groups
    ]


def test_each_figure_can_be_checked_down_to_its_rows(shop: Book) -> None:
    shop.deploy(version="next", status="in_progress", started_at="2026-03-30T10:00:00Z")
    metrics.register("failed", FAILED, "share", title="Failed")
    row, explained = ask(shop, "failed").row, rows(shop, "failed")
    counted = [one for one in explained if one["counted"]]
    assert (row.numerator, row.denominator) == (sum(one["in_numerator"] for one in counted), len(counted))
    assert [one["reason"] for one in explained if not one["counted"]] == ["in_progress"]
    with open_snapshot(shop.store) as reading:
        statement = reading.explain(question(reading), "failed").statements.answer
    assert statement.startswith(f"-- selected_rows:\n-- {FAILED}\n")


def test_a_time_is_the_median_of_what_a_function_gives(shop: Book) -> None:
    def minutes(views: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        deployments = views["deployments"].filter(pl.col("repository") == "acme/shop")
        took = (pl.col("finished_at") - pl.col("started_at")).dt.total_seconds()
        return deployments.select("id", seconds=pl.when(~pl.col("is_hotfix")).then(took))

    metrics.register("time_to_deploy", minutes, "time", title="Time to deploy")
    row = ask(shop, "time_to_deploy").row
    # Of shop are the days that three does not divide, and the hotfix is left out.
    times = sorted(_seconds(day) for day in range(1, 30) if day % 3 and day != 10)
    assert (row.deployments, row.value) == (len(times), times[len(times) // 2])
    assert row.mean == pytest.approx(sum(times) / len(times))
    assert row.median_interval95[0] < row.value < row.median_interval95[1]
    reasons = [one["reason"] for one in rows(shop, "time_to_deploy") if not one["counted"]]
    assert sorted(reasons) == ["no_time", *["not_chosen"] * 10]
    compared = ask(shop, "time_to_deploy", **{"from": "2026-03-16"}, compare=True)
    # Three weeks earlier: to the 11th.
    before = sorted(_seconds(day) for day in range(1, 11) if day % 3 and day != 10)
    assert compared.previous.row.value == (before[2] + before[3]) / 2


def test_what_is_no_number_is_no_time(shop: Book) -> None:
    query = "select id, case when is_hotfix then 'nan'::double else 60 end as seconds from deployments"
    metrics.register("minutes", query, "time", title="Minutes")
    row = ask(shop, "minutes").row
    assert (row.deployments, row.value, row.mean) == (29, 60, 60)


def test_a_store_outlives_a_metric_that_fails(shop: Book) -> None:
    """It is the query's own fault, and no sign of damage."""
    connection = shop.store._connection
    metrics.register("wrong", "select * from read_csv('nothing.csv')", "share", title="Wrong")
    with pytest.raises(DefinitionError):
        shop.store.read(lambda cursor: Snapshot(cursor).ask(question(Snapshot(cursor)), ["wrong"]))
    assert shop.store._connection is connection


def test_a_frequency_is_of_those_that_count(shop: Book, tmp_path: Path) -> None:
    file = tmp_path / "sundays.sql"
    file.write_text("select id, dayofweek(finished_at) = 0 as is_counted from deployments")
    metrics.register("sundays", file, "frequency", title="Deployments on Sundays")
    row = ask(shop, "sundays").row
    assert (row.deployments, row.value) == (5, 5 / 31)
    assert {one["reason"] for one in rows(shop, "sundays")} == {None, "not_counted"}


def test_no_deployments_are_a_reason_and_no_figure(book: Book) -> None:
    metrics.register("failed", FAILED, "share", title="Failed")
    metrics.register("took", "select id, 1 as seconds from deployments", "time", title="Took")
    assert [ask(book, name).row.reason for name in ("failed", "took")] == ["no_deployments"] * 2
    assert ask(book, "took").row.value is None


def test_nobody_has_published_levels_of_it(shop: Book) -> None:
    metrics.register("failed", FAILED, "share", title="Failed")
    row = ask(shop, "failed").row
    assert (level_of("failed", row, 2024).reason, score_of("failed", row).reason) == ("not_published",) * 2
    assert score_of("failed", row).score is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "select id, true as failed from deployments",
            "must give the columns id and in_numerator: they have id, failed",
        ),
        ("select id, 'x' as in_numerator from deployments", "Conversion Error"),
        (
            "select 'x' as id, true as in_numerator",
            "must give the ids of deployments: none of its ids is one",
        ),
        (
            "select id, true as in_numerator from deployments cross join range(2)",
            "must choose a deployment once: 30 of 60 are too many",
        ),
        ("selec", "Parser Error"),
        ("select * from read_csv('nothing.csv')", "IO Error"),
        ("commit", "must give the columns id and in_numerator"),
        ("select null as id, true as in_numerator from deployments", "must have an id: 30 of 30 have none"),
        ("create table t (i int)", "must give the columns id and in_numerator"),
        (lambda views: views["pods"], "pods is no view"),
        (lambda _: None, "must give the columns id and in_numerator"),
    ],
)
def test_what_chooses_no_deployments_is_refused(shop: Book, query: Any, said: str) -> None:
    metrics.register("wrong", query, "share", title="Wrong")
    with pytest.raises(DefinitionError, match=r"^wrong: its rows ") as refused:
        ask(shop, "wrong")
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["change_failure_rate", "Large", "large-ones", "", "1st"])
def test_a_name_is_a_plain_word_and_none_of_the_five(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name: "):
        metrics.register(name, FAILED, "share", title="Failed")


def test_its_version_changes_with_what_it_chooses(shop: Book) -> None:
    metrics.register("failed", FAILED, "share", title="Failed")
    before = definition_version("failed")
    metrics.register("failed", f"{FAILED} limit 5", "share", title="Failed")
    assert definition_version("failed") != before
    assert ask(shop, "failed").row.denominator == 5


def test_the_library_knows_it_by_its_name(shop: Book) -> None:
    metrics.register("failed", FAILED, "share", title="Failed", means="Those that failed.")
    with metrics.open(shop.url, organization="acme") as library:
        assert library.metric("failed", from_="2026-03-01", to="2026-04-01")["numerator"].to_list() == [2]
        assert _figures(library, "failed") == _figures(library, "change_failure_rate")
        title = library.chart("failed", from_="2026-03-01", to="2026-04-01", interval="week").to_dict()
        assert "Failed" in str(title["title"])
        with pytest.raises(ParameterError, match="'fell' is not registered"):
            library.metric("fell")


def _figures(library: Library, name: str) -> list[tuple[Any, ...]]:
    asked = library.metric(name, from_="2026-03-01", to="2026-04-01", interval="week", group_by="repository")
    return asked.select("repository", "from", "numerator", "denominator", "interval95_low").rows()
