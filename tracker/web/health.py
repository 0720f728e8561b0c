"""Whether the process lives, whether it can do its work, and its figures. Open; no organization is named."""

import asyncio
from dataclasses import dataclass

from litestar import Controller, Response, get, head
from prometheus_client import CONTENT_TYPE_LATEST

from tracker.records.engine import UNAVAILABLE
from tracker.records.migrations import is_at_head
from tracker.telemetry import exposition
from tracker.web.state import Service


@dataclass(frozen=True, slots=True)
class Health:
    """`ready` or `not ready`, and why not."""

    status: str
    detail: str | None = None


def _readiness(service: Service) -> Health:
    try:
        at_head = is_at_head(service.engine)
        if service.recorder.is_refused:
            service.recorder.try_again()
    except UNAVAILABLE:
        return Health("not ready", "the record database cannot be read or written")
    if service.recorder.is_refused:
        return Health("not ready", "the record database has just refused a commit")
    return Health("ready") if at_head else Health("not ready", "the schema is not at head: tracker migrate")


def _status_code(health: Health) -> int:
    return 200 if health.status == "ready" else 503


class HealthController(Controller):
    """Health and the service's own figures, open to everybody."""

    @get("/healthz", sync_to_thread=False)
    def alive(self) -> Health:
        """The process answers."""
        return Health("alive")

    @head("/healthz", sync_to_thread=False)
    def alive_head(self) -> None:
        """The process answers."""

    @get("/readyz", opt={"answers": {503: "Not ready, and why."}})
    async def ready(self, service: Service) -> Response[Health]:
        """The record database answers, and its schema is the one this program was written for."""
        health = await asyncio.to_thread(_readiness, service)
        return Response(health, status_code=_status_code(health))

    @head("/readyz")
    async def ready_head(self, service: Service) -> Response[None]:
        """Whether the service is ready, without a body."""
        return Response(None, status_code=_status_code(await asyncio.to_thread(_readiness, service)))

    @head("/metrics", sync_to_thread=False)
    def figures_head(self) -> None:
        """The figures can be read."""

    @get("/metrics", media_type=CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8"), sync_to_thread=True)
    def figures(self) -> bytes:
        """The service's own figures, for Prometheus."""
        return exposition()
