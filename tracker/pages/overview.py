"""The overview: how an organization ships, whether that changed, and what needs attention."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get
from litestar.response import Redirect

from metrics.definitions.base import Definition, MetricName, Note
from metrics.definitions.catalog import own_metrics
from metrics.output.notes import notes_on
from metrics.queries.question import Answer, Dimension
from tracker.audit.quality import QualityAnswer, RejectedPost, quality_of
from tracker.auth.tokens import Scope
from tracker.deployments.queries import DeploymentFilter, list_deployments
from tracker.pages.frame.access import PAGE, signed_in
from tracker.pages.frame.asking import Asked, together, window_with_records
from tracker.pages.frame.controls import Controls, controls_of
from tracker.pages.frame.live import live_page
from tracker.pages.parts.attention import Item, attention
from tracker.pages.parts.calendar import Calendar, calendar_of, daily
from tracker.pages.parts.drawing import Trend, trend_of
from tracker.pages.parts.failures import FailedDeployment, latest_failures
from tracker.pages.parts.figures import Card, card_of
from tracker.pages.parts.groups import GroupTable, group_answers, group_table
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

_LATEST = 8


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page shows."""

    asked: Asked
    controls: Controls
    answers: Sequence[Answer]
    cards: Sequence[Card]
    own: Sequence[Definition[Any]]
    """The metrics that are registered beside the five."""
    chosen: Card
    trend: Trend | None
    items: Sequence[Item]
    groups: GroupTable | None
    failures: Sequence[FailedDeployment]
    failed: int
    deployments: int
    calendar: Calendar
    elsewhere: str | None
    """Where records are, if the window holds none."""
    unknown_names: Sequence[Note]

    @property
    def told(self) -> Sequence[Card]:
        return [card for card in self.cards if card.shift.told]


@get("/", include_in_schema=False, opt=PAGE, guards=[signed_in(Scope.METRICS_READ)], sync_to_thread=True)
def overview(request: CallerRequest, service: Service) -> Response[bytes] | Redirect:
    """How the organization ships."""
    return live_page(request, service, "overview", _overview)


@dataclass(frozen=True, slots=True)
class FirstVisit:
    """What the page shows of an organization that has recorded nothing yet."""

    asked: Asked
    latest_refused: RejectedPost | None
    template: str = "empty.html"


def _overview(asked: Asked) -> Overview | FirstVisit:
    if asked.span is None and not asked.address.pairs and _is_empty(asked):
        quality = quality_of(asked.service, asked.caller, asked.parameters())
        return FirstVisit(asked, next(iter(quality.rejected), None))
    return _with_records(asked)


def _is_empty(asked: Asked) -> bool:
    """Whether nothing is recorded that may be seen, not even what is under way."""
    wanted = DeploymentFilter(
        organization=asked.caller.organization, visible=asked.caller.repositories, limit=1
    )
    return not list_deployments(asked.service.engine, wanted).items


def _with_records(asked: Asked) -> Overview:
    chosen = chosen_metric(asked)
    dimension = Dimension.TEAM if asked.names.of(Dimension.TEAM) else Dimension.REPOSITORY
    answers, by_group, days, failures, quality = together(
        lambda: asked.session.answers(
            asked.parameters(compare="true", interval=asked.interval.value), list(MetricName)
        ),
        lambda: group_answers(asked, dimension, chosen),
        lambda: daily(asked),
        lambda: latest_failures(asked, _LATEST),
        lambda: quality_of(asked.service, asked.caller, asked.parameters()),
    )
    return _assembled(asked, chosen, dimension, answers, by_group, days, failures, quality)


def chosen_metric(asked: Asked) -> MetricName:
    """The metric of the large chart."""
    named = asked.address.first("metric")
    return MetricName(named) if named in set(MetricName) else MetricName.CHANGE_FAILURE_RATE


def _assembled(
    asked: Asked,
    chosen: MetricName,
    dimension: Dimension,
    answers: Sequence[Answer],
    by_group: Sequence[Answer],
    days: Answer,
    failures: Sequence[FailedDeployment],
    quality: QualityAnswer,
) -> Overview:
    cards = [card_of(answer) for answer in answers]
    by_name = {answer.metric: answer for answer in answers}
    groups = group_table(
        asked,
        dimension,
        by_group,
        chosen,
        sort=asked.address.first("sort") or "",
        everything=asked.address.first("groups") == "all",
    )
    rate = by_name[MetricName.CHANGE_FAILURE_RATE].row
    return Overview(
        asked=asked,
        controls=controls_of(asked, "metric", "sort", "groups"),
        answers=answers,
        cards=cards,
        own=own_metrics(),
        chosen=next(card for card in cards if card.name is chosen),
        trend=trend_of(by_name[chosen], asked.clock),
        items=attention(asked, answers, groups if len(groups.rows) > 1 else None, quality),
        groups=groups if len(groups.rows) > 1 else None,
        failures=failures,
        failed=rate.numerator,  # type: ignore[attr-defined]
        deployments=rate.denominator,  # type: ignore[attr-defined]
        calendar=calendar_of(days, asked),
        elsewhere=window_with_records(asked),
        unknown_names=[note for note in notes_on(answers[0]) if note.code == "unknown_name"],
    )
