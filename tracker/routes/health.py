"""Whether the process lives, and whether it can do its work. Open to everybody; they tell nothing else."""

import asyncio
from dataclasses import dataclass

from litestar import Response, get, head
from sqlalchemy.exc import SQLAlchemyError

from tracker.database import is_at_head
from tracker.service import Service


@dataclass(frozen=True, slots=True)
class Health:
    """`ready` or `not ready`, and why not."""

    status: str
    detail: str | None = None


@get("/healthz", sync_to_thread=False)
def alive() -> Health:
    """The process answers."""
    return Health("alive")


@head("/healthz", sync_to_thread=False)
def alive_head() -> None:
    """The process answers."""


def _readiness(service: Service) -> Health:
    try:
        at_head = is_at_head(service.engine)
    except SQLAlchemyError:
        return Health("not ready", "the record database does not answer")
    return Health("ready") if at_head else Health("not ready", "the schema is not at head: tracker migrate")


def _status_code(health: Health) -> int:
    return 200 if health.status == "ready" else 503


@get("/readyz")
async def ready(service: Service) -> Response[Health]:
    """The record database answers, and its schema is the one this program was written for."""
    health = await asyncio.to_thread(_readiness, service)
    return Response(health, status_code=_status_code(health))


@head("/readyz")
async def ready_head(service: Service) -> Response[None]:
    """As GET, without a body."""
    return Response(None, status_code=_status_code(await asyncio.to_thread(_readiness, service)))
