"""`tracker token`, `tracker token list` and `tracker token revoke`."""

from datetime import timedelta

import rich_click as click

from tracker.auth.keys import load_or_create_keys
from tracker.auth.register import list_tokens, mint_registered
from tracker.auth.register import revoke as revoke_id
from tracker.auth.tokens import REPOSITORY_PATTERN, Scope
from tracker.cli.common import (
    CLI_SUBJECT,
    check_organization,
    migrated_database,
    open_database,
    organization_option,
    require_organization,
)
from tracker.cli.token_table import print_tokens
from tracker.records.engine import write_transaction
from tracker.records.migrations import migrate
from tracker.records.recorder import Recorder
from tracker.settings import Settings


@click.group(invoke_without_command=True)
@click.option(
    "--org",
    "organization",
    metavar="SLUG",
    help="The organization; it comes into being with its first token.",
)
@click.option("--scope", help="Space-separated: deployments:write, deployments:read, metrics:read, admin.")
@click.option(
    "--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How long it is valid."
)
@click.option("--subject", default="cli", show_default=True, help="Who will use it; shown in the history.")
@click.option(
    "--repositories",
    multiple=True,
    metavar="OWNER/NAME",
    help="Limit it to repositories, a * at the end allowed; repeatable or comma-separated.",
)
@click.pass_context
def token(
    context: click.Context,
    organization: str | None,
    scope: str | None,
    days: int,
    subject: str,
    repositories: tuple[str, ...],
) -> None:
    """Print a new token, and nothing else, on standard output.

    [b]tracker token --org acme --scope "deployments:write"[/b]

    Works while the service runs. The token cannot be shown again; revoke it by its jti.
    """
    if context.invoked_subcommand is not None:
        return
    if organization is None or scope is None:
        raise click.UsageError("--org and --scope are needed, as in --org acme --scope deployments:write")
    slug = check_organization(context, context.command.params[0], organization)
    scopes, patterns = read_scopes(scope), read_patterns(repositories)
    settings = Settings()
    engine = open_database(settings)
    migrate(engine)
    Recorder(engine).record_now(lambda ledger: ledger.ensure_organization(slug))
    ring = load_or_create_keys(settings)
    with write_transaction(engine) as connection:
        minted = mint_registered(
            connection,
            ring,
            organization=slug,
            subject=subject,
            scopes=scopes,
            lifetime=timedelta(days=days),
            minted_by=CLI_SUBJECT,
            repositories=patterns,
        )
    click.echo(minted)


def read_patterns(given: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns to limit the token to. Raises `click.BadParameter`: an empty one must not mean "all"."""
    patterns = tuple(name.strip() for group in given for name in group.split(","))
    for pattern in patterns:
        if not REPOSITORY_PATTERN.fullmatch(pattern):
            raise click.BadParameter(
                f"{pattern or 'an empty name'} is no owner/name, owner/* or *", param_hint="--repositories"
            )
    return patterns


def read_scopes(text: str) -> list[Scope]:
    names = text.replace(",", " ").split()
    unknown = [name for name in names if name not in set(Scope)]
    if unknown or not names:
        raise click.BadParameter(f"one or more of {', '.join(Scope)}", param_hint="--scope")
    return [Scope(name) for name in names]


@token.command()
@click.argument("token_id", metavar="JTI")
def revoke(token_id: str) -> None:
    """Stop honouring a token, by the jti that it carries.

    Every running service honours this within five seconds.
    """
    engine = migrated_database(Settings())
    with write_transaction(engine) as connection:
        revoke_id(connection, token_id)
    click.echo(f"Revoked {token_id}.")


@token.command("list")
@organization_option
def list_known(organization: str) -> None:
    """List the organization's tokens: who has one, what it allows, until when, when it was used last."""
    engine = migrated_database(Settings())
    with engine.connect() as connection:
        require_organization(connection, organization)
    print_tokens(list_tokens(engine, organization))
