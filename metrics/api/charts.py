"""`/api/v1/charts/{metric}.svg`, `.png` and `.json`: the chart of a metric, as a picture or as Vega-Lite."""

from collections.abc import Sequence
from typing import Any, Literal

from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import Dependencies, Guard
from pydantic import Field

from metrics.api.conditional import conditional
from metrics.api.documents import documents
from metrics.api.endpoints import AnyRequest
from metrics.definitions.catalog import CATALOG
from metrics.domain.errors import ParameterError
from metrics.output.chart_theme import PALETTES
from metrics.queries.calendar import Interval
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session

PATH = "/api/v1/charts"


def _files() -> list[str]:
    return [f"{name}.{ending}" for name in CATALOG for ending in ("svg", "png", "json")]


_TYPES = {"svg": "image/svg+xml", "png": "image/png", "json": "application/vnd.vegalite.v6+json"}


class ChartParameters(MetricParameters):
    """What a chart takes: what the metric takes, and the ground that it is for."""

    theme: Literal["light", "dark"] = Field("light", description="The ground: light or dark.")


@get(
    "/{chart_file:str}",
    operation_class=documents(ChartParameters, chart_file=_files),
    sync_to_thread=True,
    opt={"media_types": list(_TYPES.values())},
)
@conditional()
def chart(chart_file: FromPath[str], request: AnyRequest, session: Session) -> Response[bytes]:
    """The chart of a metric's series, by week unless told otherwise; with `group_by` one for each group.

    `.json` is its Vega-Lite specification, with the data."""
    # Altair and the renderer, for charts alone.
    from metrics.output.charts import metric_chart

    name, _, ending = chart_file.rpartition(".")
    if name not in CATALOG or ending not in _TYPES:
        raise NotFoundException
    parameters = ChartParameters.read(request.query_params.multi_items())
    if parameters.interval is None and parameters.group_by is None:
        parameters = parameters.model_copy(update={"interval": Interval.WEEK})
    (answer,) = session.answers(parameters, [name])
    try:
        drawn = metric_chart(answer, PALETTES[parameters.theme])
    except ValueError as error:
        raise ParameterError([("group_by", str(error))]) from None
    content = drawn.to_json().encode() if ending == "json" else _picture(drawn, ending)
    headers = {"Content-Disposition": f'inline; filename="{chart_file}"', **_SAFE}
    return Response(content, media_type=_TYPES[ending], headers=headers)


def _picture(drawn: Any, ending: str) -> bytes:
    from metrics.output.drawing import png_picture, svg_picture

    return png_picture(drawn) if ending == "png" else svg_picture(drawn).encode()


# A picture that is opened by itself runs nothing and loads nothing.
_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


def charts_router(guards: Sequence[Guard], dependencies: Dependencies) -> Router:
    """The endpoints under `/api/v1/charts`."""
    return Router(
        PATH,
        route_handlers=[chart],
        guards=list(guards),
        dependencies=dependencies,
        signature_types=[Session],
        tags=["charts"],
    )
