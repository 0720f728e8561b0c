"""`tracker serve` and `tracker migrate`."""

import contextlib
import sys
from collections.abc import Callable

import rich_click as click
from sqlalchemy import Engine, make_url, select

from tracker.auth.keys import KeyRingError
from tracker.cli.common import (
    DEMO_ORGANIZATION,
    CommandFailed,
    only_organization,
    open_database,
    this_command,
)
from tracker.cli.login_link import login_url, new_login_code
from tracker.records.migrations import migrate as migrate_schema
from tracker.records.migrations import migrate_down, require_workable
from tracker.records.tables import DEPLOYMENTS
from tracker.settings import Settings
from tracker.telemetry import configure_logging

_FIRST_STEPS = """
Nothing is recorded yet. In another terminal, in this folder, fill it with a simulated year:

  {tracker} demo

or record a deployment of your own:

  curl -sS {url}/api/v1/deployments \\
    -H "Authorization: Bearer $({tracker} token --org acme --scope deployments:write)" \\
    -d '{{"repository_url": "https://github.com/acme/shop", "commit_id": "4335991842388c4896724fe6c7c09c2255d0ae03"}}'

and read a metric:

  curl -sS {url}/api/v1/metrics/deployment_frequency \\
    -H "Authorization: Bearer $({tracker} token --org acme --scope metrics:read)"
"""

_STOPPED = "Stopped; everything that was acknowledged is recorded."


@click.command()
@click.option("--host", help="Address to listen on; TRACKER_HOST.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one; TRACKER_PORT.")
@click.option(
    "--migrate/--no-migrate",
    "migrates",
    default=True,
    show_default=True,
    help="Bring the schema to head first; without, a schema that is not at head is refused.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Processes that share the work, over PostgreSQL; SIGHUP replaces them one by one; TRACKER_WORKERS.",
)
def serve(host: str | None, port: int | None, migrates: bool, workers: int | None) -> None:
    """Run the service until it is told to stop.

    Brings the schema to head first, and makes a signing key on the first start. SIGTERM and Ctrl-C
    finish what was taken before the process ends.
    """
    given = {"host": host, "port": port, "workers": workers}
    settings = Settings().model_copy(update={name: one for name, one in given.items() if one is not None})
    configure_logging(settings)
    (serve_alone if settings.workers == 1 else serve_by_workers)(settings, migrates)


def serve_alone(settings: Settings, migrates: bool) -> None:
    from tracker.app import create_app
    from tracker.web.server import listenable_port
    from tracker.web.server import serve as serve_app

    # Before anything is opened that would have to be closed again.
    port = listenable_port(settings.host, settings.port)
    announce = _prepare(settings, migrates)
    app = create_app(settings)
    app.state.service.address = f"http://{settings.host}:{port}"
    serve_app(app, settings.host, port, announce)
    click.echo(_STOPPED)


def serve_by_workers(settings: Settings, migrates: bool) -> None:
    from tracker.auth.keys import load_or_create_keys
    from tracker.cli.workers import run_workers
    from tracker.web.server import listening_socket

    if not _is_on_a_server(settings.record_database_url):
        raise CommandFailed("several workers need PostgreSQL: a SQLite file has one writer at a time")
    with listening_socket(settings.host, settings.port) as listening:
        url = f"http://{settings.host}:{listening.getsockname()[1]}"
        announce = _prepare(settings, migrates)
        load_or_create_keys(settings)
        run_workers(settings, listening, lambda: announce(url))
    click.echo(_STOPPED)


def _is_on_a_server(url: str) -> bool:
    return make_url(url).get_backend_name() == "postgresql"


def _prepare(settings: Settings, migrates: bool) -> Callable[[str], None]:
    """Make the database ready; return what tells its address to whoever has started the service."""
    replica = settings.replica_database_url
    if replica and not (_is_on_a_server(settings.record_database_url) and _is_on_a_server(replica)):
        raise CommandFailed("TRACKER_REPLICA_URL must name a PostgreSQL server that follows the database's")
    engine = open_database(settings)
    if migrates:
        migrate_schema(engine)
    require_workable(engine)
    is_empty, organization = _is_empty(engine), only_organization(engine)
    engine.dispose()

    def announce(url: str) -> None:
        click.echo(f"Serving at {url}")
        # A link for whoever watches, and none for a log: it lets in whoever is first.
        if sys.stdout.isatty():
            _offer_link(settings, url, organization or (DEMO_ORGANIZATION if is_empty else None))
        if is_empty:
            click.echo(_FIRST_STEPS.format(url=url, tracker=this_command(settings)))

    return announce


def _offer_link(settings: Settings, url: str, organization: str | None) -> None:
    """Print a link that signs in to the organization: where there is none yet, to the simulated year's."""
    if organization is None:
        click.echo(f"For a link that signs in: {this_command(settings)} login-link --org NAME")
        return
    # A ring of public halves signs nothing, and the service works all the same.
    with contextlib.suppress(KeyRingError):
        link = login_url(settings.base_of(url), new_login_code(settings, organization))
        click.echo(
            f"Look at {organization} in a browser, signed in by this link once, within 15 minutes:\n\n  {link}"
        )


def _is_empty(engine: Engine) -> bool:
    with engine.connect() as connection:
        return connection.execute(select(DEPLOYMENTS.c.revision).limit(1)).first() is None


@click.group(invoke_without_command=True)
@click.pass_context
def migrate(context: click.Context) -> None:
    """Bring the record database's schema to head. Safe to repeat.

    [b]tracker migrate up REVISION[/b] stops at a revision, [b]tracker migrate down REVISION[/b] goes back.
    """
    if context.invoked_subcommand is None:
        context.invoke(up)


@migrate.command()
@click.argument("revision", default="head")
def up(revision: str) -> None:
    """Bring the schema up to REVISION, head by default."""
    _report(revision, migrate_schema(open_database(Settings()), revision))


@migrate.command()
@click.argument("revision")
@click.confirmation_option(prompt="What the earlier schema has no place for is lost. Go on?")
def down(revision: str) -> None:
    """Take the schema back to REVISION: its number, or base for nothing at all.

    Take a backup first, and stop every service: a running one refuses what is not at head.
    """
    _report(revision, migrate_down(open_database(Settings()), revision))


def _report(revision: str, changed: bool) -> None:
    click.echo(f"The schema is now at {revision}." if changed else f"The schema was at {revision} already.")
