"""Follows the record database: pulls every row with a newer revision, and keeps the facts up."""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from metrics.domain.settings import DEFAULT_SETTINGS, bound_for_links
from metrics.engine.pulled_tables import DETAILS, PULLED, START, Position, RecordDatabase, RecordSnapshot
from metrics.sql import read_sql

_CHANGES = (
    "changed_organizations",
    "changed_settings",
    "changed_deployables",
    "changed_incidents",
    "changed_names",
    "changed_shorts",
)
# Of the tables whose versions are all kept, where.
_KEPT = {"organization_settings": "settings_versions"}
_DETAILS = {table: f"details_of_{table}" for table in DETAILS}
_THAT_NAME_SHORT = (
    "select 1 from incoming where list_bool_or("
    "list_transform(named_commits(commit_id, remediates, commits), lambda sha: is_short(sha))) limit 1"
)
_OF_INCOMING = "id in (select id from incoming)"
_OF_CHANGED = "deployable in (select deployable from changed_deployables)"
# In the order in which they build on each other.
FACTS = (
    "repository_teams",
    "environments",
    "settings",
    "finished_deployments",
    "incident_links",
    "remediations",
    "derived_commits",
    "carried_commits",
)
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
    if piece is None or piece.num_rows < _MOST_WITHOUT_THREAD:
        yield from () if piece is None else (piece, *pieces)
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
    for start in range(0, newest.num_rows, _MOST_AT_ONCE):
        _replace(store, table, newest.slice(start, _MOST_AT_ONCE))


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
    is_of_settings = {"in_any_case": table == "organization_settings"}
    run_over(store, read_sql("changes", "organizations"), incoming, is_of_settings)
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
    if _any(store, "incidents") or _any(store, "finished_deployments where remediates is not null"):
        run_over(store, read_sql("changes", "names"), deployments)
    # Most repositories know whole commit ids alone.
    if _any(store, "short_commits") or _read_over(store, _THAT_NAME_SHORT, deployments).num_rows:
        run_over(store, read_sql("changes", "short_commits_of_deployments"), deployments)


def _follow_aliases(store: duckdb.DuckDBPyConnection, incoming: pa.Table) -> None:
    """Let every record belong to the repository that it is said to be of, as repositories now stand."""
    run_over(store, read_sql("changes", "aliases"), incoming)
    if not _any(store, "deployments_moved"):
        return
    moved = store.sql("from deployments where id in (select id from deployments_moved)")
    _note_deployments(store, moved.to_arrow_table())
    store.execute(read_sql("changes", "moved_deployments"))
    _note_deployments(store, moved.to_arrow_table())


def _follow_teams(store: duckdb.DuckDBPyConnection, incoming: pa.Table) -> None:
    """Let every deployment belong to the team that it is said to be of, as repositories now stand."""
    changed = "organization in (select organization from incoming)"
    before = f"create or replace temp table teams_before as select * from repository_teams where {changed}"
    run_over(store, before, incoming)
    run_over(store, f"delete from repository_teams where {changed}", incoming)
    anew = f"insert into repository_teams by name {read_sql('facts', 'repository_teams')}"
    run_over(store, anew, incoming)
    run_over(store, read_sql("changes", "teams"), incoming)


