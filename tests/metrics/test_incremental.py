"""The store that followed every change holds what one made anew does; and order and repeats do not matter."""

from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.engine import replication, settling
from metrics.engine.following import follow
from metrics.engine.pulled_tables import PULLED
from metrics.engine.settling import FACTS
from metrics.engine.store import Store
from metrics.queries.session import Session, open_snapshot
from tests.conftest import Book
from tests.metrics.changes import REPOSITORIES, ROUNDS, WINDOW, Changes, changes, deployments, incidents
from tracker.incidents.service import delete_incident
from tracker.records.ledger import Author
from tracker.records.tables import DEPLOYMENTS


@pytest.mark.long
@pytest.mark.on_each_database
@ROUNDS
@given(
    made=st.lists(changes, min_size=6, max_size=30),
    follow_each=st.one_of(st.just([True] * 30), st.lists(st.booleans(), min_size=30, max_size=30)),
    many_rows=st.sampled_from([0, 20_000]),
    at_once=st.sampled_from([1, 200_000]),
)
def test_a_store_that_followed_every_change_equals_a_rebuild(
    book: Book, made: list[tuple[str, Any]], follow_each: list[bool], many_rows: int, at_once: int
) -> None:
    """Whether it writes all rows of a fact again or those that are others, of all streams at once or in turn."""
    organization = Changes(book)
    with (
        patch.object(settling, "_MANY_ROWS", many_rows),
        patch.object(settling, "_MOST_AT_ONCE", at_once),
        patch.object(replication, "_MOST_IN_A_PIECE", at_once),
    ):
        for (kind, what), follows in zip(made, follow_each, strict=False):
            organization.make(kind, what)
            if follows:
                with open_snapshot(book.store):
                    pass
    tables = (*PULLED, *FACTS)
    with (
        open_snapshot(book.store) as followed,
        Store(follow(book.url)) as anew,
        open_snapshot(anew) as rebuilt,
    ):
        assert followed.digests(tables) == rebuilt.digests(tables)


