"""What the lists of the native interface share: their parameters, and a page as an answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from litestar import Request, Response
from pydantic import Field
from sqlalchemy import Row

from metrics.domain.errors import ParameterError
from metrics.domain.instants import InstantError, is_date, read_date_or_instant, read_instant
from metrics.wire.query_parameters import QueryParameters, RepositoryText, Text
from tracker.auth.callers import Caller
from tracker.records.pages import Page
from tracker.settings import Settings

T = TypeVar("T")
LARGEST_PAGE = 500

CallerRequest = Request[Caller, Any, Any]


class FilterParameters(QueryParameters):
    """The query parameters that lists and exports share."""

    repository: tuple[RepositoryText, ...] = Field(
        (), description="name, owner/name or host/owner/name, each with a * at the end or none; repeatable."
    )
    service: tuple[str, ...] = Field((), description="Repeatable.")
    environment: tuple[Text, ...] = Field((), description="Compared case-folded; repeatable.")
    from_: str | None = Field(None, alias="from", description="Date or instant, from which on.")
    to: str | None = Field(None, description="Date or instant, not included.")

    def bounds(self, zone: Callable[[], ZoneInfo]) -> dict[str, datetime | None]:
        """`from_` and `to` as instants; a date means its midnight in the zone. Raises `ParameterError`."""
        return {
            "from_": None if self.from_ is None else read_bound("from", self.from_, zone),
            "to": None if self.to is None else read_bound("to", self.to, zone),
        }


def read_bound(name: str, text: str, zone: Callable[[], ZoneInfo]) -> datetime:
    """An instant, or the midnight of a date in the zone. Raises `ParameterError`."""
    try:
        return read_date_or_instant(text, zone()) if is_date(text) else read_instant(text)
    except InstantError as error:
        raise ParameterError([(name, str(error))]) from None


class ListParameters(FilterParameters):
    """The query parameters that every list takes."""

    limit: int = Field(50, ge=1, le=LARGEST_PAGE, description="Items a page.")
    cursor: str | None = Field(None, description="From the Link of the page before.")


@dataclass(frozen=True, slots=True)
class ListAnswer(Generic[T]):
    """One page of a list. The header `Link: <…>; rel="next"` leads to the next."""

    items: Sequence[T]


def base_of(request: CallerRequest, settings: Settings) -> str:
    """Return the service's address for the client of the request, without a slash at the end."""
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
