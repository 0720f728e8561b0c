"""`tracker intake`: where other systems' events come in."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import IO

import msgspec
import rich_click as click

from metrics.domain.errors import Refusal
from tracker.cli.common import (
    CLI_SUBJECT,
    CommandFailed,
    ensure_first_organization,
    migrated_database,
    organization_option,
    require_organization,
)
from tracker.cli.console import printable
from tracker.intakes.deliveries import unmapped_names
from tracker.intakes.names import read_names, write_names
from tracker.intakes.schemas import IntakeAnswer, NewIntake, with_names
from tracker.intakes.store import add_intake, change_intake, find_intake, list_intakes, remove_intake
from tracker.integrations.events import SOURCES
from tracker.records.engine import write_transaction
from tracker.settings import Settings


@click.group()
def intake() -> None:
    """Take other systems' events in: GitHub's, GitLab's, PagerDuty's …

    [b]tracker intake add --org acme github[/b]
    """


@intake.command()
@click.argument("source", type=click.Choice(sorted(SOURCES)))
@organization_option
@click.option("--secret", help="A secret that the sender has made. Default: one is made.")
@click.option("--repositories", multiple=True, metavar="PATTERN", help="Only these; repeatable.")
@click.option("--repository", "repository_url", metavar="URL", help="Of events that name no repository.")
@click.option("--service", help="Of events that name no service.")
@click.option("--environment", help="Of events that name no environment.")
@click.option("--team", help="Of every deployment that comes in.")
@click.option("--production", multiple=True, metavar="PATTERN", help="Environments that are production.")
@click.option("--option", "options", multiple=True, metavar="NAME=TEXT", help="As the source's page says.")
def add(
    source: str,
    organization: str,
    secret: str | None,
    repositories: tuple[str, ...],
    production: tuple[str, ...],
    options: tuple[str, ...],
    **defaults: str | None,
) -> None:
    """Take the events of a SOURCE in; print the address to send them to, and the secret, once."""
    body = {
        "source": source,
        "secret": secret,
        "repositories": list(repositories) or None,
        "defaults": {name: text for name, text in defaults.items() if text is not None} or None,
        "production": list(production) or None,
        "options": dict(_pairs(options)) or None,
    }
    settings = Settings()
    try:
        wanted = NewIntake.parse(msgspec.json.encode(body)).intake(organization, CLI_SUBJECT, SOURCES)
    except Refusal as refusal:
        raise click.UsageError(printable(refusal.detail)) from None
    engine = migrated_database(settings)
    ensure_first_organization(engine, organization)
    with write_transaction(engine) as connection:
        added = add_intake(connection, wanted)
    answer = IntakeAnswer.of(added, settings.base_of(f"http://{settings.host}:{settings.port}"))
    click.echo(f"URL     {answer.url}")
    click.echo(f"Secret  {added.secrets[0]}")
    if SOURCES[source].hint:
        click.echo(f"\n{SOURCES[source].title}: {SOURCES[source].hint}", err=True)


@intake.command("list")
@organization_option
def list_known(organization: str) -> None:
    """List where events come in."""
    engine = migrated_database(Settings())
    with engine.connect() as connection:
        require_organization(connection, organization)
        found = list_intakes(connection, organization)
    for one in found:
        reach = "all repositories" if one.repositories is None else ", ".join(one.repositories)
        click.echo(
            printable(f"{one.id}  {one.source}  {reach}, added {one.created_at:%Y-%m-%d} by {one.created_by}")
        )


@intake.command("map")
@click.argument("intake_id", metavar="ID")
@organization_option
@click.option("--csv", "file", type=click.File("r", encoding="utf-8-sig"), help="What names are to mean.")
def map_names(intake_id: str, organization: str, file: IO[str] | None) -> None:
    """Say which repository and service the sender's names of services mean.

    Without --csv, print what they mean, and those that came lately and mean no repository yet: fill in
    their rows, and hand the file back. Names that it leaves out stay; a row with the name alone removes it.

    CSV with the columns [b]name[/b], repository_url, service, environment and team.
    """
    engine = migrated_database(Settings())
    with write_transaction(engine) as connection:
        found = find_intake(connection, intake_id, organization)
        if file is None:
            write_names(sys.stdout, found.names, unmapped_names(connection, found))
            return
        try:
            names = read_names(file)
            changed = replace(found, names=with_names(found.names, names))
        except Refusal as refusal:
            raise CommandFailed(f"nothing was changed: {printable(refusal.detail)}") from None
        change_intake(connection, changed)
        left = unmapped_names(connection, changed)
    click.echo(f"{len(names)} read; the intake knows {len(changed.names)} names")
    if left:
        click.echo(printable(f"Not mapped yet: {', '.join(left)}"))


@intake.command()
@click.argument("intake_id", metavar="ID")
@organization_option
def remove(intake_id: str, organization: str) -> None:
    """Take no more events in there; what came stays recorded."""
    engine = migrated_database(Settings())
    with write_transaction(engine) as connection:
        remove_intake(connection, organization, intake_id)
    click.echo(f"Removed: {printable(intake_id)}.")


def _pairs(options: Iterable[str]) -> Iterable[tuple[str, str]]:
    for one in options:
        name, equals, text = one.partition("=")
        if not equals:
            raise click.UsageError(f"--option {one}: write NAME=TEXT, as in deployments=workflow_run")
        yield name.strip(), text.strip()
