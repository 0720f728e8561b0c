"""`tracker login-link`: a link that signs one browser in, once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

import rich_click as click

from tracker.auth.keys import load_or_create_keys
from tracker.auth.sessions import LINK_LIFETIME, mint_login_code
from tracker.auth.tokens import Scope
from tracker.cli.common import migrated_database, organization_option, require_organization
from tracker.cli.tokens import read_patterns, read_scopes
from tracker.settings import Settings


@click.command()
@organization_option
@click.option(
    "--scope",
    default="admin",
    show_default=True,
    help="What the session may do: metrics:read and deployments:read to look, admin to change things.",
)
@click.option("--subject", default="login-link", show_default=True, help="Who will use it; in the history.")
@click.option(
    "--repositories",
    multiple=True,
    metavar="OWNER/NAME",
    help="Limit it to repositories, a * at the end allowed; repeatable or comma-separated.",
)
def login_link(organization: str, scope: str, subject: str, repositories: tuple[str, ...]) -> None:
    """Print a link that signs one browser in to the page, once, within fifteen minutes.

    [b]tracker login-link --org acme[/b]

    The session ends after twelve hours. The address is TRACKER_PUBLIC_URL, else where the service listens.
    """
    settings = Settings()
    engine = migrated_database(settings)
    with engine.connect() as connection:
        require_organization(connection, organization)
    code = new_login_code(
        settings,
        organization,
        subject=subject,
        scopes=read_scopes(scope),
        repositories=read_patterns(repositories),
    )
    click.echo(login_url(settings.base_of(f"http://{settings.host}:{settings.port}"), code))
    minutes = int(LINK_LIFETIME.total_seconds() // 60)
    click.echo(f"It works once, within {minutes} minutes.", err=True)


def new_login_code(
    settings: Settings,
    organization: str,
    *,
    subject: str = "login-link",
    scopes: Sequence[Scope] = (Scope.ADMIN,),
    repositories: tuple[str, ...] = (),
) -> str:
    """The code of a login link. Raises `KeyRingError`."""
    return mint_login_code(
        load_or_create_keys(settings),
        organization=organization,
        subject=subject,
        scopes=scopes,
        now=datetime.now(UTC),
        repositories=repositories,
    )


def login_url(base_url: str, code: str) -> str:
    """The address of a login link."""
    return f"{base_url}/login?{urlencode({'code': code})}"
