"""The record database: engines, and transactions that write."""

import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from tracker.records.failures import UNAVAILABLE, judge
from tracker.records.sqlite_file import SqliteFile

_WRITES = "tracker_writes"
# Any fixed number: it names the one lock that orders all writers of a PostgreSQL database.
_WRITER_LOCK = 0x7261636B6572
_IDLE_WRITER = "10s"
_SQLITE_BUSY_SECONDS = 30
_POSTGRES_POOL = 10
_POOLS_REMEMBERED = 20
# A server that is gone without a word is noticed, and a writer does not wait for it for minutes.
_POSTGRES_ARGUMENTS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def connect(url: str) -> Engine:
    """An engine for the record database, with what durability asks of each kind.

    Raises `DatabaseUrlError`.
    """
    parts = _database_url(url)
    if parts.get_backend_name() == "postgresql":
        engine = create_engine(
            parts, pool_pre_ping=True, pool_size=_POSTGRES_POOL, connect_args=_POSTGRES_ARGUMENTS
        )
        event.listen(engine, "connect", _configure_postgres)
        event.listen(engine, "handle_error", judge)
        _close_on_return_what_was_disposed(engine)
        return engine
    assert parts.database is not None
    file = Path(parts.database)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        # It holds secrets; SQLite gives its log the mode of the file.
        file.touch(mode=0o600)
    watched = SqliteFile(file)
    engine = create_engine(parts, creator=lambda: watched.open(_SQLITE_BUSY_SECONDS))
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    _close_on_return_what_was_disposed(engine)
    watched.watch(engine)
    return engine


class DatabaseUrlError(ValueError):
    """The URL names no database that the service works with."""

    def __init__(self) -> None:
        super().__init__(
            "TRACKER_DATABASE_URL must be postgresql://user:password@host/name, or a SQLite file, "
            "as in sqlite:////srv/tracker.db"
        )


def _database_url(url: str) -> URL:
    try:
        parts = make_url(url)
    except ArgumentError:
        raise DatabaseUrlError from None
    backend = parts.get_backend_name()
    if backend not in ("sqlite", "postgresql") or parts.database in (None, "", ":memory:"):
        raise DatabaseUrlError
    return parts.set(drivername="postgresql+psycopg") if backend == "postgresql" else parts


def _configure_postgres(connection: Any, _record: object) -> None:
    # A plan that was made while a table was empty reads all of it once it is full.
    connection.execute("set plan_cache_mode = force_custom_plan")
    # Whoever waits for a lock is told so within seconds; a process that stops in a transaction loses it.
    # Poolers in between refuse these as options of the connection.
    connection.execute("set lock_timeout = '5s'")
    connection.execute("set statement_timeout = '60s'")
    connection.execute("set idle_in_transaction_session_timeout = '60s'")
    connection.commit()


def _configure_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction control begins too late and always deferred.
    connection.isolation_level = None
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    # Indexes of a few million records stay in memory; checkpoints come every 32 MB, not every 4.
    connection.execute("pragma cache_size = -65536")
    connection.execute("pragma wal_autocheckpoint = 8000")


def _close_on_return_what_was_disposed(engine: Engine) -> None:
    """After `dispose`, close connections that were in use then when they are given back.

    SQLAlchemy leaves that to the garbage collector, which comes late here. A single connection that was
    opened while the file was read-only keeps SQLite's shared memory read-only for the whole process.
    """
    generation = itertools.count()
    current = next(generation)
    # A connection that was being opened meanwhile comes back to its own pool, which nobody looks at any more.
    pools = deque([engine.pool], maxlen=_POOLS_REMEMBERED)

    def remember(_: object, record: Any) -> None:
        record.info["generation"] = current

    def disposed(_: Engine) -> None:
        nonlocal current
        current = next(generation)
        for pool in list(pools):
            pool.dispose()
        pools.append(engine.pool)

    def close_if_old(_: object, record: Any) -> None:
        if record.info.get("generation") != current:
            record.invalidate()

    event.listen(engine, "connect", remember)
    event.listen(engine, "engine_disposed", disposed)
    event.listen(engine, "checkin", close_if_old)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes is refused at once when another has written.
    immediate = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("begin immediate" if immediate else "begin")


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that is alone in writing, from its first statement to its commit.

    Revision order is commit order only because of this: on SQLite by `begin immediate`, on
    PostgreSQL by an advisory lock that is held over the transaction.
    """
    try:
        with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                # Whoever holds the lock and stops loses it before others run out of patience.
                idle = f"set_config('idle_in_transaction_session_timeout', '{_IDLE_WRITER}', true)"
                connection.exec_driver_sql(f"select {idle}, pg_advisory_xact_lock({_WRITER_LOCK})")
            yield connection
    except UNAVAILABLE:
        # A connection that was opened while the file was read-only stays so: the next try gets new ones.
        engine.dispose()
        raise


def probe(engine: Engine) -> None:
    """Commit an act that changes nothing. Raises one of `UNAVAILABLE` where nothing can be written."""
    with write_transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("select pg_current_xact_id()")
        else:
            version = connection.exec_driver_sql("pragma user_version").scalar_one()
            connection.exec_driver_sql(f"pragma user_version = {int(version)}")
