"""Series, groups, comparison, teams and labels: each cell is what the same question asked alone answers."""

import itertools
import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from metrics.api.answers import answer_body
from metrics.definitions.base import MetricName
from metrics.domain.errors import ParameterError
from metrics.queries.calendar import Interval, buckets, window_before
from tests.conftest import Book, sqlite_url
from tracker.organizations.service import list_repositories, set_team
from tracker.records.ledger import Author

WINDOW = {"from_": "2026-01-14", "to": "2026-05-20", "tz": "Europe/Berlin"}
SERVICES, ENVIRONMENTS, TEAMS = ["", "web", "api"], ["production", "live"], [None, "a", "b"]
OTHER = "https://gitlab.com/acme/shop"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """Some hundred deployments with everything that metrics look at, and incidents."""
    folder = tmp_path_factory.mktemp("series")
    filled, dice = Book(sqlite_url(folder), folder), random.Random(7)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(300):
        finished_at = start + timedelta(minutes=dice.randrange(150 * 24 * 60))
        filled.deploy(
            repository_url=dice.choice(["https://github.com/acme/shop", OTHER, "https://github.com/acme/api"]),
            version=f"v{dice.randrange(60)}",
            service=dice.choice(SERVICES),
            environment=dice.choice(ENVIRONMENTS),
            branch=dice.choice(["main", "release", None]),
            team=dice.choice(TEAMS),
            status=dice.choice(["success"] * 6 + ["fail"]),
            finished_at=finished_at.isoformat(),
            started_at=(finished_at - timedelta(minutes=dice.randrange(1, 90))).isoformat(),
            is_hotfix=dice.random() < 0.1,
            is_fix=dice.random() < 0.2,
            labels={"region": dice.choice(["eu", "us"])},
            commits=[{"sha": f"{number:07x}", "committed_at": (finished_at - timedelta(hours=dice.randrange(-2, 60))).isoformat()}],
        )  # fmt: skip
    for number in range(25):
        started_at = start + timedelta(minutes=dice.randrange(150 * 24 * 60))
        filled.report(
            started_at=started_at.isoformat(),
            resolved_at=None if number % 3 == 0 else (started_at + timedelta(hours=3)).isoformat(),
            repository_url=dice.choice([None, OTHER, "https://github.com/acme/api"]),
            service=dice.choice(SERVICES),
            environment=dice.choice([None, *ENVIRONMENTS]),
        )
    with filled.engine.begin() as connection:
        connection.exec_driver_sql("update repositories set team = 'c', team_key = 'c' where service = 'web'")
    yield filled
    filled.close()


def rows(book: Book, **parameters: Any) -> dict[str, Any]:
    return {name: answer.row for name, answer in book.ask(**{**WINDOW, **parameters}).items()}


@pytest.mark.parametrize("interval", Interval)
def test_a_bucket_answers_as_its_window_asked_alone(book: Book, interval: Interval) -> None:
    answers = book.ask(**WINDOW, interval=interval.value)
    series = answers[MetricName.CHANGE_FAILURE_RATE].series
    dice = random.Random(interval)
    for index in sorted(dice.sample(range(len(series)), min(8, len(series)))):
        window = series[index].window
        alone = rows(book, from_=window.from_at.isoformat(), to=window.to_at.isoformat())
        assert {name: answer.series[index].row for name, answer in answers.items()} == alone
    whole = rows(book)
    assert {name: answer.row for name, answer in answers.items()} == whole
    assert [point.window.is_partial for point in series] == (
        [True, *[False] * (len(series) - 2), interval is not Interval.DAY]
        if interval is not Interval.DAY
        else [False] * len(series)
    )


def test_the_buckets_add_up_to_the_window(book: Book) -> None:
    answers: Any = book.ask(**WINDOW, interval="week")
    for name, fields in {
        "deployment_frequency": ["deployments", "redeployments", "deployment_days"],
        "change_failure_rate": ["numerator", "denominator", "unattributed", "did_not_reach_production"],
        "mean_time_to_recover": ["recovered", "open", "incidents", "unattributed_incidents"],
        "lead_time_for_changes": ["commits", "negative_lead_times"],
        "deployment_rework_rate": ["numerator", "denominator"],
    }.items():
        for field in fields:
            total = sum(getattr(point.row, field) for point in answers[name].series)
            assert total == getattr(answers[name].row, field) > 0, (name, field)


