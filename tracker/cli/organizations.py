"""`tracker organization`: which there are, and a further one."""

import rich_click as click
from sqlalchemy import select

from tracker.cli.common import check_organization, make_organization, migrated_database
from tracker.records.tables import ORGANIZATIONS
from tracker.settings import Settings


@click.group()
def organization() -> None:
    """List the organizations, and make a further one: the first comes into being with its first token."""


@organization.command("list")
def list_organizations() -> None:
    """The organizations, one a line."""
    with migrated_database(Settings()).connect() as connection:
        for slug in connection.scalars(select(ORGANIZATIONS.c.slug).order_by(ORGANIZATIONS.c.slug)):
            click.echo(slug)


@organization.command()
@click.argument("slug", callback=check_organization)
def create(slug: str) -> None:
    """Make an organization, where it is not there."""
    make_organization(migrated_database(Settings()), slug)
    click.echo(f"{slug} is there.")
