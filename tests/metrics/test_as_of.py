"""Figures as of an instant: what was answered then is answered later."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import metrics
from metrics.definitions.base import MetricName
from metrics.domain.errors import ParameterError
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session
from tests.conftest import Book
from tests.metrics.changes import FEW_ROUNDS, REPOSITORIES, WINDOW, Changes, changes

ASKED = {"from": WINDOW["from_"], "to": WINDOW["to"], "group_by": "service"}


def rows(answers: Any) -> list[tuple[object, ...]]:
    return [
        (answer.metric, answer.row, *((group.name, group.row) for group in answer.groups))
        for answer in answers
    ]


def ask(book: Book, org: str, **asked: str) -> list[tuple[object, ...]]:
    parameters = MetricParameters.of({**ASKED, **asked})
    return rows(Session(book.store, org).answers(parameters, list(MetricName)))


@FEW_ROUNDS
@given(made=st.lists(changes, min_size=6, max_size=25), asked_after=st.sets(st.integers(0, 24), max_size=4))
def test_what_was_answered_then_is_answered_later(
    book: Book, made: list[tuple[str, Any]], asked_after: set[int]
) -> None:
    """Whatever is recorded, corrected, deleted or set in between."""
    organization = Changes(book)
    answered = {}
    for number, (kind, what) in enumerate(made):
        organization.make(kind, what)
        if number in asked_after:
            answered[datetime.now(UTC).isoformat()] = ask(book, organization.org)
            time.sleep(0.001)
    for instant, told in answered.items():
        assert ask(book, organization.org, as_of=instant) == told


def test_settings_and_the_default_window_are_those_of_then(book: Book) -> None:
    book.deploy(version="v1", finished_at="2026-03-02T10:00:00Z")
    book.set(timezone="Europe/Berlin")
    then = datetime.now(UTC)
    book.set(timezone="Asia/Kolkata")
    (answer,) = Session(book.store, "acme").answers(
        MetricParameters.of({"as_of": then.isoformat()}), [MetricName.DEPLOYMENT_FREQUENCY]
    )
    assert (answer.question.zone.key, answer.question.to_at) == ("Europe/Berlin", then)
    before_all = ask(book, "acme", as_of="2020-01-01T00:00:00Z")
    assert [row[1].reason for row in before_all[1:]] == ["no_deployments"] * 4  # type: ignore[attr-defined]


def test_each_organization_has_its_own_past(book: Book) -> None:
    for org, count in (("acme", 1), ("other", 2)):
        for number in range(count):
            book.deploy(org=org, version=f"v{number}", finished_at="2026-03-02T10:00:00Z")
    then = datetime.now(UTC).isoformat()
    counts = {org: ask(book, org, as_of=then)[0][1] for org in ("acme", "other", "nobody")}
    assert {org: row.deployments for org, row in counts.items()} == {"acme": 1, "other": 2, "nobody": 0}  # type: ignore[attr-defined]


def deployments_of(answered: list[tuple[object, ...]]) -> int:
    """How many were deployed, of what `ask` gives."""
    ((_, row, *_),) = [one for one in answered if one[0] == MetricName.DEPLOYMENT_FREQUENCY]
    return row.deployments  # type: ignore[attr-defined, no-any-return]


def test_a_history_that_was_replaced_is_not_mistaken_for_the_one_before(book: Book) -> None:
    """As after a restore: the same revisions, and other records."""
    for _ in range(2):
        book.deploy(version="v1", finished_at="2026-03-02T10:00:00Z")
    then = datetime.now(UTC).isoformat()
    before = ask(book, "acme", as_of=then)
    with book.engine.begin() as connection:
        connection.exec_driver_sql("update deployments set status = 'fail', id = 'other-' || id")
    after = ask(book, "acme", as_of=then)
    assert [deployments_of(rows) for rows in (before, after)] == [2, 0]


def test_an_explanation_is_of_then_too(book: Book) -> None:
    recorded = book.deploy(version="v1", finished_at="2026-03-02T10:00:00Z").deployment
    then = datetime.now(UTC).isoformat()
    book.delete(recorded.version.id)
    for as_of, count in ((None, 0), (then, 1)):
        given = {name: text for name, text in {**ASKED, "as_of": as_of}.items() if text is not None}
        explained = Session(book.store, "acme").explanation(
            MetricParameters.of(given), MetricName.CHANGE_FAILURE_RATE
        )
        assert explained.rows.num_rows == count


def test_the_library_answers_as_of_an_instant_where_there_is_a_history(book: Book) -> None:
    book.deploy(version="v1", repository_url=REPOSITORIES[0], finished_at="2026-03-02T10:00:00Z")
    then = datetime.now(UTC)
    book.deploy(version="v2", repository_url=REPOSITORIES[0], finished_at="2026-03-02T11:00:00Z")
    march = {"from_": "2026-03-01", "to": "2026-04-01"}
    with metrics.open(book.url, organization="acme") as records:
        assert records.deployment_frequency(**march)["deployments"].to_list() == [2]
        assert records.deployment_frequency(as_of=then, **march)["deployments"].to_list() == [1]
        frame = records.deployments().select(
            "finished_at", repository_url=pl_url("repository_key"), version="release"
        )
    with metrics.open(frame) as held, pytest.raises(ParameterError, match="as_of"):
        held.deployment_frequency(as_of=then, **march)


def pl_url(column: str) -> Any:
    import polars as pl

    return pl.lit("https://") + pl.col(column)