def test_what_happens_at_a_border_is_in_the_bucket_that_begins_there(book: Book) -> None:
    """At each local midnight a repair of the one before, also where a day has 23 hours."""
    zone, org = ZoneInfo("Europe/Berlin"), "borders"
    days = [datetime(2026, 3, 25, tzinfo=zone) + timedelta(days=number) for number in range(8)]
    for number, day in enumerate(days):
        at = day.astimezone(UTC)
        commits = [{"sha": f"{number:07x}", "committed_at": (at - timedelta(hours=1)).isoformat()}]
        book.deploy(
            org=org, version=f"v{number}", finished_at=at.isoformat(), is_hotfix=True, commits=commits
        )
        book.report(org=org, started_at=at.isoformat(), environment="production")
    asked = {"from_": "2026-03-25", "to": "2026-04-01", "tz": zone.key}
    answers: Any = book.ask(org=org, **asked, interval="day")
    for name, field in (
        ("deployment_frequency", "deployments"),
        ("change_failure_rate", "numerator"),
        ("change_failure_rate", "denominator"),
        ("mean_time_to_recover", "recovered"),
        ("mean_time_to_recover", "incidents"),
        ("lead_time_for_changes", "commits"),
        ("deployment_rework_rate", "numerator"),
        ("deployment_rework_rate", "denominator"),
    ):
        assert [getattr(point.row, field) for point in answers[name].series] == [1] * 7, (name, field)
        assert getattr(answers[name].row, field) == 7, (name, field)


@pytest.mark.parametrize("dimension", ["repository", "service", "environment", "team", "branch"])
def test_groups_add_up_and_have_their_own_series(book: Book, dimension: str) -> None:
    answers: Any = book.ask(**WINDOW, group_by=dimension, interval="month", compare="true")
    for name, fields in {
        "deployment_frequency": ["deployments"],
        "change_failure_rate": ["numerator", "denominator"],
        "mean_time_to_recover": ["recovered", "open", "incidents", "unattributed_incidents"],
        "lead_time_for_changes": ["commits"],
        "deployment_rework_rate": ["numerator", "denominator"],
    }.items():
        answer = answers[name]
        names = [group.name for group in answer.groups]
        assert len(names) == len(set(names)) > 1
        for field in fields:
            # An incident without an environment is of every production environment.
            if "incidents" not in field or dimension != "environment":
                assert sum(getattr(group.row, field) for group in answer.groups) == getattr(answer.row, field)
            for group in answer.groups:
                assert sum(getattr(point.row, field) for point in group.series) == getattr(group.row, field)


@pytest.mark.parametrize("dimension", ["repository", "environment", "service", "team"])
def test_a_group_answers_as_its_filter_asked_alone(book: Book, dimension: str) -> None:
    answers = book.ask(**WINDOW, group_by=dimension)
    for index, group in enumerate(answers[MetricName.LEAD_TIME_FOR_CHANGES].groups):
        if group.name is None:
            continue
        alone = rows(book, **{dimension: (group.name,)})
        for name, answer in answers.items():
            assert answer.groups[index].row == alone[name], (group.name, name)
    recoveries: Any = [group.row for group in answers[MetricName.MEAN_TIME_TO_RECOVER].groups]
    assert sum(row.recovered > 0 and row.value is not None for row in recoveries) > 1


def test_repositories_of_one_path_on_two_hosts_are_told_apart(book: Book) -> None:
    groups = book.ask(**WINDOW, group_by="repository")[MetricName.DEPLOYMENT_FREQUENCY].groups
    names = ["acme/api", "github.com/acme/shop", "gitlab.com/acme/shop", None]  # some incidents name none
    assert [group.name for group in groups] == names


