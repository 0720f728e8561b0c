"""How large organizations are divided, so that several executors work out the facts of one.

All versions of a deployment are of one repository and service: none can be moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from metrics.engine.pulled_tables import PULLED, HeldRecords, Position, arrow_table
from metrics.engine.store import Store
from metrics.sql import read_sql

COUNTED = pa.schema(
    [
        ("organization", pa.string()),
        ("repository_key", pa.string()),
        ("service_key", pa.string()),
        ("deployments", pa.int64()),
    ]
)
"""How many deployments, with all their versions, were recorded of a repository's service."""


@dataclass(frozen=True, slots=True)
class Division:
    """The parts of some organizations, numbered from 1."""

    deployments: pa.Table
    """`part`, by `organization`, `repository_key` and `service_key`."""
    repositories: pa.Table
    """`part`, by `organization` and `repository_key`: of all names, and several where it is divided."""
    divided: Mapping[str, Sequence[str]]
    """By organization the repositories of which several parts may have services."""


def divide(counted: pa.Table, repositories: pa.Table, most_deployments: int) -> Division:
    """Divide organizations into parts of about so many deployments; `repositories` as they are recorded."""

    def act(cursor: duckdb.DuckDBPyConnection) -> Division:
        cursor.register("counted", counted)
        cursor.execute(
            f"create temp table division as {read_sql('queries', 'division')}", {"most": most_deployments}
        )
        divided = cursor.execute(_DIVIDED).fetchall()
        return Division(
            cursor.sql(_DEPLOYMENTS).to_arrow_table(),
            cursor.sql(_REPOSITORIES).to_arrow_table(),
            dict(divided),
        )

    none = {table: arrow_table(columns, ()) for table, columns in PULLED.items()}
    records = HeldRecords(none | {"repositories": repositories}, Position(1, "counted"))
    with Store(records) as store:
        return store.read(act)


_DEPLOYMENTS = "select organization, repository_key, service_key, part from division"
_REPOSITORIES = """
select distinct organization, own_key as repository_key, part from division
union
select division.organization, aliases.recorded_key, division.part
from division
join aliases on aliases.organization = division.organization and aliases.repository_key = division.own_key
"""
_DIVIDED = "select organization, list(distinct own_key) from division where is_divided group by organization"
