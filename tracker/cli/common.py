"""What several commands need."""

import os
import shlex
import shutil
import sys
from pathlib import Path

import rich_click as click
from click import get_current_context
from sqlalchemy import Connection, Engine, make_url, select

from metrics.domain.vocabulary import meant_instead
from tracker.auth.tables import TOKENS
from tracker.auth.tokens import ORGANIZATION_SLUG
from tracker.records.engine import connect
from tracker.records.migrations import require_workable
from tracker.records.recorder import Recorder
from tracker.records.tables import DEPLOYMENTS, ORGANIZATIONS
from tracker.settings import Settings

_MOST_SUGGESTED_FROM = 10_000
# Who has recorded, where a command of `tracker` has.
CLI_SUBJECT = "cli"
DEMO_ORGANIZATION = "demo"
"""What the simulated year goes to, unless told otherwise."""


class CommandFailed(click.ClickException):
    """The command cannot do what it was asked to; the message is the one line to show."""


def open_database(settings: Settings) -> Engine:
    """The record database; its connections are closed where the command ends."""
    engine = connect(settings.record_database_url)
    get_current_context().call_on_close(engine.dispose)
    return engine


def migrated_database(settings: Settings) -> Engine:
    """The record database, with its schema at head. Raises `CommandFailed`, `SchemaError`."""
    url = make_url(settings.record_database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CommandFailed(
            f"there is no database at {url.database}: run 'tracker migrate' or 'tracker serve'"
        )
    engine = open_database(settings)
    require_workable(engine)
    return engine


def check_organization(_: click.Context, __: click.Parameter, slug: str) -> str:
    """Refuse what is no organization slug."""
    if not ORGANIZATION_SLUG.fullmatch(slug):
        raise click.BadParameter("must be lower-case letters, digits and hyphens, as in acme")
    return slug


def require_organization(connection: Connection, slug: str) -> None:
    """Raises `CommandFailed`, with the nearest one that is known, where nothing is of the organization."""
    # A token that was used is of one, whatever has been recorded.
    for column in (ORGANIZATIONS.c.slug, DEPLOYMENTS.c.organization, TOKENS.c.organization):
        if connection.execute(select(column).where(column == slug).limit(1)).first():
            return
    known = connection.scalars(select(ORGANIZATIONS.c.slug).limit(_MOST_SUGGESTED_FROM)).all()
    nearest = meant_instead(slug, known)
    hint = f": is {nearest} meant?" if nearest else ""
    raise CommandFailed(f"there is no organization {slug}{hint}")


def ensure_first_organization(engine: Engine, slug: str) -> None:
    """Bring the organization into being where there is none at all, so that a newcomer needs one command.

    Raises `CommandFailed` where there are others: a mistyped name must not make a further one.
    """
    with engine.connect() as connection:
        # The simulated year is nobody's.
        others = select(ORGANIZATIONS.c.slug).where(ORGANIZATIONS.c.slug != DEMO_ORGANIZATION)
        is_first = connection.execute(others.limit(1)).first() is None
        if not is_first:
            require_organization(connection, slug)
    if is_first:
        make_organization(engine, slug)


def make_organization(engine: Engine, slug: str) -> None:
    """Bring an organization into being, where it is not there."""
    Recorder(engine).record_now(lambda ledger: ledger.ensure_organization(slug))


def only_organization(engine: Engine) -> str | None:
    """The organization where there is one and no other."""
    with engine.connect() as connection:
        found: list[str] = list(connection.scalars(select(ORGANIZATIONS.c.slug).limit(2)))
    return found[0] if len(found) == 1 else None


organization_option = click.option(
    "--org",
    "organization",
    required=True,
    metavar="SLUG",
    callback=check_organization,
    help="The organization, as in acme.",
)


def this_command(settings: Settings) -> str:
    """How a shell in this folder calls the program that is running, with the same data folder."""
    program = Path(sys.argv[0])
    found = shutil.which(program.name)
    called = program.name if found and program.samefile(found) else os.path.relpath(program)
    if settings.data_dir == Settings.model_fields["data_dir"].default:
        return called
    return f"TRACKER_DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))} {called}"
