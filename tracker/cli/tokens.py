"""`tracker token` and what is done to tokens: `list`, `renew`, `revoke`."""

from datetime import timedelta

import jwt
import rich_click as click

from metrics.domain.fields import LONGEST_NAME
from tracker.auth.keys import load_or_create_keys
from tracker.auth.register import expiring_tokens, is_known, list_tokens, mint_registered, renew_registered
from tracker.auth.register import revoke as revoke_id
from tracker.auth.tokens import REPOSITORY_PATTERN, Scope, verify
from tracker.cli.common import (
    CLI_SUBJECT,
    CommandFailed,
    check_organization,
    ensure_first_organization,
    make_organization,
    migrated_database,
    open_database,
    organization_option,
    require_organization,
)
from tracker.cli.token_table import print_tokens
from tracker.errors import Unauthenticated
from tracker.records.engine import write_transaction
from tracker.records.migrations import migrate
from tracker.settings import Settings


@click.group(invoke_without_command=True)
@click.option(
    "--org",
    "organization",
    metavar="SLUG",
    help="The organization; the first one comes into being with its first token.",
)
@click.option("--scope", help=f"Space-separated, of {', '.join(Scope)}.")
@click.option(
    "--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How long it is valid."
)
@click.option("--subject", default="cli", show_default=True, help="Who will use it; shown in the history.")
@click.option("--create", is_flag=True, help="Make the organization, where there are others already.")
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
    create: bool,
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
    if create:
        make_organization(engine, slug)
    else:
        ensure_first_organization(engine, slug)
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
@click.argument("given", metavar="TOKEN_OR_JTI")
@click.option("--unknown", is_flag=True, help="An id that is not known here too: of a token made elsewhere.")
def revoke(given: str, unknown: bool) -> None:
    """Stop honouring a token: the token itself, or the jti that it carries, as the list shows it.

    Every running service honours this within five seconds. A token that is given is not written down.
    """
    settings = Settings()
    engine = migrated_database(settings)
    token_id = _id_of(given.strip())
    with write_transaction(engine) as connection:
        if not (unknown or is_known(connection, token_id) or _is_own(given.strip(), settings)):
            raise CommandFailed(f"no token {token_id} is known here; see 'tracker token list --org SLUG'")
        was_honoured = revoke_id(connection, token_id)
    click.echo(f"Revoked {token_id}." if was_honoured else f"{token_id} was revoked already.")


def _is_own(given: str, settings: Settings) -> bool:
    """Whether a token that is given is one of ours: the register may learn of it after its first use only."""
    try:
        verify(given, load_or_create_keys(settings))
    except Unauthenticated:
        return False
    return True


def _id_of(given: str) -> str:
    """The id that is meant by a token or by an id. Raises `CommandFailed`."""
    if given.count(".") == 2:
        try:
            said = jwt.decode(given, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise CommandFailed("that is no token") from None
        given = str(said.get("jti", ""))
    if not (0 < len(given) <= LONGEST_NAME and given.isprintable() and " " not in given):
        raise CommandFailed("give the token, or the jti that it carries")
    return given


@token.command()
@click.argument("token_ids", nargs=-1, metavar="[JTI]...")
@click.option(
    "--days", type=click.IntRange(1, 3650), help="How long it is valid. Default: as long as the one before."
)
@click.option("--expiring", is_flag=True, help="Every token in use that expires within 14 days.")
@click.option(
    "--org", "organization", metavar="SLUG", help="With --expiring: only those of the organization."
)
@click.option("--revoke", "revokes", is_flag=True, help="Stop honouring the tokens that are renewed.")
def renew(
    token_ids: tuple[str, ...], days: int | None, expiring: bool, organization: str | None, revokes: bool
) -> None:
    """Make a new token in the place of one that is known, for the same holder, with the same scope and reach.

    Of one JTI it prints the new token and nothing else. Of several, or with --expiring, it prints a line for
    each: organization, holder, the old JTI and the new token, separated by tabs, for a script that hands them
    out. All are renewed, or none. Those of before stay valid until they expire, unless --revoke.
    """
    settings = Settings()
    engine = migrated_database(settings)
    known = {one.id: one for one in expiring_tokens(engine)} if expiring else {}
    wanted = [*token_ids, *(one.id for one in known.values() if organization in (None, one.organization))]
    if not wanted and not expiring:
        raise click.UsageError("name the token to renew by its JTI, or all that expire soon by --expiring")
    ring, lifetime = load_or_create_keys(settings), None if days is None else timedelta(days=days)
    lines = []
    with write_transaction(engine) as connection:
        for token_id in dict.fromkeys(wanted):
            minted = renew_registered(connection, ring, token_id, lifetime=lifetime, minted_by=CLI_SUBJECT)
            claims = verify(minted, ring)
            lines.append("\t".join((claims.organization, claims.subject, token_id, minted)))
            if revokes:
                revoke_id(connection, token_id)
    is_one = len(token_ids) == 1 and not expiring
    click.echo(minted if is_one else "\n".join(lines), nl=bool(lines))


@token.command("list")
@organization_option
def list_known(organization: str) -> None:
    """List the organization's tokens: who has one, what it allows, until when, when it was used last."""
    engine = migrated_database(Settings())
    with engine.connect() as connection:
        require_organization(connection, organization)
    print_tokens(list_tokens(engine, organization))
