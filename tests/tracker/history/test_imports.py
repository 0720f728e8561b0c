"""What an import records beside what is recorded already, on each kind of database; and how it is undone."""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from metrics.domain.repositories import RepositoryIdentity, allow_all
from tests.conftest import Book
from tracker.errors import NotFound
from tracker.intakes.events import Ignored
from tracker.intakes.recording import take
from tracker.intakes.sources import Incoming
from tracker.integrations.events import github
from tracker.integrations.history.options import HistoryOptions
from tracker.integrations.history.sources import SOURCES
from tracker.records.ledger import Author
from tracker.transfer.imports.items import Found, Item, PassedOver, Unreadable
from tracker.transfer.imports.recording import Importer, Outcome
from tracker.transfer.imports.undoing import PastImport, list_imports, undo_import

URL = "https://github.com/acme/shop"
SHA = "4335991842388c4896724fe6c7c09c2255d0ae03"
_numbers = itertools.count(1)


@pytest.fixture
def org() -> str:
    return f"acme-{next(_numbers)}"


def at(hour: int, minute: int = 0) -> str:
    return f"2026-03-02T{hour:02}:{minute:02}:00Z"


def found(number: int, **fields: Any) -> Found:
    record = {
        "repository_url": URL, "commit_id": SHA, "finished_at": at(10),
        "deployment_node_id": f"github:github.com:deployment:{number}",
    }  # fmt: skip
    return Found(f"element {number}", record | fields)


def estimate(tag: str, finished_at: str, **fields: Any) -> Found:
    own = {"version": tag, "commit_id": None, "finished_at": finished_at, "labels": {"estimated": "git"}}
    return found(0, **own, deployment_node_id=f"git:github.com:tag:{tag}", **fields)


def run(book: Book, org: str, items: Sequence[Item], source: str = "github", **options: Any) -> Importer:
    importer = Importer(org, source, "a file", book.recorder.record_now, **options)
    importer.take(items)
    importer.finish()
    return importer


def counts(importer: Importer) -> dict[str, int]:
    return {str(outcome): count for outcome, count in importer.summary.counts.items()}


def names(book: Book, org: str) -> list[str]:
    """The keys of what is recorded."""
    with book.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            f"select deployment_node_id from deployments where organization = '{org}' "
            "and superseded_revision is null order by deployment_node_id"
        )
        return [str(row[0]) for row in rows]


def imports(book: Book, org: str) -> Sequence[PastImport]:
    with book.engine.connect() as connection:
        return list_imports(connection, org)


def undone(book: Book, org: str, importer: Importer) -> tuple[int, int, int]:
    told = undo_import(book.recorder, org, importer.id, lambda _: None)
    return told.deleted, told.changed, told.gone


def test_what_is_repeated_is_recorded_once_and_bad_ones_are_named(shared_book: Book, org: str) -> None:
    items = [
        found(1), found(2, commit_id="b" * 40), PassedOver("pull requests"), Unreadable("line 7", "sha is missing"),
        found(3, commit_id="zzz"), found(1),
    ]  # fmt: skip
    first = run(shared_book, org, items)
    assert counts(first) == {"recorded": 2, "repeated": 1, "failed": 2}
    assert first.summary.passed_over == {"pull requests": 1}
    told = {one.place: one.detail for one in first.summary.shown[Outcome.FAILED]}
    assert told == {"line 7": "sha is missing", "element 3": "/commit_id must be 7 to 64 hexadecimal digits"}
    again = run(shared_book, org, items)
    assert counts(again) == {"repeated": 3, "failed": 2}
    assert [(one.recorded, one.finished_at is not None) for one in imports(shared_book, org)] == [
        (0, True),
        (2, True),
    ]


def test_what_a_pipeline_recorded_of_the_same_release_is_recognised(shared_book: Book, org: str) -> None:
    for run_id, minute in (("run-1", 5), ("run-2", 30)):
        shared_book.deploy(org=org, commit_id=SHA[:12], finished_at=at(10, minute), deployment_node_id=run_id)
    importer = run(
        shared_book, org,
        [found(1), found(2, finished_at=at(10, 29)), found(3, finished_at=at(10, 50)), found(4, finished_at=at(12))],
    )  # fmt: skip
    # Two records are the match of two deployments: a third one is another.
    assert counts(importer) == {"recognised": 2, "recorded": 2}
    told = {one.place: one.detail for one in importer.summary.shown[Outcome.RECOGNISED]}
    assert told == {
        "element 1": "recorded already as run-1: the same commit, 5 min apart",
        "element 2": "recorded already as run-2: the same commit, 1 min apart",
    }
    assert counts(run(shared_book, org, [found(1), found(3, finished_at=at(10, 50))])) == {
        "recognised": 1,
        "repeated": 1,
    }


