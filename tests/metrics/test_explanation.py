"""What made a number: the rows reproduce it, and say why the others are not in it."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.definitions.base import MetricName, Profile
from metrics.definitions.statistics import quantile_of_t
from metrics.domain.errors import ParameterError
from metrics.domain.vocabulary import name_key
from metrics.queries.explanation import Explanation
from metrics.queries.parameters import MetricParameters
from metrics.queries.question import Answer, Dimension, Group, Question
from metrics.queries.session import open_snapshot
from tests.conftest import Book, now
from tests.metrics.changes import REPOSITORIES, ROUNDS, WINDOW, Changes, changes

Row = dict[str, Any]
UNATTRIBUTED = (
    "unattributed",
    "unknown_name",
    "ambiguous_service",
    "nothing_deployed",
    "too_long_ago",
    "names_nothing",
)
DAY = {"from_": "2026-03-02", "to": "2026-03-03"}
AT = "2026-03-02T{:02}:00:00Z".format


def explain(
    book: Book, metric: str, *, org: str = "acme", limit: int | None = None, **asked: Any
) -> Explanation:
    given = {name.removesuffix("_"): value for name, value in asked.items()}
    after = given.pop("after", None)
    with open_snapshot(book.store) as reading:
        question = MetricParameters.of(given).question(org, reading.settings(org), now=now())
        return reading.explain(question, MetricName(metric), limit=limit, after=after)


def rows_of(explanation: Explanation) -> list[Row]:
    return explanation.rows.to_pylist()


def left_out(explanation: Explanation) -> list[tuple[str, str, str | None]]:
    rows = [row for row in rows_of(explanation) if not row["counted"]]
    return [(row["reason"], row["kind"], row["version"]) for row in rows]


def quantile(values: Sequence[float], share: float) -> float | None:
    """Linear between the rows, as section 4 has it."""
    if not values:
        return None
    place = (len(values) - 1) * share
    low = int(place)
    ordered = sorted(values)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(values) - 1)] - ordered[low])


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Between two of the values, as few as will do: fewer than so many lie below the median in 2.5 %."""
    n, below, rank = len(values), 0.0, 0
    while (below := below + math.comb(n, rank) / 2**n) <= 0.025:
        rank += 1
    ordered = sorted(values)
    return (ordered[rank - 1], ordered[n - rank]) if rank else None


