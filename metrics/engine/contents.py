"""What a store holds before any record: the tables and macros of `metrics/sql/`, and of which version."""

import hashlib
from functools import cache

import duckdb

from metrics.definitions import profiles
from metrics.definitions.base import MetricName
from metrics.definitions.catalog import CATALOG
from metrics.domain.settings import DEFAULT_SETTINGS
from metrics.engine.settling import FACTS
from metrics.sql import read_sql, sql_files


class OtherVersion(Exception):
    """The store was made by another version of the definitions."""


def create_contents(connection: duckdb.DuckDBPyConnection) -> None:
    """Create tables and macros in the database that is in use, which has none."""
    connection.execute(_creation())
    connection.execute("create table definitions as select ? as fingerprint", [fingerprint()])


def require_contents(connection: duckdb.DuckDBPyConnection) -> None:
    """See that the database in use was made by these definitions. Raises `OtherVersion`, `duckdb.Error`."""
    if connection.execute("select fingerprint from definitions").fetchone() != (fingerprint(),):
        raise OtherVersion


def _creation() -> str:
    schema = read_sql("", "schema")
    return "\n".join([schema, profiles.creation()])


@cache
def fingerprint() -> str:
    """What the store's content depends on, beside the records: the definitions and DuckDB's version."""
    texts = [
        duckdb.__version__,
        repr(DEFAULT_SETTINGS),
        _creation(),
        *(read_sql("records", file) for file in sql_files("records")),
        *(read_sql("changes", file) for file in sql_files("changes")),
        *(read_sql("facts", fact) for fact in FACTS),
        *(CATALOG[name].sql for name in MetricName),
    ]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
