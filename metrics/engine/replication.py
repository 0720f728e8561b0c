"""Follows the record database: pulls every row with a newer revision, and keeps the facts up."""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from metrics.engine.pulled_tables import DETAILS, PULLED, START, Position, RecordDatabase, RecordSnapshot
from metrics.engine.settling import FACTS, has_any, settle_facts
from metrics.sql import read_sql

# To start a thread takes as long as to read some hundred rows.
_MOST_WITHOUT_THREAD = 1_000
# So many deployments take a quarter of a gigabyte while they are taken in; fewer at once take longer.
_MOST_IN_A_PIECE = 500_000
# Of the tables whose versions are all kept, where.
_KEPT = {"organization_settings": "settings_versions"}
_DETAILS = {table: f"details_of_{table}" for table in DETAILS}
_THAT_NAME_SHORT = (
    "select 1 from incoming where list_bool_or("
    "list_transform(named_commits(commit_id, remediates, commits), lambda sha: is_short(sha))) limit 1"
)
_OF_INCOMING = "id in (select id from incoming)"
# What facts are worked out with; a name that nobody tells any more may stay in them.
_AIDS = ("short_commits", "commit_names")


def catch_up(
    store: duckdb.DuckDBPyConnection, records: RecordDatabase, *, with_details: bool = False
) -> None:
    """Bring the store to the head of the record database, in one transaction; its details as well if wanted.

    A store that has followed another history, of a database that was restored or replaced, begins anew.
    """
    with transaction(store):
        with records.snapshot() as snapshot:
            position, head = position_of(store), snapshot.head()
            if position != head:
                _pull(store, snapshot, position)
            if with_details:
                _pull_details(store, snapshot)
        if position != head:
            settle_facts(store)
            store.execute("delete from replication")
            store.execute("insert into replication values (?, ?)", [head.revision, head.record_id])


def _pull(store: duckdb.DuckDBPyConnection, snapshot: RecordSnapshot, position: Position) -> None:
    """Take in what is newer than a position; everything where the history has not passed through it."""
    if not snapshot.holds(position):
        position = START
        for table in (*PULLED, *_KEPT.values(), *_DETAILS.values(), *FACTS, *_AIDS):
            store.execute(f"delete from {table}")
    for table in PULLED:
        with contextlib.closing(_ahead(snapshot.rows(table, position.revision))) as pieces:
            for rows in pieces:
                _take_in(store, table, rows)


def _ahead(pieces: Iterator[pa.Table]) -> Generator[pa.Table]:
    """The pieces, each read while the one before it is taken in, if they are large.

    Whoever stops waits for what is being read: until then its connection is in use.
    """
    piece = next(pieces, None)
    if piece is None:
        return
    if piece.num_rows < _MOST_WITHOUT_THREAD:
        yield piece
        yield from pieces
        return
    with ThreadPoolExecutor(1) as reader:
        while piece is not None:
            coming = reader.submit(next, pieces, None)
            yield piece
            piece = coming.result()


def _pull_details(store: duckdb.DuckDBPyConnection, snapshot: RecordSnapshot) -> None:
    """Take in the details that are newer than those at hand."""
    for table, kept in _DETAILS.items():
        ((known,),) = store.execute(f"select coalesce(max(revision), 0) from {kept}").fetchall()
        for rows in snapshot.details(table, known):
            newest = _newest(rows)
            run_over(store, f"delete from {kept} where {_OF_INCOMING}", newest)
            details = f"insert into {kept} by name {read_sql('records', 'details')}"
            run_over(store, details, newest)


