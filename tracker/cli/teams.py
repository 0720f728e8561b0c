"""`tracker teams`: which team has which repository and service, many at once out of a CSV file."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import rich_click as click
from sqlalchemy import Row

from metrics.domain.fields import LONGEST_NAME
from metrics.domain.repositories import matches_any
from tracker.cli.common import (
    CLI_SUBJECT,
    CommandFailed,
    migrated_database,
    organization_option,
    require_organization,
)
from tracker.cli.console import DataTable, Terminal, printable
from tracker.organizations.service import list_repositories, set_team
from tracker.records.ledger import Author, Ledger, repository_of, shown_repository
from tracker.records.recorder import Recorder
from tracker.settings import Settings

_COLUMNS = {"repository", "service", "team"}
_MOST_ERRORS_SHOWN = 20


@click.group()
def teams() -> None:
    """Show and set which team a repository, or one of its services, belongs to.

    It holds for records that name no team themselves.
    """


@teams.command("list")
@organization_option
def list_teams(organization: str) -> None:
    """Show every repository and service with its team."""
    engine = migrated_database(Settings())
    with engine.connect() as connection:
        require_organization(connection, organization)
    rows = list_repositories(engine, organization, visible=None)
    table = DataTable("repository", "service", "team")
    for row in rows:
        table.add_row(shown_repository(row._mapping), row.service, row.team or "")
    Terminal().print(table)


@teams.command("set")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@organization_option
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def set_teams(file: IO[str], organization: str, dry_run: bool) -> None:
    """Set the teams that FILE names, or standard input with [b]-[/b]; all of them, or none.

    CSV with a header: [b]repository[/b] (owner/name, or host/owner/name where two hosts have it),
    [b]service[/b] (may be empty, or not there) and [b]team[/b] (empty: none).
    """
    engine = migrated_database(Settings())
    known = list_repositories(engine, organization, visible=None)
    changes, errors = [], []
    for number, line in _lines(file):
        try:
            changes.append(_change(line, known))
        except ValueError as error:
            errors.append(f"line {number}: {error}")
    for said in errors[:_MOST_ERRORS_SHOWN]:
        click.echo(said, err=True)
    if errors:
        raise CommandFailed(f"nothing was changed: {len(errors)} of the lines are wrong")
    changed = [change for change in changes if change.row.team != change.team]
    if not dry_run:
        author = Author(organization, CLI_SUBJECT)
        Recorder(engine).record_now(lambda ledger: _apply(ledger, author, changed))
    for change in changed:
        click.echo(printable(f"{change.name}: {change.row.team or 'none'} -> {change.team or 'none'}"))
    outcome = "would change" if dry_run else "changed"
    click.echo(f"{len(changed)} {outcome}, {len(changes) - len(changed)} as they were")


@dataclass(frozen=True, slots=True)
class _Change:
    row: Row[Any]
    team: str | None

    @property
    def name(self) -> str:
        return "/".join(filter(None, (self.row.repository_path, self.row.service)))


def _lines(file: IO[str]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(file, restval="", strict=True)
    columns = set(reader.fieldnames or ())
    if not {"repository", "team"} <= columns <= _COLUMNS:
        raise CommandFailed("the first line must name the columns: repository,service,team")
    try:
        for line in reader:
            if None in line:
                raise CommandFailed(f"line {reader.line_num} has more values than the header has columns")
            yield reader.line_num, {name: text.strip() for name, text in line.items()}
    except csv.Error as error:
        raise CommandFailed(f"line {reader.line_num + 1} is no CSV: {error}") from error


def _change(line: dict[str, str], known: Sequence[Row[Any]]) -> _Change:
    """Raises `ValueError` where the line names nothing that has been recorded, or more than one thing."""
    repository, service = line["repository"], line.get("service", "")
    found = [
        row
        for row in known
        if row.service == service
        and (identity := repository_of(row._mapping)) is not None
        and "*" not in repository
        and matches_any([repository], identity)
    ]
    named = f"{repository}, service {service}" if service else repository
    if not found:
        raise ValueError(f"no record has named {named}")
    if len(found) > 1:
        raise ValueError(f"{named} is on several hosts: write host/owner/name")
    if len(line["team"]) > LONGEST_NAME:
        raise ValueError(f"a team has at most {LONGEST_NAME} characters")
    return _Change(found[0], line["team"] or None)


def _apply(ledger: Ledger, author: Author, changes: Sequence[_Change]) -> None:
    for change in changes:
        set_team(ledger, author, change.row.id, change.team)
