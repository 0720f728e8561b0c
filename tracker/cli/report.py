"""`tracker report`: the report of a month as a file, or by mail."""

import smtplib
import ssl
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import rich_click as click
from sqlalchemy import Engine

from metrics.engine.organizations import OrganizationStores
from tracker.auth.callers import Authenticator, Caller
from tracker.auth.keys import load_or_create_keys
from tracker.auth.tokens import Claims, Scope
from tracker.cli.common import (
    CLI_SUBJECT,
    CommandFailed,
    check_organization,
    migrated_database,
    only_organization,
    require_organization,
)
from tracker.pages.report import read_month, report_html, zone_asked
from tracker.records.following import followed
from tracker.records.recorder import Recorder
from tracker.settings import Settings, SmtpSecurity
from tracker.web.state import Service

_TIMEOUT_SECONDS = 30
_FILTERS = ("team", "repository", "service", "environment")


@click.command()
@click.option(
    "--org",
    "organization",
    metavar="SLUG",
    callback=lambda context, parameter, slug: slug and check_organization(context, parameter, slug),
    help="The organization; the only one where it is not given.",
)
@click.option("--month", metavar="YYYY-MM", help="The month; default the last whole one.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file; - is standard output.",
)
@click.option("--mail", "recipients", multiple=True, metavar="ADDRESS", help="Send it there; repeatable.")
@click.option("--tz", metavar="ZONE", help="IANA time zone; default the organization's.")
@click.option("--team", multiple=True, metavar="NAME", help="Repeatable.")
@click.option("--repository", multiple=True, metavar="PATTERN", help="Repeatable.")
@click.option("--service", multiple=True, metavar="NAME", help="Repeatable.")
@click.option("--environment", multiple=True, metavar="NAME", help="Default the production environments.")
def report(
    organization: str | None,
    month: str | None,
    output: Path | None,
    recipients: tuple[str, ...],
    tz: str | None,
    **filters: tuple[str, ...],
) -> None:
    """Write the report of a month: one file that reads in any browser and prints on two pages.

    [b]tracker report --org acme --month 2026-06 -o june.html[/b]

    [b]tracker report --org acme --mail lead@acme.example[/b] sends the last month, as a cron line may on
    the first of each. The mail server is TRACKER_SMTP_HOST and its like.
    """
    if output is None and not recipients:
        raise click.UsageError("say where it goes: --output FILE or --mail ADDRESS")
    settings = Settings()
    if recipients:
        _require_mail(settings)
    engine = migrated_database(settings)
    organization = organization or only_organization(engine)
    if organization is None:
        raise click.UsageError("say which organization, as in --org acme")
    first = read_month(month, datetime.now(UTC), zone_asked(engine, organization, tz))
    pairs = [(name, text) for name in _FILTERS for text in filters[name]] + ([("tz", tz)] if tz else [])
    html = _render(settings, engine, organization, first, pairs)
    name = f"{organization}-{first:%Y-%m}.html"
    if output is not None:
        if str(output) == "-":
            click.echo(html)
        else:
            output.write_text(html, encoding="utf-8")
            click.echo(f"Wrote {output}.")
    if recipients:
        _send(settings, recipients, f"Delivery in {first:%B %Y}, {organization}", html, name)
        click.echo(f"Sent to {', '.join(recipients)}.")


def _render(
    settings: Settings, engine: Engine, organization: str, first: date, pairs: list[tuple[str, str]]
) -> str:
    with engine.connect() as connection:
        require_organization(connection, organization)
    # As an admin of the organization sees it.
    claims = Claims(
        CLI_SUBJECT,
        organization,
        frozenset({Scope.ADMIN}),
        CLI_SUBJECT,
        (datetime.now(UTC) + timedelta(hours=1)).timestamp(),
    )
    with OrganizationStores(followed(settings)) as stores:
        service = Service(
            settings,
            engine,
            Recorder(engine),
            Authenticator(load_or_create_keys(settings)),
            stores,
            address=settings.base_of(f"http://{settings.host}:{settings.port}"),
        )
        return report_html(service, Caller(claims), first, pairs)


def _require_mail(settings: Settings) -> None:
    """Raises `CommandFailed` where it is not said how mail is sent."""
    missing = [
        f"TRACKER_{name.upper()}" for name in ("smtp_host", "smtp_from") if getattr(settings, name) is None
    ]
    if missing:
        raise CommandFailed(f"mail needs {' and '.join(missing)}")


def _send(settings: Settings, recipients: tuple[str, ...], subject: str, html: str, name: str) -> None:
    """Send the report as an attachment: mail programs show no page as it is. Raises `CommandFailed`."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.smtp_from, ", ".join(recipients), subject
    message.set_content(f"{subject}: the report is attached, and opens in any browser.\n")
    message.add_attachment(html, subtype="html", filename=name)
    assert settings.smtp_host is not None
    try:
        with _connected(settings.smtp_host, settings.smtp_port, settings.smtp_security) as server:
            if settings.smtp_user is not None and settings.smtp_password is not None:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            server.send_message(message)
    except (smtplib.SMTPException, OSError) as failure:
        raise CommandFailed(f"the mail server {settings.smtp_host} did not take it: {failure}") from failure


def _connected(host: str, port: int, security: SmtpSecurity) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if security is SmtpSecurity.TLS:
        return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_SECONDS, context=context)
    server = smtplib.SMTP(host, port, timeout=_TIMEOUT_SECONDS)
    if security is SmtpSecurity.STARTTLS:
        server.starttls(context=context)
    return server
