"""Badges: a figure behind a public link that can be withdrawn, for a README or a wall.

Who has the link sees the one figure that it is for, as it now is, and nothing else. The link holds 128 random
bits, and is known to the record database alone.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, JSONBody
from markupsafe import escape
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Row, insert, select
from sqlalchemy import delete as delete_rows

from metrics.api.cache import Cache
from metrics.definitions.base import MetricName
from metrics.definitions.catalog import CATALOG
from metrics.definitions.dora import level_of
from metrics.domain.errors import InvalidInput, ParameterError
from metrics.domain.fields import Body
from metrics.domain.instants import from_microseconds, now_microseconds
from metrics.queries.parameters import MetricParameters
from metrics.queries.question import Answer
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.errors import NotFound
from tracker.pages.tables import BADGES
from tracker.records.engine import write_transaction
from tracker.web.paging import CallerRequest, ListAnswer, base_of
from tracker.web.state import Service

PATH = "/api/v1/badges"
PUBLIC_PATH = "/badges"
# What limits a figure; a badge has no series and no groups.
_TAKEN = frozenset({"last", "tz", "environment", "repository", "service", "team", "label", "failure_signals"})
_FRESH_SECONDS = 300
# Anybody may ask as often as they like: it is worked out once in this time.
_FIGURES = Cache[Answer]()
_COLOURS = {"elite": "#1b7446", "high": "#2a55b8", "medium": "#875200", "low": "#b3271c", None: "#4f5560"}
# A repeatable parameter is a list.
Parameter = str | list[str]


class NewBadge(Body):
    """What a badge shows."""

    metric: Annotated[MetricName, Field(strict=False)]
    parameters: dict[str, Parameter] = Field(
        default_factory=dict,
        description="What the metric is asked with: last, tz, environment, repository, service, team, label, "
        "failure_signals.",
    )

    @field_validator("parameters")
    @classmethod
    def _of_a_figure(cls, parameters: dict[str, Parameter]) -> dict[str, Parameter]:
        unknown = sorted(parameters.keys() - _TAKEN)
        if unknown:
            said = {"names": ", ".join(unknown), "known": ", ".join(sorted(_TAKEN))}
            raise PydanticCustomError("taken", "{names}: a badge takes {known}", said)
        return parameters


@dataclass(frozen=True, slots=True)
class BadgeAnswer:
    """A badge: its public links as picture, and as the JSON that shields.io reads."""

    id: str
    metric: MetricName
    parameters: Mapping[str, Any]
    svg_url: str
    json_url: str
    created_at: datetime
    created_by: str


class BadgesController(Controller):
    """Make badges, list them, withdraw one."""

    tags = ("badges",)

    @post(PATH, guards=[requires(Scope.ADMIN)])
    async def make(self, data: JSONBody[NewBadge], request: CallerRequest, service: Service) -> BadgeAnswer:
        """Make a public link to a figure, as it is whenever somebody looks."""
        caller = request.user
        badge = {
            "id": secrets.token_hex(16),
            "organization": caller.organization,
            "metric": data.metric.value,
            "parameters": data.parameters,
            "repositories": None if caller.repositories is None else list(caller.repositories),
            "created_at": now_microseconds(),
            "created_by": caller.claims.subject,
        }

        def act() -> None:
            try:
                session = service.session(caller.organization, caller.repositories)
                session.question(MetricParameters.of(data.parameters))
            except ParameterError as error:
                raise InvalidInput.field(f"parameters/{error.errors[0][0]}", error.errors[0][1]) from None
            with write_transaction(service.engine) as connection:
                connection.execute(insert(BADGES).values(**badge))

        await asyncio.to_thread(act)
        return await asyncio.to_thread(_load, request, service, str(badge["id"]))

    @get(PATH, guards=[requires(Scope.METRICS_READ)], sync_to_thread=True)
    def list_all(self, request: CallerRequest, service: Service) -> ListAnswer[BadgeAnswer]:
        """The organization's badges, the latest first."""
        columns = BADGES.c
        query = select(BADGES).where(columns.organization == request.user.organization)
        with service.engine.connect() as connection:
            rows = connection.execute(query.order_by(columns.created_at.desc(), columns.id)).all()
        return ListAnswer([_answer(request, service, row) for row in rows if _may_see(request, row)])

    @delete(PATH + "/{badge_id:str}", guards=[requires(Scope.ADMIN)])
    async def withdraw(self, badge_id: FromPath[str], request: CallerRequest, service: Service) -> None:
        """Withdraw a badge: its link shows nothing any more."""
        await asyncio.to_thread(_load, request, service, badge_id)

        def act() -> None:
            with write_transaction(service.engine) as connection:
                connection.execute(delete_rows(BADGES).where(BADGES.c.id == badge_id))

        await asyncio.to_thread(act)

    @get(PUBLIC_PATH + "/{badge_file:str}", include_in_schema=False, sync_to_thread=True)
    def show(self, badge_file: FromPath[str], service: Service) -> Response[Any]:
        """The badge behind a public link."""
        badge_id, _, ending = badge_file.rpartition(".")
        if ending not in ("svg", "json"):
            raise NotFound("There is no such badge.")
        with service.engine.connect() as connection:
            row = connection.execute(select(BADGES).where(BADGES.c.id == badge_id)).first()
        if row is None:
            raise NotFound("There is no such badge.")
        slot = int(now_microseconds() // (_FRESH_SECONDS * 1_000_000))
        answer = _FIGURES.get((id(service), badge_id, slot), lambda: _figure(service, row))
        headers = {"Cache-Control": f"public, max-age={_FRESH_SECONDS}", "X-Content-Type-Options": "nosniff"}
        if ending == "json":
            return Response(_shield(answer), headers=headers)
        return Response(_picture(answer).encode(), media_type="image/svg+xml", headers=headers)


def _load(request: CallerRequest, service: Service, badge_id: str) -> BadgeAnswer:
    columns = BADGES.c
    query = select(BADGES).where(columns.id == badge_id, columns.organization == request.user.organization)
    with service.engine.connect() as connection:
        row = connection.execute(query).first()
    if row is None or not _may_see(request, row):
        raise NotFound(f"There is no badge {badge_id}.")
    return _answer(request, service, row)


def _may_see(request: CallerRequest, row: Row[Any]) -> bool:
    """Whether the caller's token reaches as far as the one that made the badge."""
    reach = request.user.repositories
    return reach is None or (row.repositories is not None and set(row.repositories) <= set(reach))


def _answer(request: CallerRequest, service: Service, row: Row[Any]) -> BadgeAnswer:
    link = f"{base_of(request, service.settings)}{PUBLIC_PATH}/{row.id}"
    return BadgeAnswer(
        id=row.id,
        metric=MetricName(row.metric),
        parameters=row.parameters,
        svg_url=f"{link}.svg",
        json_url=f"{link}.json",
        created_at=from_microseconds(row.created_at),
        created_by=row.created_by,
    )


def _figure(service: Service, row: Row[Any]) -> Answer:
    reach = None if row.repositories is None else tuple(row.repositories)
    session = service.session(row.organization, reach)
    (answer,) = session.answers(MetricParameters.of(row.parameters), [MetricName(row.metric)])
    return answer


def _words(answer: Answer) -> tuple[str, str]:
    definition = CATALOG[answer.metric]
    shown = definition.shown(answer.row)
    figure = f"{shown.figure} {shown.unit}".strip() if answer.row.value is not None else "not known"
    return definition.title.lower(), figure


def _colour(answer: Answer) -> str:
    level = level_of(answer.metric, answer.row, answer.question.benchmark)
    return _COLOURS.get(level.level if level.certain else None, _COLOURS[None])


def _shield(answer: Answer) -> Mapping[str, Any]:
    label, message = _words(answer)
    return {
        "schemaVersion": 1,
        "label": label,
        "message": message,
        "color": _colour(answer),
        "cacheSeconds": _FRESH_SECONDS,
    }


def _picture(answer: Answer) -> str:
    """A flat badge; widths by a generous mean width of a character, so that any font fits."""
    label, message = _words(answer)
    left, right = 12 + round(6.6 * len(label)), 12 + round(6.8 * len(message))
    text = escape(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{text}"><title>{text}</title>'
        f'<rect width="{left + right}" height="20" rx="3" fill="#3a3f47"/>'
        f'<path fill="{_colour(answer)}" d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H{left}z"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14" textLength="{left - 12}">{escape(label)}</text>'
        f'<text x="{left + right / 2}" y="14" textLength="{right - 12}">{escape(message)}</text></g></svg>'
    )
