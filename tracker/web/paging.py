"""What the lists of the native interface share: their parameters, and a page as an answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response
from pydantic import AwareDatetime, Field
from sqlalchemy import Row

from metrics.queries.parameters import QueryParameters, RepositoryPattern, Text
from tracker.auth.callers import Caller
from tracker.records.pages import Page
from tracker.settings import Settings

T = TypeVar("T")
LARGEST_PAGE = 500

CallerRequest = Request[Caller, Any, Any]


class FilterParameters(QueryParameters):
    """What a list or an export holds."""

    repository: tuple[RepositoryPattern, ...] = Field(
        (), description="owner/name or host/owner/name, either with a closing *; repeatable."
    )
    service: tuple[str, ...] = Field((), description="Repeatable.")
    environment: tuple[Text, ...] = Field((), description="Compared case-folded; repeatable.")
    from_: AwareDatetime | None = Field(None, alias="from", description="From this instant on.")
    to: AwareDatetime | None = Field(None, description="Before this instant.")


class ListParameters(FilterParameters):
    """What every list takes."""

    limit: int = Field(50, ge=1, le=LARGEST_PAGE, description="Items a page.")
    cursor: str | None = Field(None, description="From the Link of the page before.")


@dataclass(frozen=True, slots=True)
class ListAnswer(Generic[T]):
    """One page of a list. The header `Link: <…>; rel="next"` leads to the next."""

    items: Sequence[T]


def base_of(request: CallerRequest, settings: Settings) -> str:
    """Where the one who asks finds the service, without a slash at the end."""
    return settings.base_of(f"{request.scope['scheme']}://{request.headers['host']}")


def page_answer(
    request: CallerRequest, settings: Settings, page: Page[Row[Any]], answer: Callable[[Row[Any]], T]
) -> Response[ListAnswer[T]]:
    """The page as a body, with the link to the next one."""
    items = [answer(row) for row in page.items]
    return Response(ListAnswer(items), headers=next_link(request, settings, page.next_cursor))


def next_link(request: CallerRequest, settings: Settings, cursor: str | None) -> dict[str, str]:
    """The header that leads to the page after a cursor; none where there is no such page."""
    if cursor is None:
        return {}
    pairs = [(name, text) for name, text in request.query_params.multi_items() if name != "cursor"]
    query = urlencode([*pairs, ("cursor", cursor)])
    return {"Link": f'<{settings.link(request.url.path)}?{query}>; rel="next"'}