def test_the_comparison_is_the_window_before_asked_alone(book: Book) -> None:
    answers = book.ask(**WINDOW, compare="true")
    previous = answers[MetricName.CHANGE_FAILURE_RATE].previous
    assert previous is not None
    window = answers[MetricName.CHANGE_FAILURE_RATE].question.window
    assert previous.window == window_before(window, ZoneInfo(str(WINDOW["tz"])))
    alone = rows(book, from_=previous.window.from_at.isoformat(), to=previous.window.to_at.isoformat())
    assert {name: answer.previous and answer.previous.row for name, answer in answers.items()} == alone
    assert {name: answer.row for name, answer in answers.items()} == rows(book)


def test_a_team_is_the_records_own_else_the_services_else_the_repositorys(book: Book) -> None:
    counts = {
        team: rows(book, team=(team,))[MetricName.DEPLOYMENT_FREQUENCY].deployments
        for team in ("a", "b", "c")
    }
    groups: Any = book.ask(**WINDOW, group_by="team")[MetricName.DEPLOYMENT_FREQUENCY].groups
    assert {group.name: group.row.deployments for group in groups if group.name} == counts
    assert all(counts.values())
    assert (
        rows(book, team=("a", "b"))[MetricName.DEPLOYMENT_FREQUENCY].deployments == counts["a"] + counts["b"]
    )


def test_a_team_that_is_set_later_takes_what_was_deployed_before(book: Book) -> None:
    book.deploy(org="later", version="v1", finished_at="2026-03-02T10:00:00Z", service="web")
    book.deploy(org="later", version="v1", finished_at="2026-03-02T10:00:00Z", service="api", team="own")

    def counts() -> dict[str | None, int]:
        asked = book.ask(org="later", from_="2026-03-01", to="2026-03-08", group_by="team")
        groups: Any = asked[MetricName.DEPLOYMENT_FREQUENCY].groups
        return {group.name: group.row.deployments for group in groups}

    def join(service: str, team: str | None) -> None:
        known = list_repositories(book.engine, "later", None)
        row_id = next(row.id for row in known if row.service == service)
        book.recorder.record_now(lambda ledger: set_team(ledger, Author("later", "test"), row_id, team))

    assert counts() == {"own": 1, None: 1}
    join("", "whole")
    assert counts() == {"own": 1, "whole": 1}
    join("web", "part")
    join("api", "part")
    assert counts() == {"own": 1, "part": 1}
    join("web", None)
    assert counts() == {"own": 1, "whole": 1}


def test_all_labels_must_hold(book: Book) -> None:
    count = lambda *labels: rows(book, label=labels)[MetricName.DEPLOYMENT_FREQUENCY].deployments  # noqa: E731
    assert count("region:eu") + count("region:us") == count()
    assert count("region:eu", "region:us") == 0
    assert count("region:eu:west") == count("nothing:eu") == 0


def test_a_series_without_records_is_filled_with_zeros_and_reasons(book: Book) -> None:
    answers: Any = book.ask(org="empty", from_="2026-01-01", to="2026-01-04", interval="day", group_by="team")
    frequency = answers[MetricName.DEPLOYMENT_FREQUENCY]
    assert [point.row.value for point in frequency.series] == [0, 0, 0]
    assert [point.row.reason for point in answers["change_failure_rate"].series] == ["no_deployments"] * 3
    assert frequency.groups == []


def test_more_buckets_than_anybody_reads_are_refused(book: Book) -> None:
    with pytest.raises(ParameterError, match="interval"):
        book.ask(from_="1990-01-01", to="2026-01-01", interval="day")