@pytest.mark.parametrize(
    "other",
    [
        {"environment": "staging"}, {"service": "web"}, {"repository_url": "https://gitlab.com/acme/shop"},
        {"status": "fail"}, {"commit_id": "b" * 40}, {"finished_at": at(8, 59)},
    ],
    ids=str,
)  # fmt: skip
def test_another_stream_outcome_release_or_time_is_another_deployment(
    shared_book: Book, org: str, other: dict[str, str]
) -> None:
    shared_book.deploy(org=org, **{"commit_id": SHA, "finished_at": at(10), **other})
    assert counts(run(shared_book, org, [found(1)])) == {"recorded": 1}


def test_a_version_is_recognised_with_and_without_its_v_and_so_is_what_still_runs(
    shared_book: Book, org: str
) -> None:
    shared_book.deploy(
        org=org, version="1.2.0", commit_id=None, finished_at=at(10), deployment_node_id="run-1"
    )
    shared_book.deploy(org=org, commit_id=SHA, status="in_progress", deployment_node_id="run-2")
    items = [
        found(1, version="V1.2.0", commit_id=None),
        found(2, finished_at=datetime.now(UTC).isoformat()),
    ]
    assert counts(run(shared_book, org, items)) == {"recognised": 2}


def test_two_of_one_system_are_two_however_near(shared_book: Book, org: str) -> None:
    items = [found(1), found(2, finished_at=at(10, 1)), found(3, finished_at=at(10, 2))]
    assert counts(run(shared_book, org, items[:2])) == {"recorded": 2}
    assert counts(run(shared_book, org, items)) == {"repeated": 2, "recorded": 1}
    rows = [
        Found(
            f"line {number}",
            {**found(number).record, "deployment_node_id": f"run-{number}", "commit_id": "d" * 40},
        )
        for number in range(3)
    ]
    assert counts(run(shared_book, org, rows[:2], source="csv")) == {"recorded": 2}
    assert counts(run(shared_book, org, rows, source="csv")) == {"repeated": 2, "recorded": 1}


def test_a_renamed_repository_is_recognised(shared_book: Book, org: str) -> None:
    made = shared_book.deploy(
        org=org, commit_id=SHA, finished_at=at(10), repository_url="https://github.com/acme/old"
    )
    assert made.deployment.facts.repository == RepositoryIdentity.parse("https://github.com/acme/old")
    with shared_book.engine.begin() as connection:
        _say_alias(connection, org, "github.com/acme/old", "github.com/acme/shop")
    assert counts(run(shared_book, org, [found(1)])) == {"recognised": 1}


def _say_alias(connection: Connection, org: str, repository: str, alias: str) -> None:
    connection.exec_driver_sql(
        f"update repositories set aliases = '[\"{alias}\"]' "
        f"where organization = '{org}' and repository_key = '{repository}' and service_key = ''"
    )


def test_estimates_end_where_records_begin_and_never_stand_for_one(shared_book: Book, org: str) -> None:
    shared_book.deploy(org=org, commit_id=SHA, finished_at=at(12), deployment_node_id="run-1")
    shared_book.deploy(org=org, commit_id=SHA, finished_at=at(8), environment="staging")
    items = [estimate("v1", at(9)), estimate("v2", at(11)), estimate("v3", at(12)), estimate("v4", at(13))]
    first = run(shared_book, org, items, source="git")
    assert counts(first) == {"recorded": 2, "after recording began": 2}
    # What a system has recorded itself is no repetition of an estimate; the summary names the estimates.
    real = run(shared_book, org, [found(7, version="v2", commit_id=None, finished_at=at(11))])
    assert counts(real) == {"recorded": 1}
    assert real.summary.beside_estimates == {first.id: 1}
    assert counts(run(shared_book, org, items, source="git")) == {"repeated": 2, "after recording began": 2}


def test_what_somebody_has_corrected_or_deleted_stays_so(shared_book: Book, org: str) -> None:
    run(
        shared_book,
        org,
        [
            found(1, title="GitHub's"),
            found(2, commit_id="b" * 40),
            found(3, status="fail", commit_id="c" * 40),
        ],
    )
    ids = {
        str(row[1]): str(row[0])
        for row in shared_book.rows(
            f"select id, deployment_node_id from deployments where organization = '{org}'"
        )
    }
    corrected, deleted = ids["github:github.com:deployment:1"], ids["github:github.com:deployment:2"]
    shared_book.correct(corrected, org=org, title="Ours")
    shared_book.delete(deleted, org=org)
    # A deployment that failed may have been started again, and succeeded since.
    items = [
        found(1, title="GitHub's"), found(2, commit_id="b" * 40),
        found(3, status="success", commit_id="c" * 40, finished_at=at(11)),
    ]  # fmt: skip
    assert counts(run(shared_book, org, items)) == {"repeated": 2, "deleted here": 1}
    current = (
        f"select title, status from deployments where organization = '{org}' and superseded_revision is null"
    )
    assert sorted(shared_book.rows(current), key=str) == [("Ours", "success"), (None, "success")]