@contextlib.contextmanager
def transaction(store: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of what is done within it, or nothing."""
    store.begin()
    try:
        yield
        store.commit()
    except BaseException:
        # A commit that failed has rolled back already; what is told is why.
        with contextlib.suppress(duckdb.Error):
            store.rollback()
        raise


def position_of(store: duckdb.DuckDBPyConnection) -> Position:
    """How far the store has followed."""
    found = store.execute("select revision, record_id from replication").fetchall()
    return Position(*found[0]) if found else START


def _take_in(store: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Take in versions, some at a time."""
    if not rows.num_rows:
        return
    if table in _KEPT:
        kept = _KEPT[table]
        run_over(store, f"insert into {kept} by name {read_sql('records', kept)}", rows)
    newest = _newest(rows)
    # Files and frames come in one piece.
    for start in range(0, newest.num_rows, _MOST_IN_A_PIECE):
        _replace(store, table, newest.slice(start, _MOST_IN_A_PIECE))


def _newest(rows: pa.Table) -> pa.Table:
    """Of several versions of one record the newest."""
    newest = rows.group_by("id").aggregate([("revision", "max")])["revision_max"]
    if len(newest) == rows.num_rows:
        return rows
    return rows.filter(pc.is_in(rows["revision"], value_set=newest.combine_chunks()))


def run_over(
    store: duckdb.DuckDBPyConnection,
    statements: str,
    incoming: pa.Table,  # noqa: ARG001
    given: Mapping[str, Any] | None = None,
) -> None:
    """Run statements that read rows as `incoming`.

    DuckDB finds them among the variables here. Those that are registered it keeps until the transaction ends.
    """
    store.execute(statements, given)


def _read_over(store: duckdb.DuckDBPyConnection, query: str, incoming: pa.Table) -> pa.Table:  # noqa: ARG001
    """What a query comes to that reads rows as `incoming`.

    Not as a temporary table: DuckDB keeps each of those until the transaction ends.
    """
    return store.sql(query).to_arrow_table()


def _replace(store: duckdb.DuckDBPyConnection, table: str, incoming: pa.Table) -> None:
    """Put what has come in into the place of what it supersedes, and note what that may change."""
    given = {"in_any_case": table == "organization_settings"}
    run_over(store, read_sql("changes", "organizations"), incoming, given)
    if "environment_key" in PULLED[table]:
        run_over(store, read_sql("changes", f"environments_of_{table}"), incoming)
    if pc.any(pc.not_equal(incoming["revision"], incoming["first_revision"])).as_py():
        if table == "deployments":
            superseded = _read_over(store, f"from deployments where {_OF_INCOMING}", incoming)
            _note_deployments(store, superseded)
        run_over(store, f"delete from {table} where {_OF_INCOMING}", incoming)
    arrived = _read_over(store, read_sql("records", table), incoming)
    run_over(store, f"insert into {table} by name from incoming", arrived)
    match table:
        case "repositories":
            _follow_aliases(store, incoming)
            _follow_teams(store, incoming)
        case "deployments":
            _note_deployments(store, arrived)
        case "incidents":
            run_over(store, "insert into changed_incidents select id from incoming", incoming)
        case "pushes":
            run_over(store, read_sql("changes", "pushes"), incoming)
        case "organization_settings":
            settings = "insert into changed_settings select organization from incoming"
            run_over(store, settings, incoming)


def _note_deployments(store: duckdb.DuckDBPyConnection, deployments: pa.Table) -> None:
    """Note what these versions of deployments may change."""
    run_over(store, read_sql("changes", "deployments"), deployments)
    # What comes in with them is looked at anyway; a first pull would keep the names of all there are.
    if has_any(store, "incidents") or has_any(store, "finished_deployments where remediates is not null"):
        run_over(store, read_sql("changes", "names"), deployments)
    # Most repositories know whole commit ids alone.
    if has_any(store, "short_commits") or _read_over(store, _THAT_NAME_SHORT, deployments).num_rows:
        run_over(store, read_sql("changes", "short_commits_of_deployments"), deployments)


def _follow_aliases(store: duckdb.DuckDBPyConnection, incoming: pa.Table) -> None:
    """Let every record belong to the repository that it is said to be of, as repositories now stand."""
    run_over(store, read_sql("changes", "aliases"), incoming)
    if not has_any(store, "deployments_moved"):
        return
    moved = "from deployments where id in (select id from deployments_moved)"
    _note_deployments(store, _read_over(store, moved, incoming))
    store.execute(read_sql("changes", "moved_deployments"))
    _note_deployments(store, _read_over(store, moved, incoming))


def _follow_teams(store: duckdb.DuckDBPyConnection, incoming: pa.Table) -> None:
    """Let every deployment belong to the team that it is said to be of, as repositories now stand."""
    changed = "organization in (select organization from incoming)"
    before = f"create or replace temp table teams_before as select * from repository_teams where {changed}"
    run_over(store, before, incoming)
    run_over(store, f"delete from repository_teams where {changed}", incoming)
    anew = f"insert into repository_teams by name {read_sql('facts', 'repository_teams')}"
    run_over(store, anew, incoming)
    run_over(store, read_sql("changes", "teams"), incoming)
