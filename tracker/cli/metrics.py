"""`tracker metrics`: the figures and what made them, as tables or as JSON."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

import msgspec
import rich_click as click
from pydantic.fields import FieldInfo

from metrics.api.answers import explanation_body, profiles_body, summary_body
from metrics.definitions.base import MetricName
from metrics.definitions.catalog import CATALOG, load_registered
from metrics.domain.errors import ParameterError
from metrics.domain.settings import OrganizationSettings
from metrics.engine.organizations import OrganizationStores
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session
from tracker.cli.common import CommandFailed, migrated_database, organization_option, require_organization
from tracker.cli.terminal import print_answers, print_explanation, print_profiles
from tracker.records.following import followed
from tracker.settings import Settings

if TYPE_CHECKING:
    from metrics.output.chart_theme import Theme


def _option(name: str, field: FieldInfo) -> Callable[[Any], Any]:
    """The option of a parameter of the HTTP interface, with its name, description and default."""
    called, option = field.alias or name, f"--{(field.alias or name).replace('_', '-')}"
    if field.annotation is bool:
        return click.option(option, called, is_flag=True, help=field.description)
    multiple = get_origin(field.annotation) is tuple
    return click.option(option, called, multiple=multiple, metavar=field.title, help=field.description)


_QUESTION_OPTIONS = (
    organization_option,
    *(_option(name, field) for name, field in MetricParameters.model_fields.items()),
    click.option("--json", "as_json", is_flag=True, help="Print what the HTTP endpoint answers."),
)


class _Metric(click.ParamType[str]):
    """The name of a metric: one of the five, or of those that are registered."""

    name = "metric"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        load_registered()
        if value not in CATALOG:
            self.fail(f"{value!r} is not one of {', '.join(CATALOG)}.", param, ctx)
        return value


_METRIC = _Metric()


def _question_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_QUESTION_OPTIONS):
        command = option(command)
    return command


class _MetricsGroup(click.RichGroup):
    """A group whose first argument may be a metric: then `show` is what is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_MetricsGroup)
def metrics() -> None:
    """Show the DORA metrics of an organization, or what made one of them.

    [b]tracker metrics --org acme --from 2026-01-01 --to 2026-04-01 --tz Europe/Berlin[/b]

    [b]tracker metrics explain change_failure_rate --org acme[/b]

    [b]tracker metrics profiles change_failure_rate --org acme[/b]

    [b]tracker metrics chart lead_time_for_changes --org acme -o lead-time.svg[/b]

    Where no other is named, [b]show[/b] is meant. Works with and without a running service.
    """


@metrics.command()
@click.argument("names", nargs=-1, metavar="[METRIC]...", type=_METRIC)
@_question_options
def show(names: Sequence[str], organization: str, as_json: bool, **given: Any) -> None:
    """Show the metrics: all five, or those that are named."""
    wanted = names or list(MetricName)
    with _session(organization, given) as (parameters, session):
        answers = session.answers(parameters, wanted)
    if as_json:
        _print_json(summary_body(answers))
    else:
        print_answers(organization, answers)


@metrics.command()
@click.argument("name", metavar="METRIC", type=_METRIC)
@_question_options
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Rows shown at most.")
@click.option("--left-out", is_flag=True, help="Only what is left out, and why.")
def explain(name: str, organization: str, as_json: bool, limit: int, left_out: bool, **given: Any) -> None:
    """Show what made a metric: the rows counted, with their links, and the rows left out, with the reason."""
    with _session(organization, given) as (parameters, session):
        explained = session.explanation(parameters, name, limit=limit, only_left_out=left_out)
    if as_json:
        _print_json(explanation_body(explained))
    else:
        print_explanation(organization, explained)


@metrics.command()
@click.argument("name", metavar="METRIC", type=_METRIC)
@_question_options
def profiles(name: str, organization: str, as_json: bool, **given: Any) -> None:
    """Show a metric by the rules of each profile, side by side, with what differs."""
    if given["profile"] is not None:
        raise click.BadParameter("is not for this: all are shown", param_hint="--profile")
    for name_of_more in ("interval", "group_by", "compare"):
        if given[name_of_more] and not as_json:
            hint = f"--{name_of_more.replace('_', '-')}"
            raise click.BadParameter("is shown with --json alone", param_hint=hint)
    with _session(organization, given) as (parameters, session):
        answers = session.profiles(parameters, name)
    if as_json:
        _print_json(profiles_body(answers))
    else:
        print_profiles(answers)


@metrics.command()
@click.argument("name", metavar="METRIC", type=_METRIC)
@_question_options
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file: .svg or .png.",
)
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True)
def chart(name: str, organization: str, as_json: bool, output: Path, theme: "Theme", **given: Any) -> None:
    """Draw a metric: the chart that the page shows, by week where no interval is named."""
    # Altair and the renderer, for charts alone.
    from metrics.output.chart_theme import PALETTES
    from metrics.output.charts import metric_chart
    from metrics.output.drawing import png_picture, svg_picture

    if as_json or output.suffix not in (".svg", ".png"):
        raise click.BadParameter("must end in .svg or .png", param_hint="--output")
    if given["interval"] is None and given["group_by"] is None:
        given["interval"] = "week"
    with _session(organization, given) as (parameters, session):
        (answer,) = session.answers(parameters, [name])
    try:
        drawn = metric_chart(answer, PALETTES[theme])
    except ValueError as error:
        raise CommandFailed(str(error)) from None
    output.write_bytes(png_picture(drawn) if output.suffix == ".png" else svg_picture(drawn).encode())
    click.echo(f"Wrote {output}.")


@contextmanager
def _session(organization: str, given: Mapping[str, Any]) -> Iterator[tuple[MetricParameters, Session]]:
    with _naming_options():
        parameters = MetricParameters.of({name: value for name, value in given.items() if value is not None})
        # Before the database is looked for: what is wrong with the command line is said first.
        parameters.question(organization, OrganizationSettings(), now=datetime.now(UTC))
        settings = Settings()
        engine = migrated_database(settings)
        with engine.connect() as connection:
            require_organization(connection, organization)
        engine.dispose()
        with OrganizationStores(
            followed(settings),
            settings.stores_dir,
            threads=settings.store_threads,
        ) as stores:
            yield parameters, Session(stores.of(organization), organization)


def _print_json(body: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(body), indent=2))


@contextmanager
def _naming_options() -> Iterator[None]:
    """Report what is wrong with a parameter as what is wrong with its option."""
    try:
        yield
    except ParameterError as error:
        name, detail = error.errors[0]
        raise click.BadParameter(detail, param_hint=f"--{name.replace('_', '-')}") from None