@pytest.mark.parametrize(
    ("zone", "year"),
    [
        ("Europe/Berlin", 2026), ("America/New_York", 2026), ("Asia/Kolkata", 2026), ("Asia/Kathmandu", 1986),
        ("Australia/Lord_Howe", 2026), ("America/Havana", 2026), ("Africa/Casablanca", 2026), ("Pacific/Apia", 2011),
    ],
)  # fmt: skip
def test_days_of_a_year_are_those_of_zoneinfo(zone: str, year: int) -> None:
    """Each quarter of an hour lies in the bucket of its local date; a date that never was has none."""
    info = ZoneInfo(zone)
    from_at = datetime(year, 1, 1, tzinfo=info).astimezone(UTC)
    to_at = datetime(year + 1, 1, 1, tzinfo=info).astimezone(UTC)
    days = list(buckets(from_at, to_at, Interval.DAY, info))
    assert days[0].from_at == from_at
    assert days[-1].to_at == to_at
    assert all(before.to_at == after.from_at for before, after in itertools.pairwise(days))
    for day in days:
        dates: set[date] = set()
        instant = day.from_at
        while instant < day.to_at:
            dates.add(instant.astimezone(info).date())
            instant += timedelta(minutes=15)
        assert len(dates) == 1, day
    assert len(days) == (366 if year % 4 == 0 else 365) - (zone == "Pacific/Apia")


@pytest.mark.parametrize(
    ("interval", "edges"),
    [
        ("week", ["2026-03-25", "2026-03-30", "2026-04-03"]),
        ("month", ["2026-03-25", "2026-04-01", "2026-04-03"]),
        ("quarter", ["2026-03-25", "2026-04-01", "2026-04-03"]),
    ],
)
def test_buckets_are_cut_by_the_window(interval: str, edges: list[str]) -> None:
    zone = ZoneInfo("Europe/Berlin")  # in which 2026-03-29 has 23 hours
    at = [datetime.fromisoformat(edge).replace(tzinfo=zone).astimezone(UTC) for edge in edges]
    found = list(buckets(at[0], at[-1], Interval(interval), zone))
    assert [(bucket.from_at, bucket.to_at) for bucket in found] == list(itertools.pairwise(at))
    assert all(bucket.is_partial for bucket in found)


def test_the_interface_answers_in_local_dates(book: Book) -> None:
    answer = book.ask(**WINDOW, interval="month", group_by="service", compare="true")["change_failure_rate"]
    body: Any = answer_body(answer)
    assert [point["from"] for point in body["series"]] == [
        date(2026, 1, 14),
        *(date(2026, month, 1) for month in range(2, 6)),
    ]
    assert body["series"][-1]["to"] == date(2026, 5, 20)
    assert list(body["groups"][0])[:2] == ["service", "value"]
    assert list(body["groups"][0]["series"][0])[:3] == ["from", "to", "partial"]
    assert list(body["previous"])[:3] == ["from", "to", "value"]
    late = book.ask(
        from_="2026-01-14T10:00:00Z", to="2026-01-15T10:00:00Z", tz="Europe/Berlin", interval="day"
    )
    edges: Any = answer_body(late["change_failure_rate"])["series"]
    assert [edges[0]["from"], edges[0]["to"]] == [datetime(2026, 1, 14, 10, tzinfo=UTC), date(2026, 1, 15)]


def test_of_more_groups_than_an_answer_holds_the_most_deployed_are_shown(tmp_path: Path) -> None:
    with closing(Book(sqlite_url(tmp_path), tmp_path)) as book:
        for number in range(1_001):
            book.deploy(version="v1", branch=f"branch-{number:04}", finished_at="2026-03-02T10:00:00Z")
        for hour in range(2):
            book.deploy(version="v1", branch="z-most", finished_at=f"2026-03-02T1{hour}:00:00Z")
        window = {"from_": "2026-03-01", "to": "2026-04-01", "group_by": "branch"}
        frequency: Any = book.ask(**window)[MetricName.DEPLOYMENT_FREQUENCY]
        daily: Any = book.ask(**window, interval="day")[MetricName.DEPLOYMENT_FREQUENCY]
    names = [group.name for group in frequency.groups]
    assert names == [*(f"branch-{number:04}" for number in range(999)), "z-most"]
    assert frequency.groups[-1].row.deployments == 2
    assert [note.detail for note in frequency.notes if note.code == "groups_cut"] == [
        "Of 1002 groups the 1000 with the most deployments are shown; "
        "a repository, service, team or longer interval gives fewer."
    ]
    # With 31 days each, 32 rows a group.
    assert len(daily.groups) == 25_000 // 32
    assert frequency.row.deployments == daily.row.deployments == 1_003
