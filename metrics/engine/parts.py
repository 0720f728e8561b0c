"""Facts of an organization that is too large for one: worked out in parts, each on its own, and put together.

A part has some of its repositories, or some services of a large one, and knows nothing of the others.
What crosses parts is worked out again once all are there: incidents, and what names a deployment of another.
"""

from collections.abc import Iterable, Mapping, Sequence

import duckdb
import pyarrow as pa

from metrics.engine.replication import run_over, transaction
from metrics.engine.settling import settle_facts
from metrics.sql import read_sql

OF_PARTS = (
    "deployments",
    "details_of_deployments",
    "short_commits",
    "commit_names",
    "finished_deployments",
    "derived_commits",
    "carried_commits",
    "remediations",
)
"""The tables that a part settles; the others are small, and of the organization as a whole."""


def part_of(store: duckdb.DuckDBPyConnection) -> Mapping[str, pa.Table]:
    """What a store of some of an organization's deployments has come to."""
    return {table: store.sql(f"from {table}").to_arrow_table() for table in OF_PARTS}


def put_together(
    store: duckdb.DuckDBPyConnection, pieces: Iterable[tuple[str, pa.Table]], divided: Sequence[str]
) -> None:
    """Take all parts' tables, some rows at a time, into a store of what else the organization has.

    `divided` are the repositories of which several parts had services. All in one transaction.
    """
    with transaction(store):
        for table, rows in pieces:
            run_over(store, f"insert into {table} by name from incoming", rows)
        store.execute(read_sql("changes", "parts"))
        store.execute(read_sql("changes", "divided_repositories"), {"divided": list(divided)})
        settle_facts(store)
