"""Follows the record database: pulls every row with a newer revision, and keeps the facts up."""

from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from metrics.domain.settings import DEFAULT_SETTINGS, settings_bound
from metrics.engine.pulled_tables import PULLED, START, Position, RecordDatabase
from metrics.sql import read_sql

_CHANGES = (
    "changed_organizations",
    "changed_settings",
    "changed_streams",
    "changed_incidents",
    "changed_names",
)
# Of the tables whose rows facts are made of, the file that notes what incoming rows may change.
_NOTED = {
    "deployments": "incoming_deployments",
    "incidents": "incoming_incidents",
    "organization_settings": "incoming_settings",
}
# Of the tables whose versions are all kept, where.
_KEPT = {"organization_settings": "settings_versions"}
_OF_CHANGED_STREAMS = "stream in (select stream from changed_streams)"
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
            for table in (*PULLED, *_KEPT.values(), *FACTS):
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
    """Replace what has newer versions, and note what that may change."""
    if not rows.num_rows:
        return
    store.register("arrived", rows)
    if table in _KEPT:
        store.execute(f"insert into {_KEPT[table]} by name {read_sql('records', _KEPT[table])}")
    # Of several versions of one record the newest counts.
    store.execute(
        "create or replace temp table incoming as "
        "select * from arrived qualify row_number() over (partition by id order by revision desc) = 1"
    )
    store.unregister("arrived")
    store.execute(read_sql("changes", "organizations"))
    if table in _NOTED:
        store.execute(read_sql("changes", _NOTED[table]))
    replaces = store.execute("select 1 from incoming where revision <> first_revision limit 1").fetchone()
    if replaces:
        store.execute(f"delete from {table} where id in (select id from incoming)")
    store.execute(f"insert into {table} by name {read_sql('records', table)}")
    store.execute("drop table incoming")


def _settle_facts(store: duckdb.DuckDBPyConnection) -> None:
    """Work out the facts again of what changed, and of nothing else; each step builds on those before."""
    changed = "organization in (select organization from changed_organizations)"
    _work_out(store, "settings", changed, settings_bound(DEFAULT_SETTINGS))
    store.execute(read_sql("changes", "settings"))
    _work_out(store, "finished_deployments", _OF_CHANGED_STREAMS)
    _work_out(store, "carried_commits", _OF_CHANGED_STREAMS)
    store.execute(read_sql("changes", "incidents"))
    if store.execute("select 1 from changed_incidents limit 1").fetchone():
        _work_out(store, "incident_links", "incident_id in (select incident_id from changed_incidents)")
    store.execute(read_sql("changes", "remediations"))
    _work_out(store, "remediations", _OF_CHANGED_STREAMS)
    for table in _CHANGES:
        store.execute(f"delete from {table}")


def _work_out(
    store: duckdb.DuckDBPyConnection, fact: str, changed: str, bound: Mapping[str, Any] | None = None
) -> None:
    store.execute(f"delete from {fact} where {changed}")
    store.execute(f"insert into {fact} by name {read_sql('facts', fact)}", bound)
