"""An organization that is worked out in parts has the facts that it has as a whole."""

from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.domain.errors import RecordsUnavailable
from metrics.engine.following import follow
from metrics.engine.parts import OF_PARTS, part_of
from metrics.engine.pulled_tables import PULLED, HeldRecords, Position, RecordSnapshot, arrow_table
from metrics.engine.settling import FACTS
from metrics.engine.store import Store
from metrics.queries.session import open_snapshot
from metrics.spark.dividing import COUNTED, Division, divide
from tests.conftest import Book
from tests.metrics.changes import REPOSITORIES, ROUNDS, Changes, changes

BY_SERVICE = COUNTED.names[:3]


@pytest.mark.long
@ROUNDS
@given(made=st.lists(changes, min_size=6, max_size=30), most=st.integers(1, 6))
def test_parts_put_together_have_the_facts_of_the_whole(
    book: Book, made: list[tuple[str, Any]], most: int
) -> None:
    organization = Changes(book)
    for kind, what in made:
        organization.make(kind, what)
    assert_equal_in_parts(book, organization.org, most)


def test_what_a_repair_names_in_another_part_is_its_culprit(book: Book) -> None:
    """By its id in another repository, and by its node id in another service of the same one."""
    at = "2026-03-02T{:02}:00:00Z".format
    for service in ("web", "api"):
        shop = book.deploy(service=service, version="v1", finished_at=at(9), deployment_node_id=service)
    book.deploy(service="web", version="v2", finished_at=at(11), is_fix=True, remediates="api")
    book.deploy(
        repository_url=REPOSITORIES[1],
        version="v2",
        finished_at=at(12),
        is_fix=True,
        remediates=shop.deployment.version.id,
    )
    assert_equal_in_parts(book, "acme", 1)


def test_a_shortened_commit_that_was_pushed_is_the_whole_one_that_another_part_knows(book: Book) -> None:
    """Once somebody names it short: an incident, or a deployment of the other part."""
    at, whole = "2026-03-02T{:02}:00:00Z".format, "abcdef1" + "3" * 33
    book.deploy(service="a", commit_id="c" * 40, finished_at=at(9))
    pushed = [{"sha": sha, "committed_at": at(10)} for sha in ("abcdef1", "d" * 40)]
    book.push(repository_url=REPOSITORIES[0], before="c" * 40, commits=pushed)
    book.deploy(service="a", commit_id="d" * 40, finished_at=at(11))
    book.deploy(service="b", commit_id=whole, finished_at=at(12))
    book.report(repository_url=REPOSITORIES[0], commit_id="abcdef1", started_at=at(13))
    for most in (1, 100):
        assert_equal_in_parts(book, "acme", most)
    book.deploy(service="b", commit_id="abcdef1", finished_at=at(14))
    assert_equal_in_parts(book, "acme", 1)


def test_what_was_put_together_is_not_answered_without_its_parts(book: Book) -> None:
    """As it would be, were it made again out of its records."""
    book.deploy()
    with follow(book.url).of("acme").snapshot() as snapshot:
        records = _records(snapshot)
    (part,) = _parts(records, _divided(records, 100))
    with _store(records | {"deployments": records["deployments"].slice(0, 0)}) as store:
        store.put_together(part.items(), ())
        assert store.read(_count) == 1

        def fail(_: duckdb.DuckDBPyConnection) -> None:
            raise duckdb.IOException("No space left on device")

        with pytest.raises(RecordsUnavailable, match="No space left"):
            store.read(fail)
        assert store.read(_count) == 1


def _count(cursor: duckdb.DuckDBPyConnection) -> int:
    ((count,),) = cursor.execute("select count(*) from finished_deployments").fetchall()
    return int(count)


def assert_equal_in_parts(book: Book, organization: str, most: int) -> None:
    """Parts of so many deployments come to what the organization comes to as a whole."""
    with follow(book.url).of(organization).snapshot() as snapshot:
        records = _records(snapshot)
    division = _divided(records, most)
    none = records["deployments"].slice(0, 0)
    with _store(records) as whole, _store(records | {"deployments": none}) as put_together:
        pieces = [piece for part in _parts(records, division) for piece in part.items()]
        put_together.put_together(pieces, division.divided.get(organization, ()))
        with open_snapshot(whole) as expected, open_snapshot(put_together) as found:
            tables = {*PULLED, *FACTS, *OF_PARTS}
            assert found.digests(tables) == expected.digests(tables)


def _records(snapshot: RecordSnapshot) -> Mapping[str, pa.Table]:
    return {
        table: pa.concat_tables([arrow_table(columns, ()), *snapshot.rows(table, 0)])
        for table, columns in PULLED.items()
    }


def _divided(records: Mapping[str, pa.Table], most: int) -> Division:
    counted = records["deployments"].group_by(BY_SERVICE).aggregate([([], "count_all")])
    return divide(counted.rename_columns(COUNTED.names), records["repositories"], most)


def _parts(records: Mapping[str, pa.Table], division: Division) -> list[Mapping[str, pa.Table]]:
    found = []
    for part in pc.unique(division.deployments["part"]).to_pylist():
        own = records | {
            "deployments": _of_part(records["deployments"], division.deployments, part),
            "pushes": _of_part(records["pushes"], division.repositories, part),
            "incidents": records["incidents"].slice(0, 0),
        }
        with _store(own) as store:
            found.append(store.read(part_of))
    return found


def _of_part(rows: pa.Table, places: pa.Table, part: int) -> pa.Table:
    """The rows at the places of a part, as a join gives them."""
    keys = [name for name in places.column_names if name != "part"]
    own = {tuple(place[key] for key in keys) for place in places.to_pylist() if place["part"] == part}
    is_own = [tuple(row[key] for key in keys) in own for row in rows.select(keys).to_pylist()]
    return rows.filter(pa.array(is_own, pa.bool_()))


def _store(tables: Mapping[str, pa.Table]) -> Store:
    return Store(HeldRecords(tables, Position(1, "held")))


def _counted(**deployments: int) -> pa.Table:
    """How many a service has, by `repository` or `repository__service`."""
    keys = [name.partition("__") for name in deployments]
    columns = [
        ["acme"] * len(keys),
        [key[0] for key in keys],
        [key[2] for key in keys],
        [*deployments.values()],
    ]
    return pa.table([pa.array(column) for column in columns], COUNTED)


def _placed(division: Division) -> dict[str, int]:
    names = ("repository_key", "service_key", "part")
    rows = [[row[name] for name in names] for row in division.deployments.to_pylist()]
    return {"__".join(filter(None, row[:2])): row[2] for row in rows}


def test_repositories_stay_whole_and_fill_parts() -> None:
    division = divide(_counted(shop=5, api=3, web__a=1, web__b=1), _no_repositories(), 5)
    assert _placed(division) == {"shop": 1, "api": 2, "web__a": 2, "web__b": 2}
    assert division.divided == {}


def test_a_repository_larger_than_a_part_is_divided_by_its_services() -> None:
    division = divide(_counted(mono__a=4, mono__b=4, api=1), _no_repositories(), 5)
    assert _placed(division) == {"mono__a": 1, "mono__b": 2, "api": 2}
    assert division.divided == {"acme": ["mono"]}
    assert {(row["repository_key"], row["part"]) for row in division.repositories.to_pylist()} == {
        ("mono", 1),
        ("mono", 2),
        ("api", 2),
    }


def _no_repositories() -> pa.Table:
    return arrow_table(PULLED["repositories"], ())
