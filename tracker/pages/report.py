"""The report of a month: one file that can be read, mailed and printed on two pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from litestar import Response, get
from litestar.response import Redirect
from markupsafe import Markup
from pydantic import Field
from sqlalchemy import Engine

from metrics.api.documents import documents
from metrics.definitions.base import MetricName, Part
from metrics.definitions.catalog import CATALOG
from metrics.domain.errors import ParameterError
from metrics.queries.calendar import months_before
from metrics.queries.question import Answer, Dimension
from metrics.wire.query_parameters import QueryParameters, RepositoryText, Text
from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.organizations.service import zone_of
from tracker.pages.frame.access import PAGE, signed_in
from tracker.pages.frame.address import WINDOW, Address
from tracker.pages.frame.asking import Asked, ask, together
from tracker.pages.frame.controls import Controls, controls_of
from tracker.pages.frame.live import live_page
from tracker.pages.frame.shell import BARE, asset_text, file_response, now, render
from tracker.pages.parts.drawing import drawn
from tracker.pages.parts.failures import FailedDeployment, failures_of
from tracker.pages.parts.figures import Card, card_of
from tracker.pages.parts.groups import GroupTable, group_answers, group_table
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

PATH = "/api/v1/report.html"
_MOST_FAILURES = 38
_MOST_READ = 2_000
_MONTHS = 12
_FIRST_YEAR, _LAST_YEAR = 1971, 9998


class ReportParameters(QueryParameters):
    """What a report takes."""

    month: str | None = Field(None, description="As in 2026-06; default the last whole one.")
    tz: str | None = Field(None, description="IANA time zone; default the organization's.")
    environment: tuple[Text, ...] = Field((), description="Default: production environments; repeatable.")
    repository: tuple[RepositoryText, ...] = Field((), description="Repeatable.")
    service: tuple[str, ...] = Field((), description="Repeatable.")
    team: tuple[Text, ...] = Field((), description="Repeatable.")
    label: tuple[str, ...] = Field((), description="key:value; repeatable, all must hold.")


@dataclass(frozen=True, slots=True)
class Report:
    """What a report shows."""

    asked: Asked
    controls: Controls
    month: date
    previous_url: str
    next_url: str | None
    file_url: str
    cards: Sequence[Card]
    multiples: Sequence[tuple[str, Markup]]
    groups: GroupTable | None
    failures: Sequence[FailedDeployment]
    failed: int
    deployments: int
    filters: Sequence[str]

    @property
    def title(self) -> str:
        return f"{self.month:%B %Y}"

    @property
    def told(self) -> Sequence[Card]:
        return [card for card in self.cards if card.shift.told]

    @property
    def calm(self) -> Sequence[str]:
        return [card.short_title for card in self.cards if not card.shift.told]


@get(
    PATH,
    guards=[requires(Scope.METRICS_READ)],
    operation_class=documents(ReportParameters),
    sync_to_thread=True,
    media_type="text/html",
    tags=["report"],
)
def report_file(request: CallerRequest, service: Service) -> Response[bytes]:
    """The report of a month as one file that needs nothing else, and prints on two pages."""
    parameters = ReportParameters.read(request.query_params.multi_items())
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "month"]
    zone = zone_asked(service.engine, request.user.organization, parameters.tz)
    month = read_month(parameters.month, now(), zone)
    html = report_html(service, request.user, month, pairs)
    return file_response(html, f"{request.user.organization}-{month:%Y-%m}.html")


def report_html(service: Service, caller: Caller, month: date, pairs: Sequence[tuple[str, str]] = ()) -> str:
    """The report of a month as a file. Raises `ParameterError`, `RecordsUnavailable`."""
    address = _address(Address("/report", tuple(pairs)), month)
    asked = ask(service, caller, address, now())
    if asked.notices:
        raise ParameterError([("query", " ".join(asked.notices))])
    return render(
        "report_file.html", BARE, view=_report(asked, month), asked=asked, css=Markup(asset_text("style.css"))
    )


@get(
    "/report", include_in_schema=False, opt=PAGE, guards=[signed_in(Scope.METRICS_READ)], sync_to_thread=True
)
def report_page(request: CallerRequest, service: Service) -> Response[bytes] | Redirect:
    """The report of a month, to read and to take along."""
    given = Address.of("/report", request.query_params.multi_items())
    try:
        zone = zone_asked(service.engine, request.user.organization, given.first("tz"))
        month = read_month(given.first("month"), now(), zone)
    except ParameterError:
        return Redirect(str(given.having(month=None, tz=None)), status_code=303)
    return live_page(
        request, service, "report", lambda asked: _report(asked, month), address=_address(given, month)
    )


def read_month(text: str | None, moment: datetime, zone: ZoneInfo) -> date:
    """The first day of a month like 2026-06, else of the zone's last whole one. Raises `ParameterError`."""
    if text is None:
        return months_before(moment.astimezone(zone).date().replace(day=1), 1)
    try:
        if len(text) != len("2026-06"):
            raise ValueError
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise ParameterError([("month", "must be a month, as in 2026-06")]) from None
    if not _FIRST_YEAR <= month.year <= _LAST_YEAR:
        raise ParameterError([("month", f"must be of a year from {_FIRST_YEAR} to {_LAST_YEAR}")])
    return month


