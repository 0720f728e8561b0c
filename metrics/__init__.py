"""DORA metrics over deployment records: definitions in SQL, computed by DuckDB.

Without a server: `metrics.open("sqlite:///data/tracker.db", organization="acme")`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metrics.library.frames import Library
    from metrics.library.opening import Source

__all__ = ["open"]


def open(
    source: "Source",
    *,
    organization: str | None = None,
    incidents: "Source | None" = None,
    tz: str | None = None,
    token: str | None = None,
) -> "Library":
    """The records of an organization, for analysis.

    `source` is a service (`https://tracker.example`, with a `token` that has the scope `metrics:read`, or
    `TRACKER_TOKEN` in the environment), a record database (`sqlite:///data/tracker.db`, a path of a SQLite
    file, or `postgresql://user:password@host/name`, which are read while a service writes and never
    locked), a file of records (`.ndjson`, `.jsonl`, `.json`, `.csv`, each also with `.gz`, `.parquet`,
    `.arrow`, `.arrows`, `.feather`), or a frame of deployments: of Polars, pandas, pyarrow, or whatever
    gives an Arrow stream. A file or frame may come with `incidents` in another, and needs no organization;
    with one, rows that name another are left out. `tz` is the IANA zone of times that say none, which are
    refused without.

    Raises `metrics.domain.errors.RecordsUnavailable` where the source cannot be read, and
    `metrics.domain.errors.InvalidRecords` where a row of a file or frame is wrong.
    """
    from metrics.library.opening import (
        open_library,  # Polars and DuckDB: nothing that the rest of the package needs
    )

    return open_library(source, organization, incidents, tz, token)
