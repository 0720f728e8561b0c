"""DORA metrics over deployment records: definitions in SQL, computed by DuckDB.

Without a server: `metrics.open("sqlite:///data/tracker.db", organization="acme")`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metrics.library import Library

__all__ = ["open"]


def open(source: str, *, organization: str) -> "Library":
    """The records of an organization, for analysis.

    `source` is a record database: `sqlite:///data/tracker.db`, a path of a SQLite file, or
    `postgresql://user:password@host/name`. It is read while a service writes to it, and never locked.
    Raises `metrics.errors.RecordsUnavailable` where it cannot be read.
    """
    from metrics.library import open_library  # Polars and DuckDB: nothing that the rest of the package needs

    return open_library(source, organization)
