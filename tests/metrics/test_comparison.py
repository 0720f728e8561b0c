"""Whether a change is more than chance, against figures worked out by hand or by other means."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from metrics.definitions.statistics import WeekCounts, quantile_of_t
from metrics.output.comparison import Comparison, compare
from metrics.queries.calendar import Window, whole_weeks, window_before
from metrics.queries.question import Answer
from tests.conftest import Book, sqlite_url

Answers = Mapping[str, Answer]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Of a week without records beside the one before."""
    folder = tmp_path_factory.mktemp("comparison")
    book = Book(sqlite_url(folder), folder)
    found = book.ask(from_="2026-03-09", to="2026-03-16", compare=True)
    book.close()
    return found


def told_of(
    answers: Answers, name: str, before: Mapping[str, Any], after: Mapping[str, Any], **weeks: Any
) -> Comparison:
    """What is made of a metric whose windows have these figures, and whose weeks have counted so."""
    answer = answers[name]
    previous: Any = answer.previous
    row: Any = answer.row
    windows = {
        "previous": replace(
            previous, row=replace(previous.row, **before), **{"weeks": [], "weeks_before": [], **weeks}
        ),
        "row": replace(row, **after),
    }
    told = compare(replace(answer, **windows))
    assert told is not None
    return told


@pytest.mark.parametrize(
    ("before", "after", "differ"),
    [
        # Welch's t of the first is 5.5 / sqrt(1.25) = 4.92 at 5.4 degrees of freedom, of the second 1.10 at 6.
        ([10, 12, 9, 11], [15, 18, 14, 17], True), ([10, 12, 9, 11], [11, 13, 10, 12], False),
        # 240 deployments and then 380: the weeks differ as much among themselves.
        ([20, 100, 30, 90], [60, 140, 50, 130], False),
        ([3] * 4, [4] * 5, True), ([3] * 4, [3] * 4, False), ([0] * 4, [0] * 4, None), ([1] * 3, [9] * 4, None),
    ],
)  # fmt: skip
def test_counts_are_compared_with_the_spread_between_weeks(
    answers: Answers, before: list[int], after: list[int], differ: bool | None
) -> None:
    windows = [{"deployments": sum(counts), "value": sum(counts) / 28} for counts in (before, after)]
    weeks = {
        "weeks_before": [WeekCounts(count, 1) for count in before],
        "weeks": [WeekCounts(count, 1) for count in after],
    }
    told = told_of(answers, "deployment_frequency", *windows, **weeks)
    assert told.distinguishable is differ
    if differ:
        assert "rose by more than chance" in told.detail


@pytest.mark.parametrize(
    ("failed", "differ"),
    [
        # 8 of 80 and 20 of 80 differ by 0.033 to 0.267 (Newcombe). Evenly spread over weeks, or all in one of them.
        ([5, 5, 5, 5], True), ([20, 0, 0, 0], False),
    ],
)  # fmt: skip
def test_failures_that_come_in_one_week_say_less(answers: Answers, failed: list[int], differ: bool) -> None:
    weeks = {
        "weeks_before": [WeekCounts(2, 20)] * 4,
        "weeks": [WeekCounts(count, 20) for count in failed],
    }
    windows = [{"numerator": count, "denominator": 80} for count in (8, 20)]
    assert told_of(answers, "change_failure_rate", *windows, **weeks).distinguishable is differ


@pytest.mark.parametrize(
    ("after", "differ"),
    [([8, 9, 7, 8], True), ([6, 4, 6, 4], False), ([10, 0, 10, 0], False)],
)
def test_lead_times_are_compared_with_weeks_as_clusters(
    answers: Answers, after: list[int], differ: bool
) -> None:
    """Of ten commits a week, those below the median of both windows."""
    weeks = {
        "weeks_before": [WeekCounts(count, 10) for count in (5, 4, 5, 4)],
        "weeks": [WeekCounts(count, 10) for count in after],
    }
    windows = [{"value": 7200.0}, {"value": 3600.0}]
    told = told_of(answers, "lead_time_for_changes", *windows, **weeks)
    assert (told.distinguishable, "fell" in told.detail) == (differ, differ)


