"""`tracker lake`: the records as Parquet, for analysis beyond one machine."""

import uuid
from datetime import timedelta
from typing import Self

import rich_click as click
from sqlalchemy import Engine

from metrics.domain.instants import now_microseconds
from metrics.lake.layout import Lake
from metrics.lake.writing import sync as sync_lake
from tracker.cli.common import CommandFailed, migrated_database
from tracker.records import leases
from tracker.records.following import followed
from tracker.records.recorder import Recorder
from tracker.settings import Settings

_LEASE = timedelta(minutes=10)
_RENEWED_EVERY = timedelta(minutes=1)


@click.group()
def lake() -> None:
    """Keep every version of every record as Parquet files that DuckDB, Polars, Spark and Trino read."""


@lake.command()
@click.argument("target", metavar="PATH|URL")
def sync(target: str) -> None:
    """Bring the lake at a folder, or at s3://bucket/folder, to what is recorded; also while the service runs.

    Only what is new is written, each version once. Call it as often as the lake is to be fresh: what was cut
    off is gone on with. An object store takes its credentials from the environment: AWS_ACCESS_KEY_ID and so
    on.
    """
    settings = Settings()
    engine = migrated_database(settings)
    place = Lake.at(target)
    with _Alone(engine, place) as alone:
        done = sync_lake(followed(settings), place, alone.renew)
    if done.began_anew and done.versions:
        click.echo(f"A new lake at {target}.")
    click.echo(
        f"At revision {done.revision}: {done.versions:,} versions of {done.organizations:,} organizations "
        f"in {done.files:,} new files."
    )


class _Alone:
    """Sees that no other process syncs the same lake: whoever has crashed is waited for ten minutes."""

    def __init__(self, engine: Engine, place: Lake) -> None:
        self._recorder, self._name, self._target = Recorder(engine), f"lake:{place.key}", place.root
        self._holder = uuid.uuid4().hex
        self._renewed_at = 0

    def renew(self) -> None:
        """Go on, where the last time was a while ago. Raises `CommandFailed` where another has taken it."""
        now = now_microseconds()
        if now - self._renewed_at < _RENEWED_EVERY // _MICROSECOND:
            return
        until = now + _LEASE // _MICROSECOND
        if not self._recorder.record_now(
            lambda ledger: leases.take(ledger, self._name, self._holder, now, until)
        ):
            raise CommandFailed(f"another process syncs {self._target}; after a crash, wait {_LEASE}")
        self._renewed_at = now

    def __enter__(self) -> Self:
        self.renew()
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.record_now(lambda ledger: leases.release(ledger, self._name, self._holder))


_MICROSECOND = timedelta(microseconds=1)
