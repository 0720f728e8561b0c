"""Answers that other tools are known to get wrong."""

from typing import Any

from metrics.queries.session import open_snapshot
from tests.conftest import Book

APRIL = {"from_": "2026-04-01", "to": "2026-05-01"}
MARCH = {"from_": "2026-03-01", "to": "2026-04-01"}


def deploy(book: Book, count: int, month: str = "04") -> list[str]:
    """So many deployments, one a day at ten."""
    return [
        book.deploy(
            version=f"v{day}", deployment_node_id=f"run-{day}", finished_at=f"2026-{month}-{day:02}T10:00:00Z"
        ).deployment.version.id
        for day in range(1, count + 1)
    ]


def ask(book: Book, name: str, **window: str) -> Any:
    return book.ask(**window)[name].row


def test_six_incidents_on_four_of_23_deployments_are_4_of_23(book: Book) -> None:
    ids = deploy(book, 23)
    for index in (0, 0, 5, 9, 9, 20):
        book.report(started_at="2026-04-25T10:00:00Z", deployment=ids[index])
    rate = ask(book, "change_failure_rate", **APRIL)
    assert (rate.numerator, rate.denominator) == (4, 23)


def test_two_incidents_on_one_of_ten_deployments_are_1_of_10(book: Book) -> None:
    ids = deploy(book, 10)
    for hour in (11, 12):
        book.report(started_at=f"2026-04-03T{hour}:00:00Z", deployment=ids[2])
    rate = ask(book, "change_failure_rate", **APRIL)
    assert (rate.numerator, rate.denominator, rate.value) == (1, 10, 0.1)


def test_nine_deployments_in_thirty_days_are_three_tenths_a_day(book: Book) -> None:
    deploy(book, 9)
    assert ask(book, "deployment_frequency", **APRIL).value == 9 / 30


def test_no_deployments_are_no_failure_rate(book: Book) -> None:
    rate = ask(book, "change_failure_rate", **APRIL)
    assert (rate.value, rate.reason) == (None, "no_deployments")


def test_an_incident_that_is_closed_later_gets_a_recovery_time(book: Book) -> None:
    ids = deploy(book, 1)
    incident = book.report(started_at="2026-04-01T11:00:00Z", deployment=ids[0])
    assert ask(book, "mean_time_to_recover", **APRIL).open == 1
    book.revise(incident.version.id, resolved_at="2026-04-01T12:30:00Z")
    recovery = ask(book, "mean_time_to_recover", **APRIL)
    assert (recovery.value, recovery.recovered, recovery.open) == (5_400, 1, 0)


def test_moving_the_window_by_a_day_moves_no_link(book: Book) -> None:
    deploy(book, 20, month="03")
    book.deploy(version="h", finished_at="2026-03-20T11:00:00Z", is_hotfix=True)
    with open_snapshot(book.store) as reading:
        before = reading.view("links", "acme").to_pylist()
    assert ask(book, "change_failure_rate", **MARCH).numerator == 1
    assert ask(book, "change_failure_rate", from_="2026-03-02", to="2026-04-02").numerator == 1
    assert ask(book, "change_failure_rate", from_="2026-03-02", to="2026-03-20T10:30:00Z").numerator == 1
    with open_snapshot(book.store) as reading:
        assert reading.view("links", "acme").to_pylist() == before
