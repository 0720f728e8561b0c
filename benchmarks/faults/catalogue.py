"""The faults, each as what is done to a service that clients post to."""

import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from benchmarks.faults.site import can_mount, fill
from benchmarks.faults.trial import Fault, Strike
from tests.conftest import Postgres
from tests.server import deployment, ndjson
from tests.waiting import wait_until
from tracker.records.engine import _WRITER_LOCK

_HOUR_SECONDS = 3_600
_IMPORTED = 2_000
_TRIES = 3
_HOLDERS = (
    "select pid from pg_stat_activity where state = 'idle in transaction' and pid in "
    "(select pid from pg_locks where locktype = 'advisory' and granted)"
)
_WAITING = "select 1 from pg_locks where locktype = 'advisory' and not granted"


def _kill(strike: Strike) -> None:
    strike.site.kill()
    strike.mended()
    strike.site.restart()


def _stop(strike: Strike) -> None:
    with strike.site.stopped():
        strike.hold()


def _fill_records(strike: Strike) -> None:
    with _full(strike, strike.site.records):
        strike.hold()


def _fill_stores(strike: Strike) -> None:
    with _full(strike, strike.site.stores):
        strike.hold()


@contextmanager
def _full(strike: Strike, folder: Path) -> Iterator[None]:
    if can_mount():
        filler = fill(folder)
        yield
        filler.unlink()
        return
    # No file can grow: what stands for a full disk where none can be mounted.
    largest = max(file.stat().st_size for file in folder.iterdir())
    process = strike.site.services[0].process.pid
    soft, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (largest + 4_096, hard))
    yield
    resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))


def _remove_file(strike: Strike) -> None:
    file, kept = strike.site.records / "tracker.db", strike.site.records / "kept.db"
    file.rename(kept)
    strike.hold()
    kept.rename(file)


def _replace_file(strike: Strike) -> None:
    file, kept, copy = (strike.site.records / name for name in ("tracker.db", "kept.db", "copy.db"))
    backed_up = strike.site.run("backup", str(copy))
    assert backed_up.returncode == 0, backed_up.stderr
    file.rename(kept)
    copy.rename(file)
    strike.hold()
    kept.rename(file)


def _remove_store(strike: Strike) -> None:
    for file in _store_files(strike):
        file.unlink()


def _corrupt_store(strike: Strike) -> None:
    for file in _store_files(strike):
        with file.open("r+b") as stream:
            stream.write(os.urandom(file.stat().st_size))