def zone_asked(engine: Engine, organization: str, named: str | None) -> ZoneInfo:
    """The zone that is named, else the organization's. Raises `ParameterError`."""
    if named is None:
        return zone_of(engine, organization)
    try:
        return ZoneInfo(named)
    except (KeyError, ValueError, OSError):
        raise ParameterError([("tz", "must be an IANA time zone, as in Europe/Berlin")]) from None


def _address(given: Address, month: date) -> Address:
    """The address with the month as its window."""
    window = {"from_": month.isoformat(), "to": months_before(month, -1).isoformat()}
    return given.without(WINDOW).having(**window)


def _report(asked: Asked, month: date) -> Report:
    dimension = Dimension.TEAM if asked.names.of(Dimension.TEAM) else Dimension.REPOSITORY
    chosen = MetricName.CHANGE_FAILURE_RATE
    year = {"from_": months_before(month, _MONTHS - 1).isoformat(), "to": asked.address.first("to")}
    answers, by_month, by_group, failed = together(
        lambda: asked.session.answers(asked.parameters(compare="true", interval="week"), list(MetricName)),
        lambda: asked.session.answers(
            asked.parameters(interval="month").model_copy(update=year), list(MetricName)
        ),
        lambda: group_answers(asked, dimension, chosen),
        lambda: asked.session.newest_rows(
            asked.parameters(), MetricName.MEAN_TIME_TO_RECOVER, Part.FAILED, limit=_MOST_READ
        ),
    )
    groups = group_table(asked, dimension, by_group, chosen)
    slowest = sorted(failed.rows, key=lambda row: -(row["seconds"] or float("inf")))[:_MOST_FAILURES]
    rate = next(answer for answer in answers if answer.metric is chosen).row
    own = asked.address.only(["team", "repository", "service", "environment", "tz", "label"])
    following = months_before(month, -1)
    return Report(
        asked=asked,
        controls=controls_of(asked),
        month=month,
        previous_url=str(own.at("/report", month=f"{months_before(month, 1):%Y-%m}")),
        next_url=str(own.at("/report", month=f"{following:%Y-%m}"))
        if following <= asked.clock.local(asked.clock.now).date()
        else None,
        file_url=str(own.at(PATH, month=f"{month:%Y-%m}")),
        cards=[card_of(answer) for answer in answers],
        multiples=[(CATALOG[answer.metric].title, _small(answer)) for answer in by_month],
        groups=groups if len(groups.rows) > 1 else None,
        failures=failures_of(asked, slowest),
        failed=rate.numerator,
        deployments=rate.denominator,
        filters=[f"{name} {text}" for name, text in own.pairs if name != "tz"],
    )


def _small(answer: Answer) -> Markup:
    definition = CATALOG[answer.metric]
    if all(definition.typical(point.row) is None for point in answer.series):
        return Markup("")
    return drawn(answer, 240, 84, "small")
