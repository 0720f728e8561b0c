"""Which record database a URL means."""

from pathlib import Path

from metrics.engine.record_databases import DatabaseRecords, PostgresRecords, SqliteRecords
from metrics.engine.replicas import Replica, ReplicatedRecords


def follow(url: str, replica: str | None = None, *, is_service: bool = False) -> DatabaseRecords:
    """The record database at `postgresql://user:password@host/name`, `sqlite:///file`, or in a file.

    `replica` is a server's that holds the same, of which it is read as far as that has come. `is_service` is
    whoever writes to it as well.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return SqliteRecords(Path(url), is_service=is_service)
    if scheme.partition("+")[0] not in ("postgresql", "postgres"):
        return SqliteRecords(Path(rest.removeprefix("/")), is_service=is_service)
    primary = PostgresRecords(f"postgresql://{rest}")
    if replica is None:
        return primary
    return ReplicatedRecords(primary, Replica(f"postgresql://{replica.partition('://')[2]}"))