def _truncate_store(strike: Strike) -> None:
    for file in _store_files(strike):
        os.truncate(file, file.stat().st_size // 2)


def _damage_and_kill(strike: Strike) -> None:
    _corrupt_store(strike)
    strike.site.kill()
    _corrupt_store(strike)
    strike.mended()
    strike.site.restart()


def _store_files(strike: Strike) -> Sequence[Path]:
    found = [*strike.site.stores.glob("*/*.duckdb"), *strike.site.stores.glob("*/*.duckdb.wal")]
    assert found
    return found


def _set_clock_back(strike: Strike) -> None:
    strike.site.clock.write_text(str(-_HOUR_SECONDS))
    strike.hold()
    strike.site.clock.write_text("0")


def _stop_postgres(strike: Strike) -> None:
    postgres = _postgres(strike)
    postgres.server.stop()
    strike.hold()
    postgres.restart()


def _pause_postgres(strike: Strike) -> None:
    main = int((_postgres(strike).server.pgdata / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    processes = [main, *map(int, children)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    strike.hold()
    for process in processes:
        os.kill(process, signal.SIGCONT)


def _cut_postgres(strike: Strike) -> None:
    with psycopg.connect(strike.site.url, autocommit=True) as connection:
        until = time.monotonic() + strike.pace.hold_seconds
        while time.monotonic() < until:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            time.sleep(0.1)


def _hold_lock(strike: Strike) -> None:
    with psycopg.connect(strike.site.url) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [_WRITER_LOCK])
        strike.hold()


def _kill_one_of_two(strike: Strike) -> None:
    strike.mended()
    strike.site.kill(1)
    strike.afterwards += [strike.hold, lambda: strike.site.restart(1)]


def _stop_one_of_two_in_a_commit(strike: Strike) -> None:
    """The one that is stopped holds the lock of all writers: the other recovers while it is still stopped."""
    with psycopg.connect(strike.site.url, autocommit=True) as connection:

        def stopped_in_a_commit() -> bool:
            process = strike.site.services[1].process
            process.send_signal(signal.SIGSTOP)
            if _is_held_up(connection):
                return True
            process.send_signal(signal.SIGCONT)
            time.sleep(0.01)
            return False

        wait_until(stopped_in_a_commit, 120)
    strike.mended()
    # What it had in hand, it finds to be lost when it goes on.
    strike.afterwards.append(lambda: strike.site.services[1].process.send_signal(signal.SIGCONT))


def _is_held_up(connection: psycopg.Connection) -> bool:
    """Whether the lock is held by one that does not go on, and waited for by another."""
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        time.sleep(0.05)
        if not connection.execute(_HOLDERS).fetchone():
            return False
    return connection.execute(_WAITING).fetchone() is not None


def _import_twice(strike: Strike) -> None:
    """Two imports beside the clients and each other."""
    with ThreadPoolExecutor(2) as importing:
        for commits in importing.map(lambda name: _import(strike, name), "ab"):
            strike.expected += commits


def _import(strike: Strike, name: str) -> list[str]:
    """Import deployments from a file, again where that fails; their commits, once all are recorded."""
    commits = [f"{name}{number:039x}" for number in range(_IMPORTED)]
    finished_at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    records = (deployment(commit_id=one, deployment_node_id=one, finished_at=finished_at) for one in commits)
    file = strike.site.folder / f"{name}.ndjson"
    file.write_bytes(ndjson(*records))
    for _ in range(_TRIES):
        said = strike.site.run("import", file.name, "--org", "acme")
        if said.returncode == 0:
            return commits
    raise AssertionError(f"the import fails: {said.stderr}")


def _postgres(strike: Strike) -> Postgres:
    assert strike.site.postgres is not None
    return strike.site.postgres


FAULTS: Sequence[Fault] = (
    Fault("the service is killed and started again", _kill),
    Fault("the service is stopped for a while", _stop),
    Fault("the disk of the record database is full", _fill_records, full="records"),
    Fault("the disk of the metrics store is full", _fill_stores, full="stores"),
    Fault("the SQLite file is removed, and put back", _remove_file),
    Fault("the SQLite file is replaced, and put back", _replace_file),
    Fault("the metrics store is removed", _remove_store),
    Fault("the metrics store is overwritten", _corrupt_store),
    Fault("the metrics store is truncated", _truncate_store),
    Fault("the metrics store is overwritten, the service killed", _damage_and_kill),
    Fault("the clock is an hour back", _set_clock_back, moves_clock=True),
    Fault("two imports beside, SQLite", _import_twice),
    Fault("PostgreSQL is stopped", _stop_postgres, on_postgres=True),
    Fault("PostgreSQL is paused", _pause_postgres, on_postgres=True),
    Fault("PostgreSQL's connections are cut", _cut_postgres, on_postgres=True),
    Fault("PostgreSQL's writers' lock is held elsewhere", _hold_lock, on_postgres=True),
    Fault("PostgreSQL, one of two services is killed", _kill_one_of_two, on_postgres=True, services=2),
    Fault(
        "PostgreSQL, one of two services is stopped in a commit",
        _stop_one_of_two_in_a_commit,
        on_postgres=True,
        services=2,
    ),
    Fault("PostgreSQL, two imports beside", _import_twice, on_postgres=True),
)
