"""`tracker verify`, `tracker backup` and `tracker restore`."""

from collections.abc import Iterator
from pathlib import Path

import rich_click as click
from sqlalchemy import make_url

from metrics.engine.following import follow
from metrics.engine.organizations import OrganizationStores
from metrics.engine.pulled_tables import PULLED, RecordDatabase
from metrics.engine.settling import FACTS
from metrics.engine.store import Store
from metrics.queries.session import open_snapshot
from tracker.cli.common import CommandFailed, migrated_database
from tracker.records.backups import BackupError, back_up
from tracker.records.backups import restore as put_back
from tracker.records.verification import Finding, _finding, verify_records
from tracker.settings import Settings

_MOST_SHOWN = 5


@click.command()
def verify() -> None:
    """Check that the record database keeps its promises; also while the service runs.

    Revisions without a gap, versions that follow each other, no key twice, and a store that holds what
    one made anew from the records does. The exit code is 1 where something does not hold.
    """
    settings = Settings()
    engine = migrated_database(settings)
    holds = True
    with engine.connect() as connection:
        for finding in verify_records(connection):
            holds &= _show(finding)
    records = follow(settings.record_database_url)
    with OrganizationStores(records, settings.stores_dir) as stores:
        holds &= _show(verify_stores(stores, records))
    if not holds:
        raise CommandFailed("the record database does not keep its promises")


def _show(finding: Finding) -> bool:
    click.echo(f"{'ok  ' if finding.holds else 'WRONG'} {finding.check}")
    for contradiction in finding.contradictions[:_MOST_SHOWN]:
        click.echo(f"      {contradiction}")
    if len(finding.contradictions) > _MOST_SHOWN:
        click.echo(f"      … and {len(finding.contradictions) - _MOST_SHOWN} more")
    return finding.holds


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Copy the SQLite database, as it is at one moment, into the new FILE; also while the service runs.

    The keys are a file of their own: keep a copy of it too. PostgreSQL has pg_dump.
    """
    database = _sqlite_file(Settings())
    if not database.is_file():
        raise CommandFailed(f"there is no database at {database}")
    try:
        back_up(database, file)
    except BackupError as error:
        raise CommandFailed(str(error)) from None
    click.echo(f"Backed up to {file}.")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.confirmation_option(prompt="What was recorded since the backup will be gone from the service. Go on?")
def restore(file: Path) -> None:
    """Put the backup FILE in the place of the SQLite database; also while the service runs.

    What was there before is kept in a file beside it. Tokens that were revoked stay revoked.
    """
    try:
        kept = put_back(_sqlite_file(Settings()), file)
    except BackupError as error:
        raise CommandFailed(str(error)) from None
    click.echo(f"Restored {file}." + (f" What was there before is in {kept}." if kept.exists() else ""))


def _sqlite_file(settings: Settings) -> Path:
    url = make_url(settings.record_database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise CommandFailed("this is for SQLite; for PostgreSQL use pg_dump and pg_restore")
    return Path(url.database)


def verify_stores(stores: OrganizationStores, records: RecordDatabase) -> Finding:
    """Whether each organization's store, which has followed the records, holds what one made anew does."""
    with records.snapshot() as snapshot:
        organizations = snapshot.organizations()
    return _finding(
        "the stores equal a rebuild",
        (wrong for organization in organizations for wrong in _differences(stores, records, organization)),
    )


def _differences(stores: OrganizationStores, records: RecordDatabase, organization: str) -> Iterator[str]:
    """The tables in which an organization's store is not what one made anew is."""
    tables = (*PULLED, *FACTS)
    with (
        stores.opened(organization) as store,
        open_snapshot(store) as followed,
        Store(records.of(organization)) as rebuilt,
        open_snapshot(rebuilt) as anew,
    ):
        have, want = followed.digests(tables), anew.digests(tables)
    for table in tables:
        if have[table] != want[table]:
            yield f"{organization}: {table}: {have[table][0]} rows, rebuilt {want[table][0]}"
