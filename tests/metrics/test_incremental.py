"""The store that followed every change holds what one made anew does; and order and repeats do not matter."""

import contextlib
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics.replicate import FACTS
from metrics.sources import PULLED
from metrics.store import Store
from tests.conftest import Book
from tracker.database import follow
from tracker.errors import Problem

START = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = {"from_": "2026-02-01", "to": "2026-06-01", "failure_signals": "incident,rollback,hotfix,fix,status"}
REPOSITORIES = ["https://github.com/acme/shop", "https://github.com/acme/api"]
_organizations = itertools.count()

flags = st.sampled_from([None, None, True, False])
names = st.sampled_from([None, None, "1", "2", "3", "4", "v1", "v2"])
times = st.integers(0, 90 * 24).map(lambda hours: (START + timedelta(hours=hours)).isoformat())
streams = st.fixed_dictionaries(
    {
        "repository_url": st.sampled_from(REPOSITORIES),
        "service": st.sampled_from(["", "web"]),
        "environment": st.sampled_from(["production", "staging"]),
    }
)
deployments = st.builds(
    lambda stream, rest: stream | {name: value for name, value in rest.items() if value is not None},
    streams,
    st.fixed_dictionaries(
        {
            "deployment_node_id": st.sampled_from("1234"),
            "version": st.sampled_from(["v1", "v2", "v3", "latest"]),
            "finished_at": times,
            "status": st.sampled_from(["success", "success", "success", "fail"]),
            "is_hotfix": flags,
            "is_fix": flags,
            "is_rollback": flags,
            "remediates": names,
            "commits": st.lists(
                st.fixed_dictionaries({"sha": st.sampled_from(["a" * 7, "b" * 7]), "committed_at": times}),
                max_size=2,
            ),
        }
    ),
)
incidents = st.builds(
    lambda where, rest: where | {name: value for name, value in rest.items() if value is not None},
    st.one_of(
        st.just({}), streams, streams.map(lambda one: {k: v for k, v in one.items() if k != "environment"})
    ),
    st.fixed_dictionaries({"started_at": times, "deployment": names}),
)
corrections = st.fixed_dictionaries(
    {},
    optional={
        "finished_at": times,
        "version": st.sampled_from(["v1", "v2", "latest"]),
        "status": st.sampled_from(["success", "fail"]),
        "is_hotfix": flags,
        "is_rollback": flags,
        "remediates": names,
    },
)
changes = st.one_of(
    st.tuples(st.just("post"), deployments),
    st.tuples(st.just("post"), deployments),
    st.tuples(st.just("correct"), st.tuples(st.integers(0, 20), corrections)),
    st.tuples(st.just("name"), st.tuples(st.integers(0, 20), st.integers(0, 20))),
    st.tuples(st.just("delete"), st.integers(0, 20)),
    st.tuples(st.just("report"), incidents),
    st.tuples(st.just("blame"), st.tuples(st.integers(0, 20), st.integers(0, 20))),
    st.tuples(st.just("resolve"), st.tuples(st.integers(0, 20), times)),
    st.tuples(st.just("set"), st.sampled_from([1, 30, 60])),
    st.tuples(st.just("produce"), st.sampled_from([["production"], ["staging", "production"]])),
)


class Changes:
    """Makes changes to one organization; what is drawn for a record that is not there does nothing."""

    def __init__(self, book: Book) -> None:
        self.book, self.org = book, f"changes-{next(_organizations)}"
        self.deployments: list[str] = []
        self.incidents: list[str] = []

    def make(self, kind: str, what: Any) -> None:
        act: Callable[[Any], object] = getattr(self, f"_{kind}")
        # A contradiction, or a finish before the start, is refused, and nothing has changed.
        with contextlib.suppress(Problem):
            act(what)

    def _post(self, fields: dict[str, Any]) -> None:
        recorded = self.book.deploy(org=self.org, **fields)
        self.deployments.append(recorded.deployment.version.id)

    def _report(self, fields: dict[str, Any]) -> None:
        self.incidents.append(self.book.report(org=self.org, **fields).version.id)

    def _correct(self, what: tuple[int, dict[str, Any]]) -> None:
        for record_id in self._chosen(self.deployments, what[0]):
            self.book.correct(record_id, org=self.org, **what[1])

    def _name(self, what: tuple[int, int]) -> None:
        """By its id, in whatever stream."""
        for record_id in self._chosen(self.deployments, what[0]):
            for other in self._chosen(self.deployments, what[1]):
                self.book.correct(record_id, org=self.org, remediates=other)

    def _delete(self, index: int) -> None:
        for record_id in self._chosen(self.deployments, index):
            self.book.delete(record_id, org=self.org)

    def _blame(self, what: tuple[int, int]) -> None:
        for record_id in self._chosen(self.incidents, what[0]):
            for deployment in self._chosen(self.deployments, what[1]):
                self.book.revise(record_id, org=self.org, deployment=deployment)

    def _resolve(self, what: tuple[int, str]) -> None:
        for record_id in self._chosen(self.incidents, what[0]):
            self.book.revise(record_id, org=self.org, resolved_at=what[1])

    def _set(self, days: int) -> None:
        self.book.set(org=self.org, attribution_gap_days=days)

    def _produce(self, environments: list[str]) -> None:
        self.book.set(org=self.org, production_environments=environments)

    @staticmethod
    def _chosen(ids: list[str], index: int) -> list[str]:
        return [ids[index % len(ids)]] if ids else []


ROUNDS = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@ROUNDS
@given(
    made=st.lists(changes, min_size=6, max_size=30),
    follow_each=st.one_of(st.just([True] * 30), st.lists(st.booleans(), min_size=30, max_size=30)),
)
def test_a_store_that_followed_every_change_equals_a_rebuild(
    book: Book, made: list[tuple[str, Any]], follow_each: list[bool]
) -> None:
    organization = Changes(book)
    for (kind, what), follows in zip(made, follow_each, strict=False):
        organization.make(kind, what)
        if follows:
            with book.store.reading():
                pass
    tables = (*PULLED, *FACTS)
    with book.store.reading() as followed, Store(follow(book.url)) as anew, anew.reading() as rebuilt:
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
        with book.store.reading() as reading:
            return reading._cursor.execute("select culprit_id, method from remediations").fetchall()

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

    def state() -> list[tuple[str, str]]:
        with book.store.reading() as reading:
            links = "select method, (select deployment_node_id from deployments where id = {}) from {}"
            return [
                reading._cursor.execute(links.format(column, table)).fetchall()[0]
                for column, table in (("culprit_id", "remediations"), ("deployment_id", "incident_links"))
            ]

    assert state() == [("incident", None), ("nearest", None)]
    late = book.deploy(version="v1", service="api", finished_at=at(8), deployment_node_id="run-1").deployment
    assert state() == [("explicit", "run-1"), ("explicit", "run-1")]
    book.delete(late.version.id)
    assert state() == [("incident", None), ("nearest", None)]
