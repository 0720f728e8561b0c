"""Changes of every kind to an organization's records, drawn by Hypothesis."""

import contextlib
import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from metrics.domain.errors import Refusal
from tests.conftest import Book
from tracker.organizations.service import list_repositories, set_aliases, set_team
from tracker.records.ledger import Author

START = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = {"from_": "2026-02-01", "to": "2026-06-01", "failure_signals": "incident,rollback,hotfix,fix,status"}
REPOSITORIES = ["https://github.com/acme/shop", "https://github.com/acme/api"]
_organizations = itertools.count()

flags = st.sampled_from([None, None, True, False])
names = st.sampled_from([None, None, "1", "2", "3", "4", "v1", "v2", "abcdef12"])
times = st.integers(0, 90 * 24).map(lambda hours: (START + timedelta(hours=hours)).isoformat())
streams = st.fixed_dictionaries(
    {
        "repository_url": st.sampled_from(REPOSITORIES),
        "service": st.sampled_from(["", "web", "Web"]),
        "environment": st.sampled_from(["production", "staging", "Staging"]),
    }
)
WHOLE = ["abcdef12" + "0" * 32, "abcdef1" + "3" * 33]
# The first two are one of the whole ones each, the third may be either.
commits_named = st.sampled_from([*WHOLE, "abcdef12", "abcdef13", "abcdef1"])
releases = st.one_of(
    st.fixed_dictionaries({"version": st.sampled_from(["v1", "v2", "v3", "latest"])}),
    st.fixed_dictionaries({"commit_id": commits_named}),
)
deployments = st.builds(
    lambda stream, release, rest: (
        stream | release | {name: value for name, value in rest.items() if value is not None}
    ),
    streams,
    releases,
    st.fixed_dictionaries(
        {
            "deployment_node_id": st.sampled_from("1234"),
            "finished_at": times,
            "production": st.sampled_from([None, None, None, None, None, True]),
            "team": st.sampled_from([None, None, "a", "A", "b"]),
            "labels": st.sampled_from([None, {"region": "eu"}]),
            "status": st.sampled_from(["success", "success", "success", "fail"]),
            "is_hotfix": flags,
            "is_fix": flags,
            "is_rollback": flags,
            "remediates": names,
            "commits": st.lists(
                st.fixed_dictionaries({"sha": commits_named, "committed_at": times}),
                max_size=2,
            ),
        }
    ),
)
incidents = st.builds(
    lambda where, rest: where | {name: value for name, value in rest.items() if value is not None},
    st.builds(
        lambda stream, named: {name: value for name, value in stream.items() if name in named},
        streams,
        st.sets(st.sampled_from(["repository_url", "service", "environment"])),
    ),
    st.fixed_dictionaries(
        {
            "started_at": times,
            "deployment": names,
            "commit_id": st.one_of(st.none(), st.none(), commits_named),
        }
    ),
)
pushes = st.fixed_dictionaries(
    {
        "repository_url": st.sampled_from(REPOSITORIES),
        "before": st.sampled_from([None, *WHOLE, "c" * 40]),
        "commits": st.lists(
            st.fixed_dictionaries(
                {
                    "sha": st.sampled_from([*WHOLE, "abcdef1", "c" * 40, "d" * 40]),
                    "committed_at": times,
                    "is_merge": flags,
                }
            ),
            min_size=1,
            max_size=3,
        ),
    }
)
corrections = st.fixed_dictionaries(
    {},
    optional={
        "finished_at": times,
        "version": st.sampled_from(["v1", "v2", "latest"]),
        "commit_id": commits_named,
        "production": flags,
        "team": st.sampled_from([None, "a", "b"]),
        "commits": st.just([]),
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
    st.tuples(st.just("push"), pushes),
    st.tuples(st.just("report"), incidents),
    st.tuples(st.just("blame"), st.tuples(st.integers(0, 20), st.integers(0, 20))),
    st.tuples(st.just("resolve"), st.tuples(st.integers(0, 20), times)),
    st.tuples(st.just("set"), st.sampled_from([1, 30, 60])),
    st.tuples(st.just("alias"), st.booleans()),
    st.tuples(st.just("join"), st.tuples(st.integers(0, 5), st.sampled_from([None, "a", "b"]))),
    st.tuples(
        st.just("produce"), st.sampled_from([["production"], ["staging", "production"], ["pro*"], ["*"]])
    ),
)


class Changes:
    """Makes changes to one organization; what is drawn for a record that is not there does nothing."""

    def __init__(self, book: Book, organization: str | None = None) -> None:
        self.book, self.org = book, organization or f"changes-{next(_organizations)}"
        self.deployments: list[str] = []
        self.incidents: list[str] = []

    def make(self, kind: str, what: Any) -> None:
        act: Callable[[Any], object] = getattr(self, f"_{kind}")
        # A contradiction, or a finish before the start, is refused, and nothing has changed.
        with contextlib.suppress(Refusal):
            act(what)

    def _post(self, fields: dict[str, Any]) -> None:
        recorded = self.book.deploy(org=self.org, **fields)
        self.deployments.append(recorded.deployment.version.id)

    def _push(self, fields: dict[str, Any]) -> None:
        self.book.push(org=self.org, **fields)

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

    def _alias(self, is_said: bool) -> None:
        """The second repository is the first one, or its own again."""
        author, keys = Author(self.org, "test"), ["github.com/acme/api"] if is_said else []
        known = list_repositories(self.book.engine, self.org, ["acme/shop"])
        shop = next((row.id for row in known if not row.service), None)
        if shop is not None:
            self.book.recorder.record_now(lambda ledger: set_aliases(ledger, author, shop, keys))

    def _join(self, what: tuple[int, str | None]) -> None:
        """A repository, or a service of one, is of a team."""
        author, known = Author(self.org, "test"), list_repositories(self.book.engine, self.org, None)
        for row_id in self._chosen([row.id for row in known], what[0]):
            self.book.recorder.record_now(
                lambda ledger, row_id=row_id: set_team(ledger, author, row_id, what[1])
            )  # type: ignore[misc]

    def _produce(self, environments: list[str]) -> None:
        self.book.set(org=self.org, production_environments=environments)

    @staticmethod
    def _chosen(ids: list[str], index: int) -> list[str]:
        return [ids[index % len(ids)]] if ids else []


# `TESTS_ROUNDS=10 make test` draws ten times as many examples.
TIMES = int(os.environ.get("TESTS_ROUNDS", "1"))
ROUNDS = settings(
    max_examples=10 * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Where each example is dear, and another property has many already.
FEW_ROUNDS = settings(ROUNDS, max_examples=5 * TIMES)