def test_undo_deletes_what_the_import_made_and_leaves_the_rest(shared_book: Book, org: str) -> None:
    shared_book.deploy(org=org, commit_id="a" * 40, finished_at=at(7), deployment_node_id="run-1")
    incident = Found("element 9", {"key": "github:github.com:issue:9", "started_at": at(9)}, is_incident=True)
    importer = run(shared_book, org, [found(1), found(2), found(3), incident], within_seconds=0)
    assert counts(importer) == {"recorded": 4}
    ids = {
        str(row[1]): str(row[0])
        for row in shared_book.rows(
            f"select id, deployment_node_id from deployments where organization = '{org}'"
        )
    }
    shared_book.correct(ids["github:github.com:deployment:2"], org=org, title="Ours")
    shared_book.delete(ids["github:github.com:deployment:3"], org=org)
    shared_book.report(org=org, key="ours", started_at=at(9))
    assert undone(shared_book, org, importer) == (2, 1, 1)
    assert names(shared_book, org) == ["github:github.com:deployment:2", "run-1"]
    assert shared_book.rows(
        f"select key from incidents where organization = '{org}' and superseded_revision is null"
    ) == [("ours",)]
    assert imports(shared_book, org)[0].undone_at is not None
    assert undone(shared_book, org, importer) == (0, 1, 3)
    # What was undone, and not deleted by somebody, comes in again.
    assert counts(run(shared_book, org, [found(1), found(2), found(3)], within_seconds=0)) == {
        "recorded": 1, "repeated": 1, "deleted here": 1,
    }  # fmt: skip
    with pytest.raises(NotFound, match="tracker import list"):
        undo_import(shared_book.recorder, "another", importer.id, lambda _: None)


def test_an_incident_is_resolved_by_a_later_import_and_keeps_its_corrections(
    shared_book: Book, org: str
) -> None:
    def told(**fields: str) -> Found:
        return Found(
            "issue",
            {"key": "github:github.com:issue:1", "started_at": at(9), "title": "Down", **fields},
            is_incident=True,
        )

    assert counts(run(shared_book, org, [told()])) == {"recorded": 1}
    known = shared_book.rows(f"select id from incidents where organization = '{org}'")
    shared_book.revise(str(known[0][0]), org=org, title="The shop is down")
    assert counts(run(shared_book, org, [told()])) == {"repeated": 1}
    assert counts(run(shared_book, org, [told(resolved_at=at(10))])) == {"repeated": 1}
    current = f"select title, resolved_at is null from incidents where organization = '{org}' and superseded_revision is null"
    assert [(title, bool(is_open)) for title, is_open in shared_book.rows(current)] == [
        ("The shop is down", False)
    ]


def test_nothing_from_before_a_day(shared_book: Book, org: str) -> None:
    importer = run(
        shared_book, org, [found(1), found(2, finished_at=at(12))], since=datetime(2026, 3, 2, 11, tzinfo=UTC)
    )
    assert (counts(importer), importer.summary.passed_over) == ({"recorded": 1}, {"earlier than --since": 1})


GITHUBS = {
    "id": 42, "sha": SHA, "ref": "main", "task": "deploy", "environment": "production", "created_at": at(10),
    "repository_url": "https://api.github.com/repos/acme/shop", "creator": {"login": "mona"},
}  # fmt: skip
STATUSES = [
    {"id": 2, "state": "in_progress", "created_at": at(10, 1), "environment": "production"},
    {"id": 3, "state": "success", "created_at": at(10, 5), "environment": "production"},
]


def history(tmp_path: Path) -> list[Item]:
    (tmp_path / "github.json").write_text(json.dumps({"deployment": GITHUBS, "statuses": STATUSES}))
    return list(SOURCES["github"].read(str(tmp_path / "github.json"), HistoryOptions()))


def events_come(book: Book, org: str) -> None:
    for status in STATUSES:
        payload = {"deployment": GITHUBS, "deployment_status": status, "repository": {"html_url": URL}}
        incoming = Incoming({"x-github-event": "deployment_status"}, payload)
        for one in github.SOURCE.read(incoming):
            assert not isinstance(one, Ignored)
            told = one
            book.recorder.record_now(
                lambda ledger, told=told: take(ledger, Author(org, "hook"), told, allow_all)
            )


def test_history_and_events_of_a_deployment_are_one_record(
    shared_book: Book, org: str, tmp_path: Path
) -> None:
    events_come(shared_book, org)
    assert counts(run(shared_book, org, history(tmp_path))) == {"repeated": 1}
    assert counts(run(shared_book, f"{org}-other", history(tmp_path))) == {"recorded": 1}
    events_come(shared_book, f"{org}-other")
    columns = "deployment_node_id, environment, status, started_at, finished_at, branch, member_id"
    query = f"select {columns} from deployments where organization = '{{}}' and superseded_revision is null"
    (by_events,) = shared_book.rows(query.format(org))
    (by_history,) = shared_book.rows(query.format(f"{org}-other"))
    assert by_events == by_history
