"""`/api/v1/facts`: the rows that figures are made of, for analysts: the views of the library, over HTTP."""

from collections.abc import Sequence

from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import Dependencies, Guard
from pydantic import Field

from metrics.api.answers import FormatName, asked_format, table_response
from metrics.api.conditional import conditional
from metrics.api.documents import documents
from metrics.api.endpoints import AnyRequest, AnyResponse
from metrics.definitions.catalog import VIEWS
from metrics.queries.session import Session
from metrics.wire.checkpoints import HEADER, KEPT_HEADER, Checkpoints
from metrics.wire.query_parameters import QueryParameters

PATH = "/api/v1/facts"


class FactsParameters(QueryParameters):
    """What the endpoint takes."""

    format: FormatName | None = Field(
        None, description="json, csv, parquet or arrow; default by Accept, JSON."
    )


@get(
    "/{view:str}",
    operation_class=documents(FactsParameters, view=lambda: VIEWS),
    sync_to_thread=True,
    opt={"tables": True},
)
@conditional(is_shared=False)
def facts(view: FromPath[str], request: AnyRequest, session: Session) -> AnyResponse:
    """A view of the facts, whole, and at which revision of the records it is.

    With the `Tracker-Checkpoints` of an earlier answer, without the rows that are as they were then:
    `Tracker-Rows-Kept` says how many these are.
    """
    if view not in VIEWS:
        raise NotFoundException
    parameters = FactsParameters.read(request.query_params.multi_items())
    seen = session.views([view])
    table, wanted = seen.tables[view], asked_format(request, parameters.format)
    checkpoints = Checkpoints.of(table)
    kept = checkpoints.kept(request.headers.get(HEADER, ""))
    news = table.slice(kept)
    response: AnyResponse = (
        Response({"revision": seen.revision, "items": news.to_pylist(maps_as_pydicts="strict")})
        if wanted is None
        else table_response(news, view, wanted)
    )
    response.headers |= {
        "Tracker-Revision": str(seen.revision),
        HEADER: str(checkpoints),
        KEPT_HEADER: str(kept),
    }
    if kept:
        # It has the tag of the whole, which is what the client has once it has added this.
        response.headers["Cache-Control"] = "no-store"
    return response


def facts_router(guards: Sequence[Guard], dependencies: Dependencies) -> Router:
    """The endpoints under `/api/v1/facts`: for whoever may see every repository."""
    return Router(
        PATH,
        route_handlers=[facts],
        guards=list(guards),
        dependencies=dependencies,
        signature_types=[Session],
        tags=["metrics"],
    )
