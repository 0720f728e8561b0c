"""A deployment that tells no commits carries those that were pushed since the release before it."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from metrics.definitions.base import MetricName
from metrics.engine.store import Store
from metrics.library.files import read_records
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session
from tests.conftest import Book, sqlite_url
from tracker.organizations.service import list_repositories, set_aliases
from tracker.records.ledger import Author
from tracker.transfer.export import export_lines

AT = "2026-03-02T{:02}:00:00Z".format
MARCH = {"from": "2026-03-01", "to": "2026-04-01"}
LEAD = MetricName.LEAD_TIME_FOR_CHANGES
_numbers = itertools.count()


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    folder = tmp_path_factory.mktemp("derived")
    with closing(Book(sqlite_url(folder), folder)) as opened:
        yield opened


@pytest.fixture
def org() -> str:
    return f"derived-{next(_numbers)}"


def commit(letter: str, hour: int, **fields: Any) -> dict[str, Any]:
    return {"sha": letter * 40, "committed_at": AT(hour), **fields}


def carried(store: Store, org: str) -> Mapping[str, str]:
    """By the hour in which a deployment finished the first letters of the commits that it carried first."""
    rows = Session(store, org).explanation(MetricParameters.of(MARCH), LEAD).rows.to_pylist()
    counted = sorted(
        (row["happened_at"].hour, row["id"][0], row["is_derived"]) for row in rows if row["counted"]
    )
    assert all(is_derived for *_, is_derived in counted)
    hours = itertools.groupby(counted, key=lambda row: row[0])
    return {str(hour): "".join(letter for _, letter, _ in found) for hour, found in hours}


def deploy(book: Book, org: str, letter: str, hour: int, **fields: Any) -> None:
    book.deploy(org=org, commit_id=letter * 40, finished_at=AT(hour), **fields)


PUSHES = [
    {"before": "a" * 40, "commits": [commit("b", 10), commit("c", 10)]},
    {"before": "c" * 40, "commits": [commit("d", 11), commit("e", 11, is_merge=True)]},
    {"before": "e" * 40, "commits": [commit("f", 12)]},
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_it_carries_what_lies_between_in_whatever_order_that_is_told(
    book: Book, org: str, order: tuple[int, ...]
) -> None:
    deploy(book, org, "a", 9)
    deploy(book, org, "f", 14)
    for index in order:
        assert book.push(org=org, **PUSHES[index])
        assert not book.push(org=org, **PUSHES[index])
    assert carried(book.store, org) == {"14": "bcdf"}
    # A release between them takes what is its own; a merge that is deployed is none of the changes.
    deploy(book, org, "e", 12)
    assert carried(book.store, org) == {"12": "bcd", "14": "f"}
    answer = book.ask(org=org, metrics=[LEAD], from_=MARCH["from"], to=MARCH["to"])[LEAD]
    row: Any = answer.row
    # b and c took two hours, d one, f two; the first deployment of all carries nothing that is known.
    assert (row.commits, row.value, row.coverage) == (4, 7_200.0, pytest.approx(2 / 3))
    assert [note.detail[:20] for note in answer.notes if note.code == "derived_commits"] == [
        "4 of the 4 commits a"
    ]


def test_a_push_is_cut_where_a_release_lies_within_it(book: Book, org: str) -> None:
    book.push(org=org, before=None, commits=[commit(letter, 8) for letter in "abcde"])
    deploy(book, org, "b", 9)
    deploy(book, org, "d", 10)
    assert carried(book.store, org) == {"10": "cd"}


@pytest.mark.parametrize(
    "pushes",
    [
        PUSHES[:1] + PUSHES[2:],  # One is missing.
        [PUSHES[0], {**PUSHES[1], "before": None}, PUSHES[2]],  # A forced push is built on something else.
        PUSHES[:2],  # What is deployed was never pushed to the default branch.
        [{"before": "f" * 40, "commits": [commit("a", 8)]}],  # The branch went back to the release before.
        [
            {"before": "f" * 40, "commits": [commit("e", 8)]},
            {"before": "e" * 40, "commits": [commit("f", 8)]},
        ],
    ],
    ids=["gap", "forced", "elsewhere", "back", "circle"],
)
def test_where_the_pushes_between_are_not_all_known_nothing_is_guessed(
    book: Book, org: str, pushes: list[dict[str, Any]]
) -> None:
    deploy(book, org, "a", 9)
    deploy(book, org, "f", 14)
    for one in pushes:
        book.push(org=org, **one)
    assert carried(book.store, org) == {}


def test_a_rollback_carries_none_and_the_release_after_it_what_is_new_there(book: Book, org: str) -> None:
    for one in PUSHES:
        book.push(org=org, **one)
    for letter, hour in (("a", 9), ("c", 11), ("a", 12), ("f", 14)):
        deploy(book, org, letter, hour)
    # After the rollback b and c come again, and count where they came first.
    assert carried(book.store, org) == {"11": "bc", "14": "df"}


def test_what_was_sent_counts_first(book: Book, org: str) -> None:
    for one in PUSHES:
        book.push(org=org, **one)
    deploy(book, org, "a", 9)
    told = [{"sha": "9" * 40, "committed_at": AT(8)}]
    book.deploy(org=org, commit_id="c" * 40, finished_at=AT(11), commits=told, environment="staging")
    deploy(book, org, "c", 12)
    rows = Session(book.store, org).explanation(MetricParameters.of(MARCH), LEAD).rows.to_pylist()
    assert [(row["id"][0], row["is_derived"]) for row in rows if row["counted"]] == [("9", False)]


def test_commits_that_tell_where_they_begin_are_known_elsewhere(book: Book, org: str) -> None:
    """A pipeline tells those of staging; production, of which nobody tells any, skips a release."""
    deploy(book, org, "a", 9)
    fields = {"environment": "staging"}
    for letters, since, hour in (("b", "a", 10), ("dc", "b", 11)):
        told = [{"sha": letter * 40, "committed_at": AT(8)} for letter in letters]
        deploy(book, org, letters[0], hour, commits=told, commits_since=since * 40, **fields)
    # A merge, which is no change, is what is deployed.
    merged = [{"sha": "e" * 40, "committed_at": AT(9)}]
    deploy(book, org, "f", 12, commits=merged, commits_since="d" * 40, **fields)
    deploy(book, org, "d", 13, environment="production", is_hotfix=None)
    rows = Session(book.store, org).explanation(MetricParameters.of(MARCH), LEAD).rows.to_pylist()
    # Of the release d staging has told c and d: that counts, and nothing is worked out.
    assert sorted((row["id"][0], row["is_derived"]) for row in rows if row["counted"]) == [
        ("c", False),
        ("d", False),
    ]
    book.push(org=org, before="f" * 40, commits=[commit("7", 13)])
    deploy(book, org, "7", 14)
    assert {
        row["id"][0]
        for row in Session(book.store, org).explanation(MetricParameters.of(MARCH), LEAD).rows.to_pylist()
        if row["counted"] and row["is_derived"]
    } == {"e", "7"}


def test_a_repository_that_was_renamed_has_one_history(book: Book, org: str) -> None:
    deploy(book, org, "a", 9)
    deploy(book, org, "f", 14)
    for one, path in zip(PUSHES, ("acme/shop", "acme/old-shop", "acme/shop"), strict=True):
        book.push(org=org, repository_url=f"https://github.com/{path}", **one)
    assert carried(book.store, org) == {}
    (shop,) = [row.id for row in list_repositories(book.engine, org, ["acme/shop"]) if not row.service]
    author = Author(org, "test")
    book.recorder.record_now(lambda ledger: set_aliases(ledger, author, shop, ["github.com/acme/old-shop"]))
    assert carried(book.store, org) == {"14": "bcdf"}


def test_an_export_holds_what_the_figures_are_made_of(book: Book, org: str, tmp_path: Path) -> None:
    deploy(book, org, "a", 9)
    deploy(book, org, "f", 14)
    for one in PUSHES:
        book.push(org=org, **one)
    file = tmp_path / "export.ndjson"
    with book.engine.connect() as connection:
        file.write_bytes(b"".join(export_lines(connection, org, all_versions=False)))
    with closing(Store(read_records(None, file))) as store:
        assert carried(store, "") == carried(book.store, org) == {"14": "bcdf"}