def settle_facts(store: duckdb.DuckDBPyConnection) -> None:
    """Work out the facts again of what changed, and of nothing else; each step builds on those before."""
    if _any(store, "changed_organizations"):
        changed = "organization in (select organization from changed_organizations)"
        _work_out(store, "environments", changed)
        store.execute(
            f"create or replace temp table settings_before as select * from settings where {changed}"
        )
        _work_out(store, "settings", changed, bound_for_links(DEFAULT_SETTINGS))
        store.execute(read_sql("changes", "settings"))
    if _any(store, "short_commits") or _any(store, "incidents where is_short(commit_id)"):
        store.execute(read_sql("changes", "short_commits"))
    if _any(store, "changed_shorts"):
        _work_out(
            store,
            "commit_names",
            "(organization, repository_key, short) in "
            "(select organization, repository_key, short from changed_shorts)",
        )
    for _ in _in_turn(store):
        is_long = _is_long(store, "finished_deployments")
        _work_out(store, "finished_deployments", _OF_CHANGED, is_long=is_long)
        # Most organizations tell what their deployments carry.
        if _any(store, "pushes"):
            _work_out(store, "derived_commits", _OF_CHANGED, is_long=is_long)
            store.execute(read_sql("changes", "derived_commits"))
        if _concerns(store, "carried_commits", "carries_commits"):
            _work_out(store, "carried_commits", _OF_CHANGED, is_long=is_long)
    # The last of them may have gone just now.
    if _any(store, "incidents") or _any(store, "changed_incidents"):
        store.execute(read_sql("changes", "incidents"))
    if _any(store, "changed_incidents"):
        store.execute(read_sql("changes", "linked_deployments"))
        _work_out(store, "incident_links", "incident_id in (select incident_id from changed_incidents)")
        store.execute(read_sql("changes", "linked_deployments"))
    if _any(store, "finished_deployments where remediates is not null"):
        store.execute(read_sql("changes", "remediations"))
    for _ in _in_turn(store):
        if _concerns(store, "remediations", "is_hotfix or is_fix or is_rollback or remediates is not null"):
            _work_out(store, "remediations", _OF_CHANGED, is_long=_is_long(store, "remediations"))
    for table in _CHANGES:
        store.execute(f"delete from {table}")


def _is_long(store: duckdb.DuckDBPyConnection, fact: str) -> bool:
    """Whether a fact has many rows of the streams that changed."""
    return _number_of(store, f"{fact} where {_OF_CHANGED}") >= _MANY_ROWS


def _in_turn(store: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Once for all streams that changed; several times where their facts may not fit into memory at once, and
    each time some of them stand for all.
    """
    if _number_of(store, "deployments") <= _MOST_AT_ONCE:
        yield
        return
    for (deployables,) in store.execute(read_sql("changes", "turns"), {"most": _MOST_AT_ONCE}).fetchall():
        some = "create temp table changed_deployables as select unnest($some::ubigint[]) as deployable"
        store.execute(some, {"some": deployables})
        yield
        store.execute("drop table temp.changed_deployables")


def _any(store: duckdb.DuckDBPyConnection, rows: str) -> bool:
    """Whether there are any: to look costs a tenth of planning what would be done with them."""
    return bool(store.execute(f"select 1 from {rows} limit 1").fetchall())


def _concerns(store: duckdb.DuckDBPyConnection, fact: str, which: str) -> bool:
    """Whether a fact has rows of the streams that changed, or is to have some, of such deployments."""
    is_to_have = _any(store, f"finished_deployments where ({which}) and {_OF_CHANGED}")
    return is_to_have or _any(store, f"{fact} where {_OF_CHANGED}")


def _number_of(store: duckdb.DuckDBPyConnection, rows: str) -> int:
    ((count,),) = store.execute(f"select count(*) from {rows}").fetchall()
    return int(count)


def _work_out(
    store: duckdb.DuckDBPyConnection,
    fact: str,
    changed: str,
    bound: Mapping[str, Any] | None = None,
    *,
    is_long: bool = False,
) -> None:
    """Put what a fact is now in the place of its rows that may have changed; of many, of those that have."""
    anew = read_sql("facts", fact)
    if not is_long:
        store.execute(f"delete from {fact} where {changed}")
        store.execute(f"insert into {fact} by name {anew}", bound)
        return
    # Of a long stream a new deployment changes the last rows: to write all of them again takes seconds.
    # In one statement: DuckDB 2.0 finds no rows in a table that is made empty and then filled with 122,880 in
    # one transaction.
    store.execute(
        f"create or replace temp table now as (from {fact} limit 0) union all by name ({anew})", bound
    )
    store.execute(
        "create or replace temp table before as "
        f"select rowid as place, hash(rows_of_it) as digest from {fact} as rows_of_it where {changed}"
    )
    store.execute(
        f"delete from {fact} where rowid in "
        "(select place from before where digest not in (select hash(now) from now))"
    )
    store.execute(f"insert into {fact} select * from now where hash(now) not in (select digest from before)")
    store.execute("drop table now; drop table before")


# To start a thread takes as long as to read some hundred rows.
_MOST_WITHOUT_THREAD = 1_000
# From here on it takes longer to write rows than to find those that are others.
_MANY_ROWS = 20_000
# Facts of so many deployments take most of a gigabyte while they are worked out.
_MOST_AT_ONCE = 500_000
