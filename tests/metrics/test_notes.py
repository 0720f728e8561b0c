"""What an answer is told with, so that it is not misread."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from metrics.domain.errors import ParameterError
from metrics.domain.settings import DEFAULT_SETTINGS
from metrics.output.notes import notes_on
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session
from tests.conftest import Book, now

SHOP = "https://github.com/acme/shop"
AT = "2026-03-{:02}T10:00:00Z".format


def notes(book: Book, metric: str = "deployment_frequency", **asked: Any) -> dict[str, str]:
    answer = book.ask(**{"from_": "2026-03-01", "to": "2026-04-01", **asked})[metric]
    return {
        note.code: note.detail for note in notes_on(answer) if note.code not in ("settling", "no_incidents")
    }


@pytest.fixture
def weekly(book: Book) -> Book:
    """A deployment each day of March, by one service of one team."""
    for day in range(1, 32):
        book.deploy(version=f"v{day}", finished_at=AT(day), service="Checkout", team="Pay")
    return book


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"repository": ["acme/shpo"]}, "No record has the repository acme/shpo. Is acme/shop meant?"),
        ({"environment": ["prodution"]}, "No record has the environment prodution. Is production meant?"),
        ({"environment": ["live*"]}, "No record has the environment live*."),
        ({"team": ["pays"]}, "No record has the team pays. Is Pay meant?"),
        ({"service": ["chekkout"]}, "No record has the service chekkout. Is Checkout meant?"),
    ],
)
def test_a_name_that_no_record_has_is_said(weekly: Book, asked: dict[str, Any], told: str) -> None:
    assert notes(weekly, **asked) == {"unknown_name": told}


@pytest.mark.parametrize(
    "asked",
    [
        {"repository": ["ACME/*"]}, {"environment": ["Production"]}, {"environment": ["prod*"]},
        {"team": ["PAY"]}, {"service": ["checkout"]}, {},
    ],
)  # fmt: skip
def test_a_name_that_is_known_is_not(weekly: Book, asked: dict[str, Any]) -> None:
    assert notes(weekly, **asked) == {}


def test_who_may_see_little_is_told_of_no_other_name(weekly: Book) -> None:
    weekly.deploy(repository_url="https://github.com/acme/own", version="1", finished_at=AT(1))
    given = MetricParameters.of(
        {"from": "2026-03-01", "to": "2026-04-01", "service": "chekkout", "team": "pays"}
    )
    (answer,) = Session(weekly.store, "acme", ["acme/own"]).answers(given, ["deployment_frequency"])  # type: ignore[list-item]
    unknown = [note.detail for note in notes_on(answer) if note.code == "unknown_name"]
    assert unknown == ["No record has the service chekkout.", "No record has the team pays."]


def test_a_window_in_which_recording_began_says_so(weekly: Book) -> None:
    assert list(notes(weekly, from_="2026-02-01")) == ["recording_began"]
    assert "2026-03-01" in notes(weekly, from_="2026-02-01")["recording_began"]
    assert notes(weekly, from_="2026-02-28T12:00:00Z") == {}
    assert list(notes(weekly, from_="2026-01-01", to="2026-02-01")) == ["recording_began"]


def test_a_silence_longer_than_any_before_is_said(weekly: Book) -> None:
    assert notes(weekly, to="2026-04-07") == {}
    assert "2026-03-31" in notes(weekly, to="2026-04-08")["nothing_recorded_since"]
    assert list(notes(weekly, from_="2026-05-01", to="2026-06-01")) == ["nothing_recorded_since"]


def test_a_silence_that_is_usual_is_not(book: Book) -> None:
    for month in (1, 2, 3):
        book.deploy(version=f"v{month}", finished_at=f"2026-{month:02}-01T10:00:00Z")
    assert notes(book, from_="2026-01-01") == {}
    assert list(notes(book, from_="2026-01-01", to="2026-04-02")) == ["nothing_recorded_since"]


def commits(count: int, oldest_days: int, finished_at: str, sha: str = "") -> list[dict[str, str]]:
    finished = datetime.fromisoformat(finished_at)
    return [
        {
            "sha": sha or f"{number:040x}",
            "committed_at": (finished - timedelta(days=oldest_days * number / count, hours=1)).isoformat(),
        }
        for number in range(1, count + 1)
    ]


def test_a_first_deployment_with_its_history_is_said(book: Book) -> None:
    book.deploy(version="v1", finished_at=AT(2), commits=commits(200, 5_000, AT(2)))
    book.deploy(version="v2", finished_at=AT(3), commits=commits(1, 0, AT(3), "f" * 40))
    told = notes(book, "lead_time_for_changes")["first_deployment_history"]
    assert told.startswith("200 of the 201 commits")
    assert "first_deployment_history" not in notes(book, "deployment_frequency")
    later = notes(book, "lead_time_for_changes", from_="2026-03-03", to="2026-03-05")
    assert "first_deployment_history" not in later


def test_a_first_deployment_of_recent_commits_is_not(book: Book) -> None:
    book.deploy(version="v1", finished_at=AT(2), commits=commits(20, 90, AT(2)))
    assert "first_deployment_history" not in notes(book, "lead_time_for_changes", to="2026-03-05")


@pytest.mark.parametrize(("count", "said"), [(5, True), (4, False)])
def test_lists_of_the_deployed_commit_alone_are_said(book: Book, count: int, said: bool) -> None:
    for day in range(1, count + 1):
        sha = f"{day}" * 40
        book.deploy(commit_id=sha, finished_at=AT(day), commits=commits(1, 0, AT(day), sha))
    asked = {"to": "2026-03-06"}
    assert ("only_deployed_commits" in notes(book, "lead_time_for_changes", **asked)) is said
    book.deploy(commit_id="f" * 40, finished_at=AT(5), commits=commits(2, 0, AT(5)))
    assert "only_deployed_commits" not in notes(book, "lead_time_for_changes", **asked)


def test_the_default_window_begins_with_the_records(book: Book) -> None:
    today = now().replace(hour=12, minute=0, second=0, microsecond=0)
    asked = Session(book.store, "acme")

    def window(**given: str) -> tuple[datetime, datetime]:
        question = asked.answers(MetricParameters.of(given), ["deployment_frequency"])[0].question  # type: ignore[list-item]
        return question.from_at, question.to_at

    a_moment = timedelta(seconds=1)

    def is_whole(bounds: tuple[datetime, datetime]) -> bool:
        return abs(bounds[1] - bounds[0] - timedelta(days=91)) < a_moment

    assert is_whole(window())
    first = today - timedelta(days=20)
    book.deploy(version="v1", finished_at=first.isoformat(), service="web")
    assert window(tz="UTC")[0] == first.replace(hour=0)
    assert is_whole(window(service="api"))
    book.deploy(version="v0", finished_at=(today - timedelta(days=200)).isoformat())
    assert is_whole(window())
    assert window(service="web", tz="UTC")[0] == first.replace(hour=0)


def test_the_default_window_is_thirteen_weeks_on_the_clock(book: Book) -> None:
    """Over a change to summer time as well: it begins with a local midnight where it ends with one."""
    book.deploy(version="v0", finished_at="2025-01-01T00:00:00Z")
    given = MetricParameters.of({"to": "2026-04-15", "tz": "Europe/Berlin", "compare": "true"})
    question = Session(book.store, "acme").answers(given, ["deployment_frequency"])[0].question  # type: ignore[list-item]
    assert question.from_at.astimezone(question.zone).isoformat() == "2026-01-14T00:00:00+01:00"
    assert question.previous_window.to_at == question.from_at


@pytest.mark.parametrize(
    ("last", "starts", "ends"),
    [
        ("28d", "2026-04-18", "2026-05-16"), ("2w", "2026-04-27", "2026-05-11"),
        ("3m", "2026-02-01", "2026-05-01"), ("1y", "2025-01-01", "2026-01-01"),
    ],
)  # fmt: skip
def test_the_last_whole_days_weeks_months_and_years(last: str, starts: str, ends: str) -> None:
    instant = datetime(2026, 5, 16, 9, 30, tzinfo=UTC)
    given = MetricParameters.of({"last": last, "tz": "Europe/Berlin"})
    asked = given.question("acme", DEFAULT_SETTINGS, now=instant)
    found = [one.astimezone(asked.zone).isoformat()[:10] for one in (asked.from_at, asked.to_at)]
    assert found == [starts, ends]


@pytest.mark.parametrize(
    "wrong", [{"last": "week"}, {"last": "0d"}, {"last": "9999y"}, {"last": "1w", "to": "2026-01-01"}]
)
def test_a_last_that_is_none_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ParameterError, match="last"):
        MetricParameters.of(wrong).question("acme", DEFAULT_SETTINGS, now=now())


def test_estimates_do_not_say_what_failed(book: Book) -> None:
    for hour, labels in ((9, {"estimated": "git"}), (10, {"estimated": "git"}), (11, {})):
        book.deploy(version=f"v{hour}", finished_at=f"2026-03-02T{hour:02}:00:00Z", labels=labels)
    asked = {"from_": "2026-03-01", "to": "2026-03-05"}
    for metric in ("change_failure_rate", "mean_time_to_recover"):
        assert notes(book, metric, **asked)["estimated"].startswith("2 of the 3 deployments are estimates")
    assert "estimated" not in notes(book, "deployment_frequency", **asked)
    assert "estimated" not in notes(book, "change_failure_rate", **asked, label="estimated:no")
