"""Works out the facts again of what changed, and of nothing else."""

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from metrics.domain.settings import DEFAULT_SETTINGS, bound_for_links
from metrics.sql import read_sql

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
"""In the order in which they build on each other."""
# Facts of so many deployments take half a gigabyte while they are worked out.
_MOST_AT_ONCE = 200_000
# From here on it takes longer to write rows than to find those that are others.
_MANY_ROWS = 20_000
_CHANGES = (
    "changed_organizations",
    "changed_settings",
    "changed_deployables",
    "changed_incidents",
    "changed_names",
    "changed_shorts",
)
_OF_CHANGED = "deployable in (select deployable from changed_deployables)"


def settle_facts(store: duckdb.DuckDBPyConnection) -> None:
    """Work out the facts again of what changed, and of nothing else; each step builds on those before."""
    if has_any(store, "changed_organizations"):
        changed = "organization in (select organization from changed_organizations)"
        _work_out(store, "environments", changed)
        store.execute(
            f"create or replace temp table settings_before as select * from settings where {changed}"
        )
        _work_out(store, "settings", changed, bound_for_links(DEFAULT_SETTINGS))
        store.execute(read_sql("changes", "settings"))
    if has_any(store, "short_commits") or has_any(store, "incidents where is_short(commit_id)"):
        store.execute(read_sql("changes", "short_commits"))
    if has_any(store, "changed_shorts"):
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
        if has_any(store, "pushes"):
            _work_out(store, "derived_commits", _OF_CHANGED, is_long=is_long)
            store.execute(read_sql("changes", "derived_commits"))
        if _concerns(store, "carried_commits", "carries_commits"):
            _work_out(store, "carried_commits", _OF_CHANGED, is_long=is_long)
    # The last of them may have gone just now.
    if has_any(store, "incidents") or has_any(store, "changed_incidents"):
        store.execute(read_sql("changes", "incidents"))
    if has_any(store, "changed_incidents"):
        store.execute(read_sql("changes", "linked_deployments"))
        _work_out(store, "incident_links", "incident_id in (select incident_id from changed_incidents)")
        store.execute(read_sql("changes", "linked_deployments"))
    if has_any(store, "finished_deployments where remediates is not null"):
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


def has_any(store: duckdb.DuckDBPyConnection, rows: str) -> bool:
    """Whether there are any: to look costs a tenth of planning what would be done with them."""
    return bool(store.execute(f"select 1 from {rows} limit 1").fetchall())


def _concerns(store: duckdb.DuckDBPyConnection, fact: str, which: str) -> bool:
    """Whether a fact has rows of the streams that changed, or is to have some, of such deployments."""
    is_to_have = has_any(store, f"finished_deployments where ({which}) and {_OF_CHANGED}")
    return is_to_have or has_any(store, f"{fact} where {_OF_CHANGED}")


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
