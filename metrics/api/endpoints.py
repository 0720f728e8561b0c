"""`/api/v1/metrics`: the summary and each metric.

Whoever wires the router in says who may ask: it provides the `reader` and the `store`, and guards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from litestar import Request, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import Dependencies, Guard

from metrics.api.documents import documents
from metrics.catalog import MetricName
from metrics.parameters import MetricParameters
from metrics.query import Answer
from metrics.store import Store

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose figures are asked for; `visible` are the repository patterns that the reader is limited to."""

    organization: str
    visible: Sequence[str] | None


def answer_body(answer: Answer) -> dict[str, object]:
    """An answer in the shape that the interface promises."""
    return {
        "metric": answer.metric,
        "unit": answer.unit,
        "from": answer.from_at.astimezone(UTC),
        "to": answer.to_at.astimezone(UTC),
        "tz": answer.zone.key,
        **{field.name: getattr(answer.row, field.name) for field in fields(answer.row)},
    }


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
