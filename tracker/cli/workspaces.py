"""`tracker workspace`: what runners deploy, and how."""

import json
from dataclasses import asdict

import rich_click as click

from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from tracker.cli.common import (
    CLI_SUBJECT,
    CommandFailed,
    migrated_database,
    open_database,
    organization_option,
)
from tracker.cli.console import DataTable, Terminal
from tracker.jobs.queue import end_all
from tracker.jobs.workspaces import (
    DEFAULT_BRANCH,
    DEFAULT_TIME_LIMIT_SECONDS,
    create_workspace,
    list_workspaces,
    read_location,
    remove_workspace,
)
from tracker.records.ledger import Author, Ledger
from tracker.records.migrations import migrate
from tracker.records.recorder import Recorder
from tracker.settings import Settings


@click.group()
def workspace() -> None:
    """Set up what is deployed on request: a repository, its branch, and a command."""


def _location(_: click.Context, __: click.Parameter, text: str) -> tuple[RepositoryIdentity, str]:
    try:
        return read_location(text)
    except RepositoryUrlError as error:
        raise click.BadParameter(f"{error}, or a path on the runner's host") from None


@workspace.command()
@click.argument("name")
@organization_option
@click.option(
    "--repository", "location", required=True, metavar="URL", callback=_location, help="A git URL, or a path."
)
@click.option("--command", required=True, help="What a runner runs in the checkout, by /bin/sh.")
@click.option("--branch", default=DEFAULT_BRANCH, show_default=True, help="The branch that a push deploys.")
@click.option(
    "--environment", default="production", show_default=True, help="Environment of the recorded deployments."
)
@click.option("--service", default="", help="Service of the recorded deployments; none by default.")
@click.option(
    "--time-limit", type=click.IntRange(1, 604_800), default=DEFAULT_TIME_LIMIT_SECONDS, show_default=True,
    metavar="SECONDS", help="How long a command may run.",
)  # fmt: skip
@click.option(
    "--retries",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    help="How often a command that fails is run again.",
)
def create(
    name: str,
    organization: str,
    location: tuple[RepositoryIdentity, str],
    command: str,
    branch: str,
    environment: str,
    service: str,
    time_limit: int,
    retries: int,
) -> None:
    """Set a workspace up, and print its id and its deployment secret.

    [b]tracker workspace create shop --org acme --repository URL --command ./deploy.sh[/b]

    The secret is what GitHub signs its webhook with; [b]tracker workspace list --secrets[/b] shows it again.
    """
    settings = Settings()
    engine = open_database(settings)
    migrate(engine)
    made = Recorder(engine).record_now(
        lambda ledger: create_workspace(
            ledger,
            Author(organization, CLI_SUBJECT),
            name=name,
            location=location,
            command=command,
            branch=branch,
            service=service,
            environment=environment,
            max_attempts=retries,
            time_limit_seconds=time_limit,
        )
    )
    click.echo(f"workspace: {made.id}")
    click.echo(f"secret: {made.secret}")
    hook = f"/api/workspaces/{made.id}/deployments/github-webhook"
    base = settings.public_url or "the address at which GitHub reaches the service, and then "
    click.echo(f"GitHub's webhook: {base.rstrip('/')}{hook} (application/json, the push event)", err=True)


@workspace.command("list")
@organization_option
@click.option("--secrets", is_flag=True, help="With the deployment secrets.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with all that is set.")
def list_all(organization: str, secrets: bool, as_json: bool) -> None:
    """Show an organization's workspaces."""
    engine = migrated_database(Settings())
    with engine.connect() as connection:
        found = list_workspaces(connection, organization)
    if as_json:
        hidden = {"created_at", "event", "event_at", *(() if secrets else ("secret",))}
        shown = [{k: v for k, v in asdict(one).items() if k not in hidden} for one in found]
        click.echo(json.dumps(shown, indent=2))
        return
    table = DataTable()
    columns = ["name", "id", "repository", "branch", "command", *(["secret"] if secrets else [])]
    for column in columns:
        table.add_column(column, overflow="fold")
    for one in found:
        cells = [one.name, one.id, one.repository.path, one.branch, one.command]
        table.add_row(*cells, *([one.secret] if secrets else []))
    Terminal().print(table)


@workspace.command()
@click.argument("name")
@organization_option
@click.option("--yes", "-y", is_flag=True, help="Without asking.")
def remove(name: str, organization: str, yes: bool) -> None:
    """Remove a workspace with its jobs and their logs; what is under way is stopped."""
    engine = migrated_database(Settings())
    with engine.connect() as connection:
        found = [one for one in list_workspaces(connection, organization) if one.name == name]
    if not found:
        raise CommandFailed(f"{organization} has no workspace {name}")
    if not yes:
        click.confirm("Its jobs and their logs are removed too; what was recorded stays. Go on?", abort=True)

    def act(ledger: Ledger) -> None:
        end_all(ledger, found[0])
        remove_workspace(ledger, found[0])

    Recorder(engine).record_now(act)
    click.echo(f"Removed {name}.")
