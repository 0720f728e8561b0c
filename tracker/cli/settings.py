"""`tracker settings`: what an organization sets."""

import msgspec
import rich_click as click

from metrics.domain.errors import Refusal
from metrics.domain.settings import DEFAULT_SETTINGS, SETTING_NAMES, SettingsChange
from tracker.cli.common import CLI_SUBJECT, migrated_database, organization_option, require_organization
from tracker.organizations.service import change_settings, read_settings
from tracker.records.ledger import Author, Ledger
from tracker.records.recorder import Recorder
from tracker.settings import Settings


@click.command(epilog=f"Settings: {', '.join(SETTING_NAMES)}.")
@click.argument("assignments", nargs=-1, metavar="[NAME=VALUE]...")
@organization_option
def settings(assignments: tuple[str, ...], organization: str) -> None:
    """Show an organization's settings as JSON, after setting those that are given.

    [b]tracker settings --org acme timezone=Europe/Berlin production_environments=production,live[/b]

    Lists are comma-separated; an empty VALUE brings the default back. In force for the next answer
    of every process.
    """
    engine = migrated_database(Settings())
    if assignments:
        changes = _read(assignments)
        author = Author(organization, CLI_SUBJECT)

        def act(ledger: Ledger) -> None:
            ledger.ensure_organization(organization)
            change_settings(ledger, author, changes)

        Recorder(engine).record_now(act)
    with engine.connect() as connection:
        require_organization(connection, organization)
        answer = read_settings(connection, organization)
    click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))


def _read(assignments: tuple[str, ...]) -> dict[str, object]:
    """The changes that the assignments say. Raises `click.UsageError`."""
    given: dict[str, object] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise click.UsageError(f"{assignment}: write NAME=VALUE, as in timezone=Europe/Berlin")
        given[name] = _value(name, text)
    try:
        return SettingsChange.parse(msgspec.json.encode(given)).changes()
    except Refusal as refusal:
        raise click.UsageError("; ".join(f"{e.pointer[1:]} {e.detail}" for e in refusal.errors)) from None


def _value(name: str, text: str) -> object:
    if not text:
        return None
    match getattr(DEFAULT_SETTINGS, name, None):
        case tuple():
            return [part.strip() for part in text.split(",")]
        case int() if text.isdecimal():
            return int(text)
        case _:
            return text