@pytest.mark.parametrize(
    ("before", "after", "differ"),
    [
        # Newcombe 1998, table II: 56/70 and 48/80 differ by 0.0524 to 0.3339; 9/10 and 3/10 by 0.1705 to 0.8090.
        ((48, 80), (56, 70), True), ((3, 10), (9, 10), True),
        # 6/7 and 2/7: 0.0582 to 0.8062; 5/56 and 0/29: -0.0381 to 0.1926.
        ((2, 7), (6, 7), True), ((0, 29), (5, 56), False), ((0, 10), (0, 20), False), ((0, 0), (1, 2), None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["change_failure_rate", "deployment_rework_rate"])
def test_rates(
    answers: Answers, name: str, before: tuple[int, int], after: tuple[int, int], differ: bool | None
) -> None:
    windows = [{"numerator": numerator, "denominator": of} for numerator, of in (before, after)]
    assert told_of(answers, name, *windows).distinguishable is differ
    assert told_of(answers, name, *reversed(windows)).distinguishable is differ


@pytest.mark.parametrize("name", ["lead_time_for_changes", "mean_time_to_recover"])
@pytest.mark.parametrize(
    ("before", "after", "differ"),
    [((1, 2), (3, 4), True), ((3, 4), (1, 2), True), ((1, 3), (2, 4), False), (None, (1, 2), None)],
)
def test_times_by_the_intervals_of_their_medians(
    answers: Answers,
    name: str,
    before: tuple[float, float] | None,
    after: tuple[float, float],
    differ: bool | None,
) -> None:
    windows = [{"median_interval95": interval} for interval in (before, after)]
    assert told_of(answers, name, *windows).distinguishable is differ


def test_recoveries_are_compared_by_their_median_whatever_the_mean_does(book: Book) -> None:
    """Eight of an hour, then eight of ten minutes and one of weeks: the mean rose, and the median fell."""
    for week, minutes in ((2, [60] * 8), (9, [10] * 8 + [30 * 24 * 60])):
        for number, length in enumerate(minutes):
            start = datetime(2026, 3, week, tzinfo=UTC) + timedelta(hours=12 * number)
            node = f"{week}-{number}"
            book.deploy(version=node, deployment_node_id=node, finished_at=start.isoformat())
            book.report(
                started_at=start.isoformat(),
                resolved_at=(start + timedelta(minutes=length)).isoformat(),
                deployment=node,
                repository_url="https://github.com/acme/shop",
            )
    answer = book.ask(from_="2026-03-09", to="2026-03-16", compare=True)["mean_time_to_recover"]
    told: Any = compare(answer)
    assert answer.previous is not None
    assert answer.row.value > answer.previous.row.value  # type: ignore[operator]
    assert (told.distinguishable, told.detail.startswith("The median time to recover fell")) == (True, True)


def test_a_comparison_is_said_in_words(book: Book) -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    for week in range(8):
        for number in range(2 if week < 4 else 6):
            at = start + timedelta(weeks=week, hours=number)
            book.deploy(version=f"v{week}-{number}", finished_at=at.isoformat())
    weeks: Any = {"from_": "2026-03-30", "to": "2026-04-27"}
    answers = book.ask(**weeks, compare=True)
    told = {name: compare(answer) for name, answer in answers.items()}
    frequency, lead_time = told["deployment_frequency"], told["lead_time_for_changes"]
    assert frequency is not None
    assert (frequency.distinguishable, frequency.detail) == (
        True,
        "Deployment frequency rose by more than chance brings about (95 %), compared with "
        "2026-03-02 to 2026-03-29.",
    )
    assert lead_time is not None
    assert (lead_time.distinguishable, "too little" in lead_time.detail) == (None, True)
    assert compare(book.ask(**weeks)["deployment_frequency"]) is None


def test_each_group_is_compared_with_itself(book: Book) -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    for week in range(8):
        for service, count in (("web", 2 if week < 4 else 6), ("api", 3)):
            for number in range(count):
                at = start + timedelta(weeks=week, hours=number)
                book.deploy(service=service, version=f"{week}-{number}", finished_at=at.isoformat())
    answer = book.ask(from_="2026-03-30", to="2026-04-27", compare=True, group_by="service")[
        "deployment_frequency"
    ]
    told = {group.name: compare(answer, group) for group in answer.groups}
    assert {name: one and one.distinguishable for name, one in told.items()} == {"web": True, "api": False}
    before: Any = [group.previous for group in answer.groups]
    assert [one.row.deployments for one in before] == [12, 8]


ZONE = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("window", "before"),
    [
        # Monday to Friday, with Monday to Friday.
        (("2025-06-09", "2025-06-14"), ("2025-06-02", "2025-06-07")),
        (("2026-03-01", "2026-04-01"), ("2026-02-01", "2026-03-01")),
        (("2026-01-01", "2026-04-01"), ("2025-10-01", "2026-01-01")),
        (("2024-01-01", "2025-01-01"), ("2023-01-01", "2024-01-01")),
        # Three months that are no quarter, and thirty days.
        (("2026-02-01", "2026-05-01"), ("2025-11-02", "2026-01-30")),
        (("2026-03-02", "2026-04-01"), ("2026-01-26", "2026-02-25")),
        (("2026-03-30", "2026-04-27"), ("2026-03-02", "2026-03-30")),
        (("2026-03-29T12:00", "2026-03-31T18:30"), ("2026-03-22T12:00", "2026-03-24T18:30")),
    ],
)
def test_the_window_before_has_the_same_weekdays(window: tuple[str, str], before: tuple[str, str]) -> None:
    starts, ends, *expected = (
        datetime.fromisoformat(text).replace(tzinfo=ZONE) for text in (*window, *before)
    )
    found = window_before(Window(starts, ends), ZONE)
    assert [found.from_at, found.to_at] == expected


def test_a_quantile_of_t_is_that_of_the_tables() -> None:
    """R. A. Fisher, F. Yates, Statistical Tables, table III."""
    table = {1: 12.706, 2: 4.303, 3: 3.182, 10: 2.228, 12: 2.179, 24: 2.064, 60: 2.000, 120: 1.980}
    assert {freedom: round(quantile_of_t(freedom), 3) for freedom in table} == table
    assert 2.571 < quantile_of_t(4.5) < 2.776
    assert quantile_of_t(0.5) == math.inf


def test_what_was_not_recorded_is_compared_with_nothing(book: Book) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    for number in range(13 * 7):
        at = (start + timedelta(days=number)).isoformat()
        book.deploy(version=f"v{number}", finished_at=at)
    answer = book.ask(from_="2026-06-01", to="2026-08-31", compare=True)["deployment_frequency"]
    told: Any = compare(answer)
    assert (told.distinguishable, "recording began on 2026-06-01" in told.detail) == (None, True)
    book.deploy(version="old", finished_at="2026-03-02T10:00:00Z")
    told = compare(book.ask(from_="2026-06-01", to="2026-08-31", compare=True)["deployment_frequency"])
    assert told.distinguishable is True


def test_four_weeks_are_four_over_a_change_of_clocks() -> None:
    starts, ends = (datetime(2026, 3, 16, tzinfo=ZONE), datetime(2026, 4, 13, tzinfo=ZONE))
    weeks = whole_weeks(Window(starts, ends), ZONE)
    assert [week.from_at.astimezone(ZONE).isoformat()[:16] for week in weeks] == [
        "2026-03-16T00:00", "2026-03-23T00:00", "2026-03-30T00:00", "2026-04-06T00:00",
    ]  # fmt: skip
    assert weeks[-1].to_at == ends
