"""DORA metrics over deployment records: definitions in SQL, computed by DuckDB.

Without a server: `metrics.open("sqlite:///data/tracker.db", organization="acme")`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from metrics.library.frames import Library

__all__ = ["open"]


def open(
    source: "str | Path | pl.DataFrame | pl.LazyFrame",
    *,
    organization: str | None = None,
    incidents: "str | Path | pl.DataFrame | pl.LazyFrame | None" = None,
) -> "Library":
    """The records of an organization, for analysis.

    `source` is a record database (`sqlite:///data/tracker.db`, a path of a SQLite file, or
    `postgresql://user:password@host/name`, which are read while a service writes and never locked), a file
    of records (`.ndjson`, `.jsonl`, either with `.gz`, or `.parquet`), or a Polars frame of deployments.
    A file or frame may come with `incidents` in another, and needs no organization; with one, rows that
    name another are left out.

    Raises `metrics.domain.errors.RecordsUnavailable` where the source cannot be read, and
    `metrics.domain.errors.InvalidRecords` where a row of a file or frame is wrong.
    """
    from metrics.library.frames import (
        open_library,  # Polars and DuckDB: nothing that the rest of the package needs
    )

    return open_library(source, organization, incidents)
