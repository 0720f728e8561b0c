"""Follows the record database: pulls every row with a newer revision, and keeps the facts up."""

import duckdb
import pyarrow as pa

from metrics.catalog import read_sql
from metrics.sources import PULLED, START, Position, RecordDatabase

# In the order in which they build on each other.
FACTS = ("settings", "finished_deployments", "incident_links", "remediations", "carried_commits")


def catch_up(store: duckdb.DuckDBPyConnection, records: RecordDatabase) -> None:
    """Bring the store to the head of the record database, in one transaction.

    A store that has followed another history, of a database that was restored or replaced, begins anew.
    """
    with records.snapshot() as snapshot:
        position, head = position_of(store), snapshot.head()
        if position == head:
            return
        starts_anew = not snapshot.holds(position)
        after = START.revision if starts_anew else position.revision
        incoming = {table: snapshot.rows(table, after) for table in PULLED}
    store.begin()
    try:
        if starts_anew:
            for table in (*PULLED, *FACTS):
                store.execute(f"delete from {table}")
        for table, rows in incoming.items():
            _take_in(store, table, rows)
        _settle_facts(store)
        store.execute("delete from replication")
        store.execute("insert into replication values (?, ?)", [head.revision, head.record_id])
        store.commit()
    except BaseException:
        store.rollback()
        raise


def position_of(store: duckdb.DuckDBPyConnection) -> Position:
    """How far the store has followed."""
    found = store.execute("select revision, record_id from replication").fetchone()
    return Position(*found) if found else START


def _take_in(store: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Replace what has newer versions; of several versions of one record the newest counts."""
    if not rows.num_rows:
        return
    store.register("arrived", rows)
    store.execute(
        "create or replace temp table incoming as "
        "select * from arrived qualify row_number() over (partition by id order by revision desc) = 1"
    )
    store.unregister("arrived")
    store.execute(
        "insert into changed_organizations select distinct organization from incoming "
        "where organization not in (select organization from changed_organizations)"
    )
    store.execute(f"delete from {table} where id in (select id from incoming)")
    store.execute(f"insert into {table} by name {read_sql('records', table)}")
    store.execute("drop table incoming")


def _settle_facts(store: duckdb.DuckDBPyConnection) -> None:
    """Work out the facts of the organizations that changed."""
    for fact in FACTS:
        store.execute(
            f"delete from {fact} where organization in (select organization from changed_organizations)"
        )
        store.execute(f"insert into {fact} by name {read_sql('facts', fact)}")
    store.execute("delete from changed_organizations")
