"""`tracker demo`: a simulated year to look at."""

import gzip
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import rich_click as click
from sqlalchemy import Connection, Engine, or_, select

from metrics.domain.deployments import NewDeployment
from metrics.domain.errors import Refusal
from metrics.domain.incidents import NewIncident
from metrics.domain.instants import now_microseconds, to_microseconds
from tracker.cli.common import (
    DEMO_ORGANIZATION,
    CommandFailed,
    check_organization,
    open_database,
    this_command,
)
from tracker.cli.demo_company import NODE_PREFIX, PRODUCTS, TIMEZONE, Day, simulate
from tracker.deployments.service import record_deployments
from tracker.incidents.service import report_incident
from tracker.organizations.service import change_settings, set_team
from tracker.records.engine import connect
from tracker.records.ledger import Author, Ledger
from tracker.records.migrations import migrate
from tracker.records.recorder import Recorder
from tracker.records.tables import DEPLOYMENTS, REPOSITORIES, current
from tracker.settings import Settings
from tracker.transfer.export import export_lines

_SUBJECT = "demo"
_DAYS_AT_ONCE = 30
_NEXT = """
Look at it:

  {tracker} metrics --org {org} --interval month
  {tracker} metrics --org {org} --group-by team
  {tracker} metrics explain change_failure_rate --org {org} --team checkout

Your own repository, in a minute:

  {tracker} import --from git . --org acme
"""


@click.command()
@click.option(
    "--org", "organization", default=DEMO_ORGANIZATION, show_default=True, metavar="SLUG",
    callback=check_organization, help="The organization to fill.",
)  # fmt: skip
@click.option(
    "--seed",
    default=7,
    show_default=True,
    help="Seed of the simulation: the same number gives the same year.",
)
@click.option(
    "--output", "-o", "file", type=click.Path(dir_okay=False, path_type=Path),
    help="Write an export in place of recording: .ndjson or .ndjson.gz.",
)  # fmt: skip
def demo(organization: str, seed: int, file: Path | None) -> None:
    """Fill an organization with a simulated year: seven products of five teams, good days and bad ones.

    The year ends now. It is the same each time for a seed, and a later call adds the days since.
    """
    if file is not None:
        _write(file, organization, seed)
        click.echo(f"A simulated year is in {file}.")
        return
    settings = Settings()
    engine = open_database(settings)
    migrate(engine)
    with engine.connect() as connection:
        if _has_own_records(connection, organization):
            raise CommandFailed(
                f"{organization} has records of its own: name another organization with --org"
            )
    recorded, known = _fill(engine, organization, seed)
    click.echo(f"{organization}: {recorded} simulated deployments recorded, {known} known already.")
    click.echo(_NEXT.format(org=organization, tracker=this_command(settings)))


def _has_own_records(connection: Connection, organization: str) -> bool:
    columns = DEPLOYMENTS.c
    own = or_(columns.deployment_node_id.is_(None), columns.deployment_node_id.not_like(f"{NODE_PREFIX}%"))
    query = select(columns.revision).where(current(columns, organization), own)
    return connection.execute(query.limit(1)).first() is not None


def _fill(engine: Engine, organization: str, seed: int) -> tuple[int, int]:
    """Record the year; return how many deployments are new, and how many were known. Raises `Refusal`."""
    now, author, recorder = datetime.now(UTC), Author(organization, _SUBJECT), Recorder(engine)
    days, repeated = list(simulate(seed, now)), Counter[bool]()
    for first in range(0, len(days), _DAYS_AT_ONCE):
        record = _Recording(author, now, days[first : first + _DAYS_AT_ONCE])
        repeated.update(recorder.record_now(record.act))
    recorder.record_now(lambda ledger: _settle(ledger, author))
    return repeated[False], repeated[True]


@dataclass(frozen=True, slots=True)
class _Recording:
    """Some simulated days, to record in one transaction."""

    author: Author
    now: datetime
    days: Sequence[Day]

    def act(self, ledger: Ledger) -> list[bool]:
        """Record the days; return for each deployment whether it was known. Raises `Refusal`."""
        ledger.ensure_organization(self.author.organization)
        bodies = [
            NewDeployment.parse(msgspec.json.encode(one)) for day in self.days for one in day.deployments
        ]
        now = to_microseconds(self.now)
        sent = [body.sent(triggered_by="cli", now=now) for body in bodies]
        repeated = []
        for outcome in record_deployments(ledger, self.author, sent):
            if isinstance(outcome, Refusal):
                raise outcome
            repeated.append(outcome.repeated)
        for one in (incident for day in self.days for incident in day.incidents):
            report = NewIncident.parse(msgspec.json.encode(one))
            report_incident(ledger, self.author, report.sent(now_microseconds()))
        return repeated


def _settle(ledger: Ledger, author: Author) -> None:
    """Set the company's time zone, and the team of each repository."""
    change_settings(ledger, author, {"timezone": TIMEZONE})
    teams = {(f"acme-demo/{one.repository}", one.service): one.team for one in PRODUCTS}
    columns = REPOSITORIES.c
    rows = ledger.connection.execute(
        select(columns.id, columns.repository_path, columns.service).where(
            current(columns, author.organization)
        )
    ).all()
    for row in rows:
        if team := teams.get((row.repository_path, row.service)):
            set_team(ledger, author, row.id, team)


def _write(file: Path, organization: str, seed: int) -> None:
    """Write an export of the simulated year, from a temporary database."""
    with tempfile.TemporaryDirectory() as folder:
        engine = connect(f"sqlite:///{folder}/demo.db")
        migrate(engine)
        _fill(engine, organization, seed)
        with engine.connect() as connection:
            content = b"".join(export_lines(connection, organization, all_versions=False))
        engine.dispose()
    file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)
