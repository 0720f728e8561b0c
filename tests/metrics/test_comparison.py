"""Whether a change is more than chance, against figures worked out by hand or by other means."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from metrics.output.comparison import Comparison, compare
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


def told_of(answers: Answers, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Comparison:
    """What is made of a metric whose windows have these figures."""
    answer = answers[name]
    previous: Any = answer.previous
    row: Any = answer.row
    windows = {
        "previous": replace(previous, row=replace(previous.row, **before)),
        "row": replace(row, **after),
    }
    told = compare(replace(answer, **windows))
    assert told is not None
    return told


@pytest.mark.parametrize(
    ("before", "after", "differ"),
    [
        # Two-sided binomial tests of 1/2: 5 of 5 has p = 1/16, 6 of 6 has p = 1/32.
        (0, 5, False), (0, 6, True), (6, 0, True), (1, 7, False), (1, 8, True), (10, 10, False), (0, 0, None),
        (500, 400, True), (500, 470, False), (600, 500, True), (600, 560, False), (50_000, 51_000, True),
    ],
)  # fmt: skip
def test_counts_of_windows_of_equal_length(
    answers: Answers, before: int, after: int, differ: bool | None
) -> None:
    windows = [{"deployments": count, "value": count / 7} for count in (before, after)]
    told = told_of(answers, "deployment_frequency", *windows)
    assert told.distinguishable is differ
    if differ:
        assert ("rose" if after > before else "fell") in told.detail


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
    for minute in range(12):
        week = 9 if minute < 10 else 2
        book.deploy(
            version=f"v{minute}", finished_at=f"2026-03-{week:02}T10:{minute:02}:00Z", is_hotfix=minute < 8
        )
    week: Any = {"from_": "2026-03-09", "to": "2026-03-16"}
    answers = book.ask(**week, compare=True)
    told = {name: compare(answer) for name, answer in answers.items()}
    frequency, lead_time = told["deployment_frequency"], told["lead_time_for_changes"]
    assert frequency is not None
    assert (frequency.distinguishable, frequency.detail) == (
        True, "Deployment frequency rose, by more than chance would bring about (95 %).",
    )  # fmt: skip
    assert lead_time is not None
    assert (lead_time.distinguishable, "too little" in lead_time.detail) == (None, True)
    assert compare(book.ask(**week)["deployment_frequency"]) is None
