"""`tracker metrics`: the figures, as a table or as JSON."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table

from metrics.api.endpoints import Reader, answer, answer_body
from metrics.catalog import CATALOG, MetricName, Unit
from metrics.errors import ParameterError
from metrics.parameters import MetricParameters
from metrics.question import Answer, Point
from metrics.records import OrganizationSettings
from metrics.rows import (
    ChangeFailureRate,
    DeploymentFrequency,
    DeploymentReworkRate,
    LeadTimeForChanges,
    MeanTimeToRecover,
    MetricRow,
)
from metrics.store import Store
from tracker.commands.common import migrated_database, organization_option
from tracker.database import follow
from tracker.settings import Settings


@click.command()
@click.argument(
    "names", nargs=-1, metavar="[METRIC]...", type=click.Choice([name.value for name in MetricName])
)
@organization_option
@click.option("--from", "from_", metavar="DATE", help="Date or instant; default 91 days before --to.")
@click.option("--to", metavar="DATE", help="Date or instant, not included; default now.")
@click.option("--tz", help="IANA time zone of dates; default the organization's.")
@click.option("--environment", multiple=True, help="Default: production environments; repeatable.")
@click.option("--repository", multiple=True, metavar="OWNER/NAME", help="Repeatable.")
@click.option("--service", multiple=True, help="Repeatable.")
@click.option("--team", multiple=True, help="Repeatable.")
@click.option("--label", multiple=True, metavar="KEY:VALUE", help="Repeatable; all must hold.")
@click.option("--interval", help="A series by day, week, month or quarter.")
@click.option("--group-by", metavar="DIMENSION", help="repository, service, team, environment or branch.")
@click.option("--compare", is_flag=True, help="Beside the window of equal length just before.")
@click.option("--failure-signals", metavar="LIST", help="Of incident,rollback,hotfix,fix,status.")
@click.option("--json", "as_json", is_flag=True, help="Print what the HTTP endpoint answers.")
def metrics(
    names: Sequence[str],
    organization: str,
    from_: str | None,
    to: str | None,
    tz: str | None,
    environment: tuple[str, ...],
    repository: tuple[str, ...],
    service: tuple[str, ...],
    team: tuple[str, ...],
    label: tuple[str, ...],
    interval: str | None,
    group_by: str | None,
    compare: bool,
    failure_signals: str | None,
    as_json: bool,
) -> None:
    """Show the DORA metrics of an organization: all five, or those that are named.

    [b]tracker metrics --org acme --from 2026-01-01 --to 2026-04-01 --tz Europe/Berlin[/b]

    Works with and without a running service.
    """
    given = {
        "from": from_,
        "to": to,
        "tz": tz,
        "environment": environment,
        "repository": repository,
        "service": service,
        "team": team,
        "label": label,
        "interval": interval,
        "group_by": group_by,
        "compare": compare,
        "failure_signals": failure_signals,
    }
    with _naming_options():
        parameters = MetricParameters.of({name: value for name, value in given.items() if value is not None})
        # Before the database is looked for: what is wrong with the command line is said first.
        parameters.question(organization, OrganizationSettings(), now=datetime.now(UTC))
    settings = Settings()
    migrated_database(settings).dispose()
    wanted = [MetricName(name) for name in names] or list(MetricName)
    with Store(follow(settings.record_database_url), settings.stores_dir) as store, _naming_options():
        answers = answer(parameters, Reader(organization, visible=None), store, wanted)
    if as_json:
        body = {one.metric: answer_body(one) for one in answers}
        click.echo(msgspec.json.format(msgspec.json.encode({"metrics": body}), indent=2))
    else:
        _print_table(organization, answers)


@contextmanager
def _naming_options() -> Iterator[None]:
    """Makes of what is wrong with a parameter what is wrong with its option."""
    try:
        yield
    except ParameterError as error:
        name, detail = error.errors[0]
        raise click.BadParameter(detail, param_hint=f"--{name.replace('_', '-')}") from None


def _print_table(organization: str, answers: Sequence[Answer]) -> None:
    window, zone = answers[0].question.window, answers[0].question.zone
    table = Table(
        title=f"{organization}: {window.from_at.astimezone(zone):%Y-%m-%d %H:%M} to "
        f"{window.to_at.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})",
        title_justify="left",
    )
    table.add_column("metric")
    table.add_column("value", justify="right")
    if answers[0].previous is not None:
        table.add_column("before", justify="right")
    table.add_column("out of")
    for one in answers:
        previous = [] if one.previous is None else [_value(one.previous.row, one.unit)]
        table.add_row(CATALOG[one.metric].title, _value(one.row, one.unit), *previous, _detail(one))
    Console().print(table)
    if answers[0].question.interval is not None:
        _print_series(answers)
    if answers[0].question.group_by is not None:
        _print_groups(answers)


def _print_groups(answers: Sequence[Answer]) -> None:
    """A table with a row for each group and a column for each metric."""
    dimension = answers[0].question.group_by
    assert dimension is not None
    table = Table(title=f"by {dimension}", title_justify="left")
    table.add_column(dimension.value, overflow="fold")
    for one in answers:
        table.add_column(_SHORT_TITLES[one.metric], justify="right", no_wrap=True)
    for groups in zip(*(one.groups for one in answers), strict=True):
        values = [_value(group.row, one.unit) for group, one in zip(groups, answers, strict=True)]
        table.add_row(groups[0].name or "(none)", *values)
    Console().print(table)


def _print_series(answers: Sequence[Answer]) -> None:
    """A table with a row for each bucket and a column with a bar for each metric."""
    zone = answers[0].question.zone
    table = Table(title=f"by {answers[0].question.interval}", title_justify="left")
    table.add_column("from")
    for one in answers:
        table.add_column(_SHORT_TITLES[one.metric])
    for points in zip(*(one.series for one in answers), strict=True):
        start = f"{points[0].window.from_at.astimezone(zone):%Y-%m-%d}"
        cells = [_bar(point, one) for point, one in zip(points, answers, strict=True)]
        table.add_row(start + (" …" if points[0].window.is_partial else ""), *cells)
    Console().print(table)


def _bar(point: Point, answer: Answer) -> str:
    """A value with a bar of its share of the largest in the series."""
    value = point.row.value
    largest = max((one.row.value or 0 for one in answer.series), default=0)
    length = 0 if value is None or not largest else round(value / largest * _LONGEST_BAR)
    return f"{_value(point.row, answer.unit)}\n{'▇' * length}"


_LONGEST_BAR = 8
_SHORT_TITLES = {
    MetricName.DEPLOYMENT_FREQUENCY: "frequency",
    MetricName.LEAD_TIME_FOR_CHANGES: "lead time",
    MetricName.CHANGE_FAILURE_RATE: "failure rate",
    MetricName.MEAN_TIME_TO_RECOVER: "recovery",
    MetricName.DEPLOYMENT_REWORK_RATE: "rework rate",
}


def _value(row: MetricRow, unit: Unit) -> str:
    value = row.value
    if value is None:
        return str(row.reason).replace("_", " ")
    match unit:
        case Unit.PER_DAY:
            return f"{value:.2f} a day"
        case Unit.RATIO:
            return f"{value:.1%}"
        case Unit.SECONDS:
            return duration(value)


def _detail(answer: Answer) -> str:
    match answer.row:
        case DeploymentFrequency() as row:
            weekly = row.median_days_per_week
            typical = "" if weekly is None else f"; {weekly:g} days in a typical week"
            return f"{row.deployments} deployments on {row.deployment_days} days{typical}"
        case ChangeFailureRate() | DeploymentReworkRate() as row:
            signals = ", ".join(f"{name} {count}" for name, count in row.by_signal.items() if count)
            return f"{row.numerator} of {row.denominator}" + (f" ({signals})" if signals else "")
        case MeanTimeToRecover() as row:
            median = "" if row.median is None else f"median {duration(row.median)}; "
            return f"{median}{row.recovered} recovered, {row.open} open"
        case LeadTimeForChanges() as row:
            coverage = "" if row.coverage is None else f"; {row.coverage:.0%} of deployments carry commits"
            return f"{row.commits} commits{coverage}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: the two largest units."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = timedelta(seconds=round(seconds)) // timedelta(minutes=1)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