@ROUNDS
@given(sent=st.lists(st.one_of(deployments, incidents), max_size=12), order=st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_matter(book: Book, sent: list[dict[str, Any]], order: Any) -> None:
    """Where no two instants of a stream are equal, and each record has its own id."""
    distinct = []
    for number, fields in enumerate(sent):
        at = "finished_at" if "finished_at" in fields else "started_at"
        moved = (datetime.fromisoformat(fields[at]) + timedelta(seconds=number)).isoformat()
        distinct.append(
            fields
            | {at: moved}
            | ({"key": str(number)} if at == "started_at" else {"deployment_node_id": f"{number}"})
        )
    shuffled = [*distinct, *distinct[::2]]
    order.shuffle(shuffled)
    answers = []
    for posted in (distinct, shuffled):
        organization = Changes(book)
        for fields in posted:
            organization.make("report" if "key" in fields else "post", fields)
        asked = book.ask(org=organization.org, **WINDOW)
        answers.append({name: answer.row for name, answer in asked.items()})
    assert answers[0] == answers[1]


@ROUNDS
@given(made=st.lists(changes, max_size=20))
def test_rates_stay_between_zero_and_one(book: Book, made: list[tuple[str, Any]]) -> None:
    organization = Changes(book)
    for kind, what in made:
        organization.make(kind, what)
    answers: Any = book.ask(org=organization.org, **WINDOW)
    for name in ("change_failure_rate", "deployment_rework_rate"):
        row = answers[name].row
        assert row.value is None or 0 <= row.interval95[0] <= row.value <= row.interval95[1] <= 1
        assert (row.value is None) == (row.denominator == 0) == (row.reason == "no_deployments")


@ROUNDS
@given(made=st.lists(changes, max_size=20), edge=st.integers(1, 100))
def test_adjacent_windows_and_groups_add_up(book: Book, made: list[tuple[str, Any]], edge: int) -> None:
    organization = Changes(book)
    for kind, what in made:
        organization.make(kind, what)
    between = (datetime.fromisoformat("2026-02-01T00:00:00Z") + timedelta(days=edge)).isoformat()
    asked = {"org": organization.org, "group_by": "repository"}
    whole: Any = book.ask(**WINDOW, **asked)
    first: Any = book.ask(**{**WINDOW, "to": between}, **asked)
    second: Any = book.ask(**{**WINDOW, "from_": between}, **asked)
    for name, fields in COUNTS.items():
        for field in fields:
            total = getattr(whole[name].row, field)
            assert getattr(first[name].row, field) + getattr(second[name].row, field) == total, (name, field)
            assert sum(getattr(group.row, field) for group in whole[name].groups) == total, (name, field)


COUNTS = {
    "deployment_frequency": ("deployments", "redeployments", "durations"),
    "lead_time_for_changes": ("commits", "negative_lead_times"),
    "change_failure_rate": ("numerator", "denominator", "unattributed", "did_not_reach_production"),
    "mean_time_to_recover": ("recovered", "open", "incidents", "unattributed_incidents"),
    "deployment_rework_rate": ("numerator", "denominator"),
}


def links(book: Book, kind: str) -> list[dict[str, Any]]:
    """What incidents or remediations are linked to, as whoever explores the records sees it."""
    found: list[dict[str, Any]] = Session(book.store, "acme").views(["links"]).tables["links"].to_pylist()
    return [link for link in found if link["kind"] == kind]


def test_an_incident_that_moves_takes_its_blame_with_it(book: Book) -> None:
    """The remediation stands in the stream that the incident has left, and nothing else there has changed."""
    at = "2026-03-02T{:02}:00:00Z".format
    first, second = (
        book.deploy(version=v, finished_at=at(h)).deployment for v, h in (("v1", 10), ("v2", 11))
    )
    book.deploy(version="v3", finished_at=at(13), is_hotfix=True)
    elsewhere = book.deploy(repository_url=REPOSITORIES[1], version="v1", finished_at=at(10)).deployment
    incident = book.report(started_at=at(12), deployment=first.version.id).version.id

    def culprits() -> list[tuple[str, str]]:
        return [(link["deployment_id"], link["method"]) for link in links(book, "remediation")]

    assert culprits() == [(first.version.id, "incident")]
    book.revise(incident, deployment=elsewhere.version.id)
    assert culprits() == [(second.version.id, "predecessor")]
    book.revise(incident, deployment=first.version.id)
    assert culprits() == [(first.version.id, "incident")]


def test_what_a_record_names_takes_effect_when_it_arrives(book: Book) -> None:
    at = "2026-03-02T{:02}:00:00Z".format
    book.deploy(version="v1", service="web", finished_at=at(9))
    book.deploy(version="v2", service="web", finished_at=at(11), is_hotfix=True, remediates="run-1")
    book.report(started_at=at(10), repository_url=REPOSITORIES[0], service="web", deployment="run-1")

    def state() -> list[tuple[str | None, str | None]]:
        found = [link for kind in ("remediation", "incident") for link in links(book, kind)]
        return [(link["method"], link["deployment_id"]) for link in found]

    assert state() == [(None, None), (None, None)]
    late = book.deploy(version="v1", service="api", finished_at=at(8), deployment_node_id="run-1").deployment
    assert state() == [("explicit", late.version.id), ("explicit", late.version.id)]
    book.delete(late.version.id)
    assert state() == [(None, None), (None, None)]


def test_an_alias_with_incidents_alone_takes_them_along(book: Book) -> None:
    """Nothing was deployed under the old identity: no deployment moves, and the incident does."""
    deployed = book.deploy(repository_url=REPOSITORIES[0], version="v1", finished_at="2026-03-02T10:00:00Z")
    book.report(started_at="2026-03-02T11:00:00Z", repository_url=REPOSITORIES[1])
    linked = lambda: [(link["method"], link["deployment_id"]) for link in links(book, "incident")]  # noqa: E731
    assert linked() == [(None, None)]
    Changes(book, "acme").make("alias", True)
    assert linked() == [("nearest", deployed.deployment.version.id)]
    Changes(book, "acme").make("alias", False)
    assert linked() == [(None, None)]


def test_the_last_incident_that_is_deleted_leaves_no_trace(book: Book) -> None:
    """A hotfix repairs what the incident names, and without it the deployment before."""
    first = book.deploy(version="v1", finished_at="2026-03-01T10:00:00Z").deployment.version.id
    book.deploy(version="v2", finished_at="2026-03-02T10:00:00Z")
    incident = book.report(started_at="2026-03-02T11:00:00Z", deployment=first).version.id
    book.deploy(version="v3", finished_at="2026-03-03T10:00:00Z", is_hotfix=True)
    with open_snapshot(book.store):
        pass
    book.recorder.record_now(lambda ledger: delete_incident(ledger, Author("acme", "test"), incident))
    with (
        open_snapshot(book.store) as followed,
        Store(follow(book.url)) as anew,
        open_snapshot(anew) as rebuilt,
    ):
        assert followed.digests(FACTS) == rebuilt.digests(FACTS)


def test_a_stream_that_is_left_empty_has_its_turn_too(book: Book) -> None:
    """Where not all that changed is worked out at once."""
    kept, left = (book.deploy(repository_url=url, version="v1").deployment for url in REPOSITORIES[:2])
    with patch.object(settling, "_MOST_AT_ONCE", 1):
        assert len(_finished(book)) == 2
        book.delete(left.version.id)
        assert _finished(book) == [kept.version.id]


def _finished(book: Book) -> list[str]:
    return book.store.read(
        lambda cursor: [id for (id,) in cursor.execute("select id from finished_deployments").fetchall()]
    )


@pytest.mark.long
def test_streams_of_many_rows_keep_their_facts(book: Book) -> None:
    """As many as DuckDB puts into one piece of a table, and several threads at work."""
    book.deploy(version="v1", finished_at="2026-03-02T10:00:00Z", is_fix=True)
    _multiply_deployments(book, 122_880)
    with (
        Store(follow(book.url), threads=2) as followed,
        Store(follow(book.url), threads=2) as anew,
    ):
        with open_snapshot(followed):
            pass
        book.deploy(version="v2", finished_at="2026-03-02T11:00:00Z", is_hotfix=True)
        with open_snapshot(followed) as found, open_snapshot(anew) as expected:
            assert found.digests(FACTS) == expected.digests(FACTS)


def _multiply_deployments(book: Book, times: int) -> None:
    """Record what is recorded as often again, each time a microsecond later."""
    counted = f"with recursive times(n) as (select 1 union all select n + 1 from times where n < {times}) "
    changed = {name: f"{name} + n" for name in ("revision", "first_revision", "finished_at")}
    changed |= {name: f"{name} || n" for name in ("id", "version")}
    names = [column.name for column in DEPLOYMENTS.columns]
    values = ", ".join(changed.get(name, name) for name in names)
    with book.engine.begin() as connection:
        into = f"insert into deployments ({', '.join(names)})"
        connection.exec_driver_sql(f"{into} {counted}select {values} from deployments, times")
