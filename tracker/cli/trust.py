"""`tracker trust`: the issuers of OIDC tokens whose jobs may record, without a secret."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from metrics.domain.errors import Refusal
from tracker.auth.issuers import KINDS
from tracker.auth.issuers.base import IssuerKind
from tracker.auth.trusts import TrustedIssuer, add_trust, list_trusts, remove_trust
from tracker.cli.common import (
    CLI_SUBJECT,
    CommandFailed,
    ensure_first_organization,
    migrated_database,
    organization_option,
    require_organization,
)
from tracker.cli.console import printable
from tracker.organizations.trusts import NewTrust
from tracker.records.engine import write_transaction
from tracker.settings import Settings


@click.group()
def trust() -> None:
    """Let pipelines record with the token that their CI system gives them, in place of a secret.

    [b]tracker trust add --org acme github --owner acme --environments production,staging[/b]
    """


@trust.group()
@organization_option
@click.pass_context
def add(context: click.Context, organization: str) -> None:
    """Trust an issuer, for the jobs that its claims name. In force within five seconds."""
    context.obj = organization


@trust.command("list")
@organization_option
def list_known(organization: str) -> None:
    """List the issuers that are trusted."""
    engine = migrated_database(Settings())
    with engine.connect() as connection:
        require_organization(connection, organization)
    for one in list_trusts(engine, organization):
        click.echo(printable("\n  ".join(_lines(one))))


def _lines(one: TrustedIssuer) -> list[str]:
    """What is trusted, whose jobs, for what, and since when."""
    claims = ", ".join(f"{name}={' or '.join(texts)}" for name, texts in one.claims.items())
    allowed = ("by pull requests too", one.allow_pull_requests), ("any commit", one.allow_any_commit)
    reach = "whichever repository is proved" if one.repositories is None else ", ".join(one.repositories)
    environments = "all environments" if one.environments is None else ", ".join(one.environments)
    used = f"last used {one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never used"
    return [
        f"{one.id}  {one.kind}  {one.issuer}",
        f"jobs with {claims}" if claims else "all its jobs",
        ", ".join([f"record {reach} into {environments}", *(name for name, is_so in allowed if is_so)]),
        f"added {one.created_at:%Y-%m-%d} by {one.created_by}, {used}",
    ]


@trust.command()
@click.argument("trust_id", metavar="ID")
@organization_option
def remove(trust_id: str, organization: str) -> None:
    """Trust an issuer no longer. In force within five seconds."""
    engine = migrated_database(Settings())
    with write_transaction(engine) as connection:
        remove_trust(connection, organization, trust_id)
    click.echo(f"No longer trusted: {trust_id}.")


_COMMON = (
    click.option("--repositories", multiple=True, metavar="PATTERN", help="Only these, comma-separated."),
    click.option(
        "--environments", multiple=True, metavar="PATTERN", help="Only into these; comma-separated."
    ),
    click.option(
        "--claim",
        "claims",
        multiple=True,
        metavar="NAME=PATTERN",
        help="A claim that must be so; repeatable.",
    ),
    click.option("--audience", help="What its tokens may be meant for, beside the service's own URL."),
    click.option(
        "--jwks",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file with the issuer's keys, where they cannot be fetched.",
    ),
    click.option(
        "--allow-pull-requests",
        is_flag=True,
        help="Jobs that a pull request has set off record production too.",
    ),
    click.option(
        "--allow-any-commit",
        is_flag=True,
        help="Its jobs deploy other commits than the one that they run for.",
    ),
)


def _command(kind: IssuerKind) -> click.Command:
    """`tracker trust add … KIND`, with the options of the kind."""

    @click.pass_obj
    def command(organization: str, /, **options: Any) -> None:
        body = _body(kind, options)
        try:
            trusted = NewTrust.parse(msgspec.json.encode(body)).trust(organization, CLI_SUBJECT)
        except Refusal as refusal:
            wrong = "; ".join(f"--{e.pointer[1:].replace('_', '-')} {e.detail}" for e in refusal.errors)
            raise click.UsageError(wrong or refusal.detail) from None
        engine = migrated_database(Settings())
        ensure_first_organization(engine, organization)
        with write_transaction(engine) as connection:
            added = add_trust(connection, trusted)
        click.echo(f"Trusted: {added.issuer}, as {added.id}.")

    own = [
        click.option(f"--{option.name}", option.name, required=option.required, help=option.help)
        for option in kind.options
    ]
    made: Callable[..., Any] = command
    for option in reversed([*own, *_COMMON]):
        made = option(made)
    return click.command(kind.name, help=f"Trust {kind.title}.")(made)


def _body(kind: IssuerKind, options: dict[str, Any]) -> dict[str, Any]:
    """The trust as the interface takes it. Raises `click.UsageError`, `CommandFailed`."""
    claims: dict[str, list[str]] = {}
    for one in options["claims"]:
        name, equals, text = one.partition("=")
        if not equals:
            raise click.UsageError(f"--claim {one}: write NAME=PATTERN, as in ref_protected=true")
        claims.setdefault(name.strip(), []).append(text)
    body = {
        "kind": kind.name,
        **{option.name: options[option.name] for option in kind.options},
        "claims": claims or None,
        "repositories": _listed(options["repositories"]),
        "environments": _listed(options["environments"]),
        "audience": options["audience"],
        "jwks": None if options["jwks"] is None else _key_set(options["jwks"]),
        "allow_pull_requests": options["allow_pull_requests"] or None,
        "allow_any_commit": options["allow_any_commit"] or None,
    }
    return {name: value for name, value in body.items() if value is not None}


def _listed(given: tuple[str, ...]) -> list[str] | None:
    """The names, comma-separated or one by one; an empty one stays, to be refused: it must not mean "all"."""
    return [part.strip() for one in given for part in one.split(",")] or None


def _key_set(file: Path) -> Any:
    try:
        return msgspec.json.decode(file.read_bytes())
    except msgspec.DecodeError as error:
        raise CommandFailed(f"{file} is no JSON: {error}") from None


for _kind in KINDS.values():
    add.add_command(_command(_kind))
