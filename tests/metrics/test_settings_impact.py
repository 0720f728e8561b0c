"""The settings that moved a number: which, since when, by whom, and the figure under the one before."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from metrics.definitions.base import MetricName
from metrics.queries.explanation import Explanation
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session
from metrics.queries.settings_impact import SettingImpact
from tests.conftest import Book

MARCH = {"from": "2026-03-01", "to": "2026-04-01"}
RATE = MetricName.CHANGE_FAILURE_RATE


def explain(book: Book, metric: MetricName = RATE, **asked: Any) -> Explanation:
    return Session(book.store, "acme").explanation(MetricParameters.of({**MARCH, **asked}), metric)


def told(moves: Sequence[SettingImpact]) -> list[tuple[str, object, object, float | None]]:
    """The setting, the value before, the value since, and the figure under the one before."""
    return [(one.change.setting, one.change.before, one.change.value, one.row_before.value) for one in moves]


def with_a_repair(book: Book) -> None:
    book.deploy(version="v1", finished_at="2026-03-02T10:00:00Z")
    book.deploy(version="v2", finished_at="2026-03-12T10:00:00Z", is_fix=True)


def test_a_setting_that_moved_the_number_is_told_with_the_figure_under_the_one_before(book: Book) -> None:
    with_a_repair(book)
    assert explain(book).moved_by == []
    started = datetime.now(UTC)
    book.set(failure_signals=["incident", "hotfix"])
    (move,) = explain(book).moved_by
    assert told([move]) == [
        ("failure_signals", ("incident", "rollback", "hotfix", "fix"), ("incident", "hotfix"), 0.5)
    ]
    assert (move.change.by, explain(book).answer.row.value) == ("test", 0)
    assert started <= move.change.since <= datetime.now(UTC)
    assert explain(book, MetricName.DEPLOYMENT_FREQUENCY).moved_by == []
    assert explain(book, failure_signals="incident").moved_by == []


def test_the_attribution_gap_is_undone_over_all_facts(book: Book) -> None:
    with_a_repair(book)
    book.set(attribution_gap_days=5)
    book.set(benchmark=2022)
    explained = explain(book)
    assert explained.answer.row.value == 0
    assert told(explained.moved_by) == [("attribution_gap_days", 30, 5, 0.5)]


def test_of_several_changes_the_last_counts_and_each_setting_is_undone_alone(book: Book) -> None:
    with_a_repair(book)
    book.deploy(version="v3", finished_at="2026-03-31T22:30:00Z", environment="staging")
    book.set(production_environments=["staging"])
    book.set(production_environments=["production", "staging"])
    book.set(timezone="Europe/Berlin")
    assert told(explain(book, MetricName.DEPLOYMENT_FREQUENCY).moved_by) == [
        ("production_environments", ("staging",), ("production", "staging"), 0),
        ("timezone", "UTC", "Europe/Berlin", 3 / 31),
    ]  # fmt: skip


def test_then_only_what_was_set_by_then_is_told(book: Book) -> None:
    with_a_repair(book)
    before = datetime.now(UTC)
    book.set(attribution_gap_days=5)
    after = datetime.now(UTC)
    book.set(failure_signals=["hotfix"])
    assert explain(book, as_of=before.isoformat()).moved_by == []
    assert told(explain(book, as_of=after.isoformat()).moved_by) == [("attribution_gap_days", 30, 5, 0.5)]


def test_production_environments_are_undone_over_all_links(book: Book) -> None:
    """An incident that names no environment belongs to one of production."""
    book.deploy(version="v1", finished_at="2026-03-02T10:00:00Z")
    book.deploy(version="v2", finished_at="2026-03-03T10:00:00Z", environment="staging")
    book.report(started_at="2026-03-03T11:00:00Z", repository_url="https://github.com/acme/shop")
    before = explain(book, environment="production").answer.row.value
    book.set(production_environments=["production", "staging"])
    explained = explain(book, environment="production")
    assert (before, explained.answer.row.value) == (1, 0)
    assert [move.row_before.value for move in explained.moved_by] == [before]
    assert explain(book, environment="production").answer.row == explained.answer.row
