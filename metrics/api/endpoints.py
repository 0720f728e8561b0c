"""`/api/v1/metrics`: the summary, each metric, and what made it.

Whoever wires the router in says who may ask: it provides the `session`, and guards.
"""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import Dependencies, Guard
from pydantic import Field, field_validator

from metrics.api.answers import (
    FormatName,
    answer_body,
    asked_format,
    explanation_body,
    profiles_body,
    summary_body,
    table_response,
)
from metrics.api.conditional import conditional
from metrics.api.documents import documents
from metrics.definitions.base import MetricName, Profile
from metrics.definitions.catalog import CATALOG
from metrics.output.tables import answer_table, profiles_table, summary_table
from metrics.queries.parameters import MetricParameters
from metrics.queries.session import Session

AnyRequest = Request[Any, Any, Any]
AnyResponse = Response[Any]
PATH = "/api/v1/metrics"
LARGEST_PAGE = 10_000
_NAMES = {"name": lambda: list(CATALOG)}
# The answer can also be a table, by `format` or `Accept`: for the OpenAPI document.
_TABLES = {"tables": True}


class AnswerParameters(MetricParameters):
    """What the endpoints take beside what is asked."""

    format: FormatName | None = Field(
        None, description="json, csv, parquet or arrow; default by Accept, JSON."
    )


class ProfilesParameters(AnswerParameters):
    """What a comparison of all profiles takes."""

    profile: Profile = Field(Profile.DEFAULT, description="Is not for this: all are shown.")

    @field_validator("profile")
    @classmethod
    def _none_other(cls, profile: Profile) -> Profile:
        if profile is not Profile.DEFAULT:
            raise ValueError("is not for this: all are shown")
        return profile


class ExplainParameters(AnswerParameters):
    """What an explanation takes."""

    limit: int = Field(1_000, ge=1, le=LARGEST_PAGE, description="Rows a page.")
    cursor: str | None = Field(None, description="The next_cursor of the page before.")
    left_out: bool = Field(False, description="Only the rows that are left out.")


@get("/", operation_class=documents(AnswerParameters), sync_to_thread=True, opt=_TABLES)
@conditional()
def summary(request: AnyRequest, session: Session) -> AnyResponse:
    """All five metrics from one state of the records, and the score over them."""
    parameters = AnswerParameters.read(request.query_params.multi_items())
    answers = session.answers(parameters, list(MetricName))
    wanted = asked_format(request, parameters.format)
    if wanted is None:
        return Response(summary_body(answers))
    return table_response(summary_table(answers), "metrics", wanted)


@get("/{name:str}", operation_class=documents(AnswerParameters, **_NAMES), sync_to_thread=True, opt=_TABLES)
@conditional()
def metric(name: FromPath[str], request: AnyRequest, session: Session) -> AnyResponse:
    """One metric."""
    known = _known(name)
    parameters = AnswerParameters.read(request.query_params.multi_items())
    (answered,) = session.answers(parameters, [known])
    wanted = asked_format(request, parameters.format)
    if wanted is None:
        return Response(answer_body(answered))
    return table_response(answer_table(answered), known, wanted)


@get(
    "/{name:str}/explain",
    operation_class=documents(ExplainParameters, **_NAMES),
    sync_to_thread=True,
    opt=_TABLES,
)
@conditional()
def explain(name: FromPath[str], request: AnyRequest, session: Session) -> AnyResponse:
    """The rows that made a metric's number, those left out with the reason, and the SQL; a page at a time."""
    known = _known(name)
    parameters = ExplainParameters.read(request.query_params.multi_items())
    explained = session.explanation(
        parameters,
        known,
        limit=parameters.limit,
        cursor=parameters.cursor,
        only_left_out=parameters.left_out,
    )
    wanted = asked_format(request, parameters.format)
    if wanted is None:
        return Response(explanation_body(explained))
    response = table_response(explained.rows, f"{known}-explained", wanted)
    if explained.next_cursor is not None:
        response.headers["Next-Cursor"] = explained.next_cursor
    return response


@get(
    "/{name:str}/profiles",
    operation_class=documents(ProfilesParameters, **_NAMES),
    sync_to_thread=True,
    opt=_TABLES,
)
@conditional()
def profiles(name: FromPath[str], request: AnyRequest, session: Session) -> AnyResponse:
    """A metric by the rules of each profile, side by side, with what differs."""
    known = _known(name)
    parameters = ProfilesParameters.read(request.query_params.multi_items())
    answers = session.profiles(parameters, known)
    wanted = asked_format(request, parameters.format)
    if wanted is None:
        return Response(profiles_body(answers))
    return table_response(profiles_table(answers), f"{known}-profiles", wanted)


def _known(name: str) -> str:
    if name not in CATALOG:
        raise NotFoundException
    return name


def metrics_router(guards: Sequence[Guard], dependencies: Dependencies) -> Router:
    """The endpoints under `/api/v1/metrics`."""
    return Router(
        PATH,
        route_handlers=[summary, metric, explain, profiles],
        guards=list(guards),
        dependencies=dependencies,
        signature_types=[Session],
        tags=["metrics"],
    )
