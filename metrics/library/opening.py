"""`metrics.open`: which library a source is opened by."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from metrics.definitions.catalog import load_registered
from metrics.domain.errors import ParameterError, RecordsUnavailable
from metrics.domain.instants import InstantError, read_zone
from metrics.domain.vocabulary import meant_instead
from metrics.engine.following import follow
from metrics.engine.pulled_tables import RecordDatabase
from metrics.engine.record_databases import SqliteRecords
from metrics.engine.store import Store
from metrics.lake.layout import Lake
from metrics.lake.reading import LakeRecords
from metrics.library.files import FILES, Rows, read_records
from metrics.library.frames import Library
from metrics.library.stored import StoredLibrary

_OBJECT_STORES = ("s3://", "s3a://", "gs://", "abfs://", "abfss://", "hdfs://", "file://")
Source = Any
"""A URL, a path, or a frame: of Polars, pandas, pyarrow, or whatever gives its rows as an Arrow stream."""


def open_library(
    source: Source, organization: str | None, incidents: Source | None, zone: str | None, token: str | None
) -> Library:
    """A library over a service, a record database, a file or a frame: see `metrics.open`."""
    load_registered()
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        if organization is not None or incidents is not None or zone is not None:
            raise TypeError(
                "a service answers for the organization of the token, and has its incidents and zones itself"
            )
        from metrics.library.remote import RemoteLibrary  # An HTTP client: nothing that the others need.

        return RemoteLibrary(source, token)
    rows = _rows_of(source)
    if rows is not None:
        more = None if incidents is None else _require_rows(incidents)
        records = read_records(organization, rows, more, _zone(zone))
        return StoredLibrary(Store(records), organization or "")
    if organization is None or incidents is not None or zone is not None:
        raise TypeError(
            "this would be a record database or a lake, which needs an organization, and has its incidents "
            f"and zones itself; a file of records ends in {', '.join(FILES)}"
        )
    database = _lake(str(source)) or _database(str(source))
    with database.snapshot() as snapshot:
        known = snapshot.organizations()
    if known and organization not in known:
        nearest = meant_instead(organization, known)
        hint = f": is {nearest} meant?" if nearest else ""
        database.close()
        raise RecordsUnavailable(f"nothing is recorded of the organization {organization}{hint}")
    return StoredLibrary(Store(database.of(organization)), organization)


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else read_zone(name)
    except InstantError as error:
        raise ParameterError([("tz", str(error))]) from None


def _rows_of(source: Source) -> Rows | None:
    """The file or the frame that a source is; None for a record database."""
    if isinstance(source, pl.DataFrame | pl.LazyFrame):
        return source
    if hasattr(source, "__arrow_c_stream__"):
        return pl.DataFrame(source)
    if not isinstance(source, str | Path):
        raise TypeError(
            "source must be a URL, a path or a frame: of Polars, pandas, pyarrow, what gives an Arrow stream"
        )
    return Path(source) if str(source).lower().endswith(FILES) else None


def _require_rows(source: Source) -> Rows:
    rows = _rows_of(source)
    if rows is None:
        raise RecordsUnavailable(f"{source} is no file that can be read: {', '.join(FILES)}")
    return rows


def _lake(target: str) -> RecordDatabase | None:
    """The lake that a folder or a URL of an object store is; None where it is something else."""
    if Path(target).is_dir() or target.lower().startswith(_OBJECT_STORES):
        return LakeRecords(Lake.at(target))
    return None


def _database(url: str) -> RecordDatabase:
    """Raises `RecordsUnavailable` where a SQLite file is not there: opening would make an empty one."""
    database = follow(url)
    if isinstance(database, SqliteRecords) and not database.file.is_file():
        raise RecordsUnavailable(f"there is no SQLite file {database.file}")
    return database
