"""GitHub's GraphQL as far as clients ask it who they are and how much they may; deployments are REST's."""

from functools import cache
from typing import TYPE_CHECKING, Any

from litestar import Router, post
from litestar.params import JSONBody

from metrics.domain.fields import LongText, ShortText
from metrics.domain.instants import from_microseconds
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.integrations.github.answers import Answer, user_answer
from tracker.integrations.github.bodies import GitHubBody
from tracker.integrations.github.limits import rate, tell_rate
from tracker.integrations.github.routes import SCHEMES
from tracker.web.paging import CallerRequest, base_of
from tracker.web.state import Service

if TYPE_CHECKING:
    from graphql import GraphQLSchema

# Where an installation of GitHub's has it, and where its own site has it.
PATHS = ("/api/graphql", "/graphql")
_MOST_TOKENS = 1_000
_SCHEMA = """
    scalar DateTime
    scalar URI
    type Query { viewer: User!, rateLimit: RateLimit }
    type User { id: ID!, login: String!, name: String, email: String!, url: URI!, avatarUrl: URI! }
    type RateLimit { limit: Int!, cost: Int!, remaining: Int!, used: Int!, resetAt: DateTime! }
"""


class Question(GitHubBody):
    """A query, with its variables."""

    query: LongText
    variables: dict[str, Any] | None = None
    operationName: ShortText | None = None  # noqa: N815


@post(
    "/",
    guards=[requires(*Scope, schemes=SCHEMES)],
    status_code=200,
    include_in_schema=False,
    sync_to_thread=True,
)
def graphql(data: JSONBody[Question], request: CallerRequest, service: Service) -> Answer:
    """Answer a query; what is no part of the schema is said as an error of GraphQL's."""
    # Taken up when somebody asks: hardly any service is asked, and it takes a fifth of a second.
    from graphql import GraphQLError, execute_sync, parse, validate

    try:
        document = parse(data.query, max_tokens=_MOST_TOKENS)
    except GraphQLError as error:
        return {"errors": [error.formatted]}
    errors = validate(_schema(), document)
    if errors:
        return {"errors": [error.formatted for error in errors]}
    known = _known(request, base_of(request, service.settings))
    result = execute_sync(
        _schema(), document, known, variable_values=data.variables, operation_name=data.operationName
    )
    return {**result.formatted}


@cache
def _schema() -> "GraphQLSchema":
    from graphql import build_schema

    return build_schema(_SCHEMA)


def _known(request: CallerRequest, base: str) -> Answer:
    """What there is to be asked for."""
    claims, limits = request.user.claims, rate()
    user = user_answer(claims.subject, base)
    return {
        "viewer": {
            "id": user["node_id"],
            "login": user["login"],
            "name": claims.profile.get("name"),
            "email": claims.profile.get("email", ""),
            "url": user["html_url"],
            "avatarUrl": user["avatar_url"],
        },
        "rateLimit": {
            "limit": limits["limit"],
            "cost": 1,
            "remaining": limits["remaining"],
            "used": limits["used"],
            "resetAt": f"{from_microseconds(limits['reset'] * 1_000_000):%Y-%m-%dT%H:%M:%SZ}",
        },
    }


GRAPHQL = [Router(path, route_handlers=[graphql], after_request=tell_rate) for path in PATHS]
