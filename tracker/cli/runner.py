"""`tracker runner`: carries out jobs, on the host that may deploy."""

import os
import signal
from pathlib import Path

import rich_click as click
from sqlalchemy import select

from tracker.cli.common import CommandFailed, migrated_database
from tracker.jobs.attempt import Holder
from tracker.jobs.runner import GRACE_SECONDS, LEASE_SECONDS, Runner, new_name
from tracker.jobs.tables import WORKSPACES
from tracker.records.recorder import Recorder
from tracker.settings import Settings
from tracker.telemetry import configure_logging


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for checkouts; by default in the data folder.",
)
@click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    metavar="NAME",
    help="Take jobs of this workspace only; repeatable.",
)
@click.option("--env", "passed", multiple=True, metavar="NAME", help="A variable commands get; repeatable.")
@click.option("--once", is_flag=True, help="End when no job is left.")
def runner(folder: Path | None, workspaces: tuple[str, ...], passed: tuple[str, ...], once: bool) -> None:
    """Carry out jobs on this host: check out, run the workspace's command, write the log, record.

    [b]tracker runner --env AWS_PROFILE[/b]

    Whoever may change a workspace's repository runs commands on this host, as this user. SIGTERM and
    Ctrl-C end it after the job that is under way; a second one at once. Several runners share the queue.
    """
    settings = Settings()
    configure_logging(settings)
    engine = migrated_database(settings)
    if any(name.startswith("TRACKER_") for name in passed):
        raise click.BadParameter("settings of the service are not for commands", param_hint="--env")
    if any("=" in name for name in passed):
        raise click.BadParameter("must be the name of a variable, without its value", param_hint="--env")
    with engine.connect() as connection:
        unknown = set(workspaces) - set(connection.scalars(select(WORKSPACES.c.name)))
    if unknown:
        raise CommandFailed(f"there is no workspace {', '.join(sorted(unknown))}")
    holder = Holder(new_name(), engine, Recorder(engine), passed, LEASE_SECONDS, GRACE_SECONDS)
    working = Runner(holder, folder or settings.data_dir / "runner", workspaces)

    def end(number: int, _: object) -> None:
        if working.stopping.is_set():
            os._exit(128 + number)
        working.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    click.echo(f"Waiting for jobs as {holder.name}.")
    working.run(once=once)
