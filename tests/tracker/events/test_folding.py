"""Whatever the order in which a sender's events come, and however often: the same record in the end."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics.domain.repositories import allow_all
from tests.conftest import Book
from tracker.intakes.events import DeploymentTold, Happened, IncidentTold, Turn
from tracker.intakes.folding import State, fold_deployment, fold_incident
from tracker.intakes.recording import Outcome, Taken, take
from tracker.records.ledger import Author

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
URL = "https://github.com/acme/shop"


def at(minutes: int) -> int:
    return int((AT + timedelta(minutes=minutes)).timestamp()) * 1_000_000


def state(name: str, minutes: int, rank: int = 0, **fields: Any) -> State:
    return State(at(minutes), rank, f"{name}{minutes}{rank}{fields}", name, fields)


def clock(text: str | None) -> str | None:
    return None if text is None else datetime.fromisoformat(text).strftime("%H:%M")


DEPLOYMENTS: dict[str, tuple[list[State], tuple[str, str | None, str | None] | None]] = {
    "asked for": ([state("asked_for", 0)], ("in_progress", "10:00", None)),
    "it ran after it was asked for": (
        [state("asked_for", 0), state("running", 2), state("success", 5)],
        ("success", "10:02", "10:05"),
    ),
    "it ran twice": (
        [state("running", 2), state("running", 4), state("success", 5)],
        ("success", "10:02", "10:05"),
    ),
    "the latest outcome counts": ([state("success", 5), state("fail", 7)], ("fail", None, "10:07")),
    "of two at once the later number": (
        [state("success", 5, rank=2), state("fail", 5, rank=1)],
        ("success", None, "10:05"),
    ),
    "it is over, whatever begins again": (
        [state("success", 5), state("running", 7)],
        ("success", None, "10:05"),
    ),
    "the event says itself when it began": (
        [state("success", 5, started_at=at(1))],
        ("success", "10:01", "10:05"),
    ),
    "only described": ([state("described", 5)], None),
}


@pytest.mark.parametrize(("states", "record"), DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_a_deployment_out_of_its_states(
    states: Sequence[State], record: tuple[str, str | None, str | None] | None
) -> None:
    for ordered in itertools.permutations(states):
        folded = fold_deployment(ordered)
        if record is None:
            assert folded is None
            continue
        assert folded is not None
        assert (
            folded["status"], clock(folded.get("started_at")), clock(folded.get("finished_at")),
        ) == record  # fmt: skip


INCIDENTS: dict[str, tuple[list[State], tuple[str, str | None, bool] | None]] = {
    "begun": ([state("begun", 0)], ("10:00", None, True)),
    "resolved": ([state("begun", 0), state("resolved", 9)], ("10:00", "10:09", True)),
    "reopened": ([state("begun", 0), state("resolved", 9), state("reopened", 20)], ("10:00", None, True)),
    "and resolved again": (
        [state("begun", 0), state("resolved", 9), state("reopened", 20), state("resolved", 30)],
        ("10:00", "10:30", True),
    ),
    "withdrawn": ([state("begun", 0), state("withdrawn", 9)], ("10:00", "10:09", False)),
    "withdrawn and taken back": (
        [state("begun", 0), state("withdrawn", 9), state("reopened", 10)],
        ("10:00", None, True),
    ),
    "the resolution says when it began": ([state("resolved", 9, started_at=at(3))], ("10:03", "10:09", True)),
    "a resolution alone is held": ([state("resolved", 9)], None),
}


@pytest.mark.parametrize(("states", "record"), INCIDENTS.values(), ids=INCIDENTS)
def test_an_incident_out_of_its_turns(
    states: Sequence[State], record: tuple[str, str | None, bool] | None
) -> None:
    for ordered in itertools.permutations(states):
        folded = fold_incident(ordered)
        if record is None:
            assert folded is None
            continue
        assert folded is not None
        assert (
            clock(folded["started_at"]), clock(folded.get("resolved_at")), folded.get("change_related", True),
        ) == record  # fmt: skip


def told(
    happened: Happened, minutes: int, key: str = "github:github.com:deployment:1", **fields: Any
) -> DeploymentTold:
    return DeploymentTold(
        key=key,
        at=AT + timedelta(minutes=minutes),
        happened=happened,
        fields={"repository_url": URL, "version": "v1", **fields},
    )


def turned(turn: Turn, minutes: int, key: str = "pagerduty:Q1", **fields: Any) -> IncidentTold:
    return IncidentTold(key=key, at=AT + timedelta(minutes=minutes), turn=turn, fields=fields)


def taken(book: Book, one: DeploymentTold | IncidentTold, org: str = "acme") -> Taken:
    return book.recorder.record_now(lambda ledger: take(ledger, Author(org, "intake:test"), one, allow_all))


def records(book: Book, org: str) -> list[Any]:
    """What is recorded of an organization, without ids, revisions and who recorded it."""
    return [
        *book.rows(
            "select repository_key, service, environment, status, started_at, finished_at, title, branch, "
            "production, deployment_node_id from deployments "
            f"where organization = '{org}' and superseded_revision is null order by deployment_node_id, environment"
        ),
        *book.rows(
            "select key, title, started_at, resolved_at, service, severity, change_related from incidents "
            f"where organization = '{org}' and superseded_revision is null order by key"
        ),
    ]


_events = st.one_of(
    st.builds(
        lambda happened, minutes, attempt, fields: told(happened, minutes, f"github:github.com:deployment:{attempt}", **fields),
        st.sampled_from(list(Happened)),
        st.integers(0, 6),
        st.integers(1, 2),
        st.sampled_from([{}, {"title": "a"}, {"title": "b", "branch": "main"}, {"environment": "staging"}]),
    ),
    st.builds(
        lambda turn, minutes, fields: turned(turn, minutes, **fields),
        st.sampled_from(list(Turn)),
        st.integers(0, 6),
        st.sampled_from([{}, {"title": "down"}, {"severity": "high", "service": "web"}]),
    ),
)  # fmt: skip
_organizations = (f"events-{number}" for number in itertools.count())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=st.lists(_events, min_size=1, max_size=7), data=st.data())
def test_any_order_and_any_number_end_in_the_same_records(
    book: Book, events: list[Any], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(events))
    repeated = [*shuffled, *data.draw(st.lists(st.sampled_from(events), max_size=3))]
    ends = []
    for order in (events, repeated):
        organization = next(_organizations)
        for one in order:
            taken(book, one, organization)
        ends.append(records(book, organization))
    assert ends[0] == ends[1]


def test_what_somebody_has_corrected_stays_until_the_sender_says_something_new(book: Book) -> None:
    first = taken(book, told(Happened.SUCCESS, 5, title="from the sender"))
    assert first.outcome is Outcome.RECORDED
    book.correct(str(first.record_id), title="from a person", status="fail")
    assert taken(book, told(Happened.DESCRIBED, 6, branch="main")).outcome is Outcome.UPDATED
    ((status, title, branch),) = book.rows(
        "select status, title, branch from deployments where superseded_revision is null"
    )
    assert (status, title, branch) == ("fail", "from a person", "main")


def test_what_was_deleted_here_stays_deleted(book: Book) -> None:
    first = taken(book, told(Happened.RUNNING, 5))
    book.delete(str(first.record_id))
    assert taken(book, told(Happened.SUCCESS, 6)).reason == "deleted_here"
    assert book.rows("select count(*) from deployments where superseded_revision is null") == [(0,)]


def test_a_deployment_that_was_put_elsewhere_after_all_is_there_alone(book: Book) -> None:
    taken(book, told(Happened.RUNNING, 5, environment="staging"))
    assert taken(book, told(Happened.SUCCESS, 6, environment="production")).outcome is Outcome.UPDATED
    assert book.rows("select environment, status from deployments where superseded_revision is null") == [
        ("production", "success")
    ]


def test_a_refused_state_is_not_kept_and_may_come_again(book: Book) -> None:
    bad = told(Happened.SUCCESS, 5, version=None, commit_id=None)
    for _ in range(2):
        with pytest.raises(Exception, match="commit_id"):
            taken(book, bad)
    assert book.rows("select count(*) from sender_events") == [(0,)]


def test_an_incident_that_was_none_and_came_again_is_one(book: Book) -> None:
    for turn, minutes in ((Turn.BEGUN, 0), (Turn.WITHDRAWN, 1), (Turn.REOPENED, 2)):
        taken(book, turned(turn, minutes))
    query = "select change_related, resolved_at from incidents where superseded_revision is null"
    assert [(bool(related), resolved) for related, resolved in book.rows(query)] == [(True, None)]
