"""`/api/v1/metrics`: the summary and each metric.

Whoever wires the router in says who may ask: it provides the `reader` and the `store`, and guards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Request, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import Dependencies, Guard

from metrics.api.documents import documents
from metrics.calendar import Window, midnight
from metrics.catalog import MetricName
from metrics.parameters import MetricParameters
from metrics.question import Answer, Group, Point, Question
from metrics.rows import MetricRow
from metrics.store import Store

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose figures are asked for; `visible` are the repository patterns that the reader is limited to."""

    organization: str
    visible: Sequence[str] | None


def answer_body(answer: Answer) -> dict[str, object]:
    """An answer in the shape that the interface promises."""
    question = answer.question
    body: dict[str, object] = {
        "metric": answer.metric,
        "unit": answer.unit,
        **_instants(question.window),
        "tz": question.zone.key,
        **_fields(answer.row),
    }
    if question.interval is not None:
        body["series"] = _series(answer.series, question.zone)
    if question.group_by is not None:
        body["groups"] = [_group(group, question) for group in answer.groups]
    if answer.previous is not None:
        body["previous"] = _instants(answer.previous.window) | _fields(answer.previous.row)
    return body


def _group(group: Group, question: Question) -> dict[str, object]:
    assert question.group_by is not None
    body = {question.group_by.value: group.name, **_fields(group.row)}
    if question.interval is not None:
        body["series"] = _series(group.series, question.zone)
    return body


def _series(points: Sequence[Point], zone: ZoneInfo) -> list[dict[str, object]]:
    return [
        {
            "from": _edge(point.window.from_at, zone),
            "to": _edge(point.window.to_at, zone),
            "partial": point.window.is_partial,
            **_fields(point.row),
        }
        for point in points
    ]


def _edge(instant: datetime, zone: ZoneInfo) -> date | datetime:
    """A date where a local day begins, else the instant."""
    local = instant.astimezone(zone)
    # Where clocks leap over midnight the day begins later, and where they go back its first hour comes twice.
    for day in (local.date(), local.date() + timedelta(days=1)):
        if midnight(day, zone) == instant:
            return day
    return instant.astimezone(UTC)


def _instants(window: Window) -> dict[str, object]:
    return {"from": window.from_at.astimezone(UTC), "to": window.to_at.astimezone(UTC)}


def _fields(row: MetricRow) -> dict[str, object]:
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _answers(
    request: AnyRequest, reader: Reader, store: Store, metrics: Sequence[MetricName]
) -> Mapping[MetricName, dict[str, object]]:
    parameters = MetricParameters.read(request.query_params.multi_items())
    answers = answer(parameters, reader, store, metrics)
    return {answer.metric: answer_body(answer) for answer in answers}


def answer(
    parameters: MetricParameters, reader: Reader, store: Store, metrics: Sequence[MetricName]
) -> Sequence[Answer]:
    """What the reader is answered now. Raises `ParameterError`."""
    with store.reading() as reading:
        settings = reading.settings(reader.organization)
        question = parameters.question(
            reader.organization, settings, now=datetime.now(UTC), visible=reader.visible
        )
        return reading.ask(question, metrics)


@get("/", operation_class=documents(MetricParameters), sync_to_thread=True)
def summary(
    request: AnyRequest, reader: Reader, store: Store
) -> dict[str, Mapping[MetricName, dict[str, object]]]:
    """All five metrics, from one state of the records."""
    return {"metrics": _answers(request, reader, store, list(MetricName))}


@get("/{name:str}", operation_class=documents(MetricParameters), sync_to_thread=True)
def metric(name: FromPath[str], request: AnyRequest, reader: Reader, store: Store) -> dict[str, object]:
    """One metric."""
    if name not in set(MetricName):
        raise NotFoundException
    return _answers(request, reader, store, [MetricName(name)])[MetricName(name)]


def metrics_router(guards: Sequence[Guard], dependencies: Dependencies) -> Router:
    """The endpoints under `/api/v1/metrics`."""
    return Router(
        "/api/v1/metrics",
        route_handlers=[summary, metric],
        guards=list(guards),
        dependencies=dependencies,
        signature_types=[Reader, Store],
        tags=["metrics"],
    )