def median_interval_of_clusters(
    rows: Sequence[Row], question: Question, median: float | None
) -> tuple[float, float] | None:
    """Woodruff's: from how far the clusters' shares below the median are apart, back to the values."""
    deployments: Counter[str] = Counter()
    weeks: Counter[int] = Counter()
    for row in rows:
        apart = (row["seconds"] < median) + (row["seconds"] == median) / 2 - 0.5
        deployments[row["deployment_id"]] += apart
        weeks[(row["happened_at"] - question.from_at) // timedelta(weeks=1)] += apart
    n = len(rows)
    if len(deployments) < 6:
        return None
    reaches = [quantile_of_t(n - 1) / (2 * math.sqrt(n))]
    for clusters in (deployments, weeks):
        count = len(clusters)
        if clusters is deployments or count >= 4:
            spread = math.sqrt(count / (count - 1) * sum(apart**2 for apart in clusters.values())) / n
            reaches.append(quantile_of_t(count - 1) * spread)
    reach, values = max(reaches), [row["seconds"] for row in rows]
    if reach >= 0.5:
        return None
    low, high = quantile(values, 0.5 - reach), quantile(values, 0.5 + reach)
    assert low is not None
    assert high is not None
    return low, high


def lower_median(values: Sequence[float]) -> float | None:
    return sorted(values)[(len(values) - 1) // 2] if values else None


def reproduced(metric: str, rows: Sequence[Row], signals: Sequence[str], question: Question) -> Row:
    """The answer's fields from the rows alone."""
    days = (question.to_at - question.from_at).total_seconds() / 86_400
    median = lower_median if question.profile is Profile.DEVLAKE else lambda values: quantile(values, 0.5)
    by_middleware = question.profile is Profile.MIDDLEWARE
    counted = [row for row in rows if row["counted"]]
    reasons = Counter((row["kind"], row["reason"]) for row in rows if not row["counted"])
    seconds = [row["seconds"] for row in counted if row.get("seconds") is not None]
    match metric:
        case "deployment_frequency":
            return {
                "value": len(counted) // math.ceil(days) if by_middleware else len(counted) / days,
                "deployments": len(counted),
                "redeployments": sum(row["is_redeployment"] for row in counted),
                "deployment_days": len({row["happened_at"].date() for row in counted}),
                "median_duration_seconds": median(seconds),
                "p90_duration_seconds": quantile(seconds, 0.9),
                "durations": len(seconds),
            }
        case "lead_time_for_changes":
            commits = [row for row in rows if row["kind"] == "commit"]
            covered = {row["deployment_id"] for row in commits}
            shipped = len(covered) + reasons["deployment", "no_commits"]
            return {
                "value": median(seconds),
                "median_interval95": median_interval_of_clusters(counted, question, median(seconds)),
                "mean": statistics.fmean(seconds) if seconds else None,
                "p90": quantile(seconds, 0.9),
                "commits": len(counted),
                "coverage": len(covered) / shipped if shipped else None,
                "negative_lead_times": reasons["commit", "clock_error"],
            }
        case "mean_time_to_recover":
            told = [row for row in rows if row["kind"] == "incident"]
            unattributed = sum(reasons["incident", reason] for reason in UNATTRIBUTED)
            still_open = reasons["deployment", "open"]
            if by_middleware:
                told = [row for row in told if question.from_at <= row["failed_at"] <= question.to_at]
                unattributed = sum(row["deployment_id"] is None and row["change_related"] for row in told)
                still_open = reasons["incident", "open"]
            return {
                "value": statistics.fmean(seconds) if seconds else None,
                "median": median(seconds),
                "median_interval95": median_interval(seconds),
                "p90": quantile(seconds, 0.9),
                "recovered": len(counted),
                "open": still_open,
                "unattributed_incidents": unattributed,
                "incidents": len(told),
            }
    hits = [row for row in counted if row["in_numerator"]]
    empty = 0 if by_middleware and metric == "change_failure_rate" else None
    rate = {
        "value": len(hits) / len(counted) if counted else empty,
        "numerator": len(hits),
        "denominator": len(counted),
        "by_signal": {signal: sum(signal in row["signals"] for row in hits) for signal in signals},
    }
    if metric == "change_failure_rate":
        rate["unattributed"] = reasons["remediation", "unattributed"] + reasons["remediation", "unknown_name"]
        rate["did_not_reach_production"] = reasons["deployment", "did_not_reach_production"]
    return rate


def compare(metric: str, answer: Any, rows: Sequence[Row], question: Question) -> None:
    expected = reproduced(metric, rows, list(getattr(answer.row, "by_signal", {})), question)
    for name, value in expected.items():
        found = getattr(answer.row, name)
        is_inexact = isinstance(value, float | tuple)
        # Quantiles of t come from a series that is good to five digits.
        digits = 1e-3 if name == "median_interval95" else 1e-9
        assert found == (pytest.approx(value, rel=digits) if is_inexact else value), name


def is_of(row: Row, group: Group, answer: Answer, production: Sequence[str]) -> bool:
    """Whether a row is of a group; an incident without an environment is of each production environment."""
    question = answer.question
    if (
        question.group_by is Dimension.ENVIRONMENT
        and question.profile is Profile.DEFAULT
        and (row["kind"], row["group"]) == ("incident", None)
        and production_of(answer.groups, production)
    ):
        return group.name is not None and name_key(group.name) in production
    return bool(row["group"] == group.name)


def production_of(groups: Sequence[Group], production: Sequence[str]) -> list[str]:
    names = [group.name for group in groups if group.name is not None]
    return [name for name in names if name_key(name) in production]


@ROUNDS
@given(
    made=st.lists(changes, min_size=6, max_size=30),
    signals=st.sampled_from(["incident,rollback,hotfix,fix", "incident,rollback,hotfix,fix,status", "hotfix", "incident,status"]),
    group_by=st.sampled_from([None, "repository", "service", "environment"]),
    profile=st.sampled_from(Profile),
)  # fmt: skip
def test_the_rows_reproduce_the_answer(
    book: Book, made: list[tuple[str, Any]], signals: str, group_by: str | None, profile: Profile
) -> None:
    organization = Changes(book)
    for kind, what in made:
        organization.make(kind, what)
    asked = {"from_": WINDOW["from_"], "to": WINDOW["to"], "failure_signals": signals, "profile": profile}
    if group_by is not None:
        asked["group_by"] = group_by
    answers = book.ask(org=organization.org, **asked)
    with open_snapshot(book.store) as reading:
        statement = "select production_environments from settings where organization = $org"
        held = reading.cursor.execute(statement, {"org": organization.org}).fetchall()
    production = held[0][0] if held else []
    for metric in MetricName:
        explanation = explain(book, metric, org=organization.org, **asked)
        answer, rows = explanation.answer, rows_of(explanation)
        # Asked a moment later, and the same in everything else.
        assert replace(answer, question=answers[metric].question) == answers[metric]
        compare(metric, answer, rows, answer.question)
        group: Group
        for group in answer.groups:
            of_it = [row for row in rows if is_of(row, group, answer, production)]
            compare(metric, group, of_it, answer.question)
        assert sum(total.rows for total in explanation.totals) == len(rows)


def test_a_failed_deployment_is_shown_with_what_it_failed_by(book: Book) -> None:
    book.deploy(version="v1", finished_at=AT(10))
    incident = book.report(started_at=AT(11), resolved_at=AT(14), repository_url=REPOSITORIES[0])
    hotfix = book.deploy(version="v2", finished_at=AT(12), is_hotfix=True).deployment
    (row,) = [row for row in rows_of(explain(book, "mean_time_to_recover", **DAY)) if row["counted"]]
    assert (row["version"], row["seconds"]) == ("v1", 3 * 3600)
    causes = [(one["kind"], one["id"], one["method"], one["signals"]) for one in row["causes"]]
    assert causes == [
        ("incident", incident.version.id, "nearest", ["incident"]),
        ("remediation", hotfix.version.id, "incident", ["hotfix"]),
    ]
    rework = rows_of(explain(book, "deployment_rework_rate", **DAY))
    assert [(row["in_numerator"], row["repairs_id"] is not None, row["method"]) for row in rework] == [
        (False, False, None), (True, True, "incident"),
    ]  # fmt: skip


def test_what_is_left_out_says_why(book: Book) -> None:
    book.deploy(version="v0", finished_at="2026-03-01T10:00:00Z")
    book.deploy(version="v1", finished_at=AT(1), is_hotfix=True)
    book.deploy(version="running", started_at=AT(2), status="in_progress")
    book.deploy(version="waiting", status="in_progress")
    book.deploy(version="earlier", started_at="2026-03-01T10:00:00Z", status="in_progress")
    book.deploy(version="trial", finished_at=AT(3), environment="staging")
    book.deploy(version="broken", finished_at=AT(4), status="fail")
    book.deploy(version="h1", finished_at=AT(5), is_hotfix=True, repository_url=REPOSITORIES[1])
    book.deploy(version="f1", finished_at=AT(6), is_fix=True)
    book.report(started_at=AT(7), change_related=False)
    book.report(started_at=AT(8))
    book.report(started_at=AT(9), repository_url=REPOSITORIES[0], environment="staging")
    explained = explain(book, "change_failure_rate", failure_signals="incident,hotfix", **DAY)
    assert left_out(explained) == [
        ("not_in_window", "remediation", "v0"),
        ("in_progress", "deployment", "running"),
        ("other_environment", "deployment", "trial"),
        ("did_not_reach_production", "deployment", "broken"),
        ("unattributed", "remediation", None),
        ("signal_off", "remediation", "v1"),
        ("not_change_related", "incident", None),
        ("names_nothing", "incident", None),
        ("in_progress", "deployment", "waiting"),
    ]
    book.deploy(version="typo", finished_at=AT(7), remediates="nobody")
    book.report(started_at=AT(7), repository_url=REPOSITORIES[0], commit_id="f" * 8)
    unknown = explain(book, "change_failure_rate", failure_signals="incident,hotfix", **DAY)
    assert sorted(set(left_out(unknown)) - set(left_out(explained)), key=str) == [
        ("unknown_name", "incident", None),
        ("unknown_name", "remediation", None),
    ]
    assert left_out(explain(book, "change_failure_rate", service="web", **DAY)) == []


def test_a_cause_whose_deployment_is_not_asked_for_is_left_out(book: Book) -> None:
    failed = book.deploy(version="v1", finished_at=AT(10), service="web").deployment
    book.deploy(version="v2", finished_at=AT(11), service="api", remediates=failed.version.id)
    book.report(started_at=AT(11), repository_url=REPOSITORIES[0], service="web")
    assert left_out(explain(book, "mean_time_to_recover", service="api", **DAY)) == [
        ("not_asked_for", "remediation", "v1")
    ]


def test_a_repair_of_what_reached_nobody_says_so(book: Book) -> None:
    book.deploy(version="v1", finished_at=AT(9))
    failed = book.deploy(version="v2", finished_at=AT(10), status="fail").deployment
    book.report(started_at=AT(11), deployment=failed.version.id)
    book.deploy(version="v3", finished_at=AT(12), is_hotfix=True)
    told = left_out(explain(book, "change_failure_rate", failure_signals="hotfix", **DAY))
    assert ("did_not_reach_production", "remediation", "v2") in told
    assert left_out(explain(book, "change_failure_rate", **DAY)) == []


def test_every_commit_is_counted_or_says_why_not(book: Book) -> None:
    commit = lambda sha, at: {"sha": sha * 7, "committed_at": at}  # noqa: E731
    book.deploy(version="v1", finished_at=AT(10), commits=[commit("a", AT(9)), commit("b", AT(11))])
    book.deploy(version="v2", finished_at=AT(12), commits=[commit("a", AT(9))])
    book.deploy(version="v3", finished_at=AT(13))
    rows = rows_of(explain(book, "lead_time_for_changes", **DAY))
    assert [(row["kind"], row["id"], row["version"], row["reason"], row["seconds"]) for row in rows if row["kind"] == "commit"] == [
        ("commit", "a" * 7, "v1", None, 3600),
        ("commit", "b" * 7, "v1", "clock_error", -3600),
        ("commit", "a" * 7, "v2", "carried_before", None),
    ]  # fmt: skip
    assert rows[0]["committed_at"] == datetime.fromisoformat(AT(9))
    assert (rows[-1]["reason"], rows[-1]["version"]) == ("no_commits", "v3")


@pytest.mark.parametrize("count", [5, 6, 20, 100, 101])
def test_a_median_of_recoveries_has_an_interval_between_two_of_them(book: Book, count: int) -> None:
    start = datetime.fromisoformat(AT(0))
    for number in range(count):
        at = start + timedelta(minutes=number)
        node = {"deployment_node_id": f"{number}", "version": f"v{number}"}
        book.deploy(**node, finished_at=at.isoformat())
        resolved_at = (at + timedelta(seconds=number**2)).isoformat()
        book.report(started_at=at.isoformat(), resolved_at=resolved_at, deployment=f"{number}")
    row: Any = book.ask(**DAY)["mean_time_to_recover"].row
    exact = median_interval([number**2 for number in range(count)])
    if count <= 100:
        assert row.median_interval95 == exact
    else:  # by the normal approximation: at most one place wider
        assert exact is not None
        places = [round(math.sqrt(value)) for value in (*row.median_interval95, *exact)]
        assert 0 <= places[2] - places[0] == places[1] - places[3] <= 1


@pytest.mark.parametrize(("deployments", "weeks"), [(5, 5), (12, 1), (40, 3), (40, 8)])
def test_a_median_of_lead_times_has_an_interval_that_allows_for_clusters(
    book: Book, deployments: int, weeks: int
) -> None:
    """Ten commits go out together, and have much the same lead time."""
    start = datetime.fromisoformat("2026-03-02T00:00:00Z")
    for number in range(deployments):
        finished_at = start + timedelta(weeks=number % weeks, minutes=number)
        commits = [
            {
                "sha": f"{number * 10 + place:07x}",
                "committed_at": (finished_at - timedelta(hours=number % 7 + 1, seconds=place)).isoformat(),
            }
            for place in range(10)
        ]
        book.deploy(version=f"v{number}", finished_at=finished_at.isoformat(), commits=commits)
    window = {"from_": "2026-03-02", "to": "2026-05-04"}
    explained = explain(book, "lead_time_for_changes", **window)
    row: Any = explained.answer.row
    expected = median_interval_of_clusters(rows_of(explained), explained.answer.question, row.value)
    assert (row.median_interval95 is None) == (deployments == 5) == (expected is None)
    if expected is not None:
        assert row.median_interval95 == pytest.approx(expected, rel=1e-3)
        alone = median_interval([one["seconds"] for one in rows_of(explained)])
        assert alone is not None
        assert expected[1] - expected[0] > alone[1] - alone[0]


def test_pages_give_every_row_once(book: Book) -> None:
    for hour in range(10):
        book.deploy(version=f"v{hour}", finished_at=AT(hour // 2), is_hotfix=hour == 0)
    whole = rows_of(explain(book, "change_failure_rate", **DAY))
    assert len(whole) == 11
    paged, cursor = [], None
    while True:
        page = explain(book, "change_failure_rate", limit=3, after=cursor, **DAY)
        assert page.totals == explain(book, "change_failure_rate", **DAY).totals
        paged += rows_of(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert paged == whole
    with pytest.raises(ParameterError, match="cursor"):
        explain(book, "change_failure_rate", after="gone", **DAY)


def test_the_statements_say_what_ran(book: Book) -> None:
    book.deploy(version="v1", finished_at=AT(10))
    explained = explain(book, "change_failure_rate", **DAY)
    statements = explained.statements

    def run(cursor: duckdb.DuckDBPyConnection) -> tuple[pa.Table, pa.Table]:
        return (
            cursor.sql(statements.rows, params=statements.rows_parameters).to_arrow_table(),
            cursor.sql(statements.answer, params=statements.answer_parameters).to_arrow_table(),
        )

    rows, answer = book.store.read(run)
    assert rows.num_rows == explained.rows.num_rows == 1
    assert answer["denominator"].to_pylist() == [1]
    assert len(statements.version) == 12


@pytest.mark.parametrize("metric", MetricName)
def test_what_happens_at_the_end_of_the_window_is_not_explained(book: Book, metric: MetricName) -> None:
    for number, at in enumerate((AT(23), "2026-03-03T00:00:00Z")):
        commits = [{"sha": f"{number:07x}", "committed_at": AT(9)}]
        book.deploy(version=f"v{number}", finished_at=at, is_hotfix=True, commits=commits)
        book.report(started_at=at, environment="production")
    explained = rows_of(explain(book, metric, **DAY))
    assert explained
    end = datetime.fromisoformat("2026-03-03T00:00:00+00:00")
    assert all(row["happened_at"] < end for row in explained)
    assert "v1" not in {row["version"] for row in explained}
