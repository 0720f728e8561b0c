"""Whether the process lives, whether it can do its work, and its figures. Open; no organization is named."""

import asyncio
from dataclasses import dataclass

from litestar import Controller, Response, get
from prometheus_client import CONTENT_TYPE_LATEST

from tracker.records.failures import UNAVAILABLE
from tracker.records.migrations import is_workable
from tracker.telemetry import exposition
from tracker.web.state import Service


@dataclass(frozen=True, slots=True)
class Health:
    """`ready` or `not ready`, and why not."""

    status: str
    detail: str | None = None


_PROBE_SECONDS = 3.0


async def _asked_readiness(service: Service) -> Health:
    """Ask the record database whether it can be worked with, in bounded time and one question at once."""
    # One that was not answered is still waited for: each holds a thread.
    if service.readiness is None or service.readiness.done():
        service.readiness = asyncio.ensure_future(asyncio.to_thread(_readiness, service))
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            health: Health = await asyncio.shield(service.readiness)
    except TimeoutError:
        return Health("not ready", f"the record database has not answered for {_PROBE_SECONDS:g} s")
    return health


def _readiness(service: Service) -> Health:
    if service.is_stopping:
        return Health("not ready", "the service is being stopped")
    try:
        at_head = is_workable(service.engine)
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

    @get("/readyz", opt={"answers": {503: "Not ready, and why."}})
    async def ready(self, service: Service) -> Response[Health]:
        """The record database answers, and its schema is the one this program was written for."""
        health = await _asked_readiness(service)
        return Response(health, status_code=_status_code(health))

    @get("/metrics", media_type=CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8"), sync_to_thread=True)
    def figures(self, service: Service) -> bytes:
        """The service's own figures, for Prometheus."""
        return exposition(service.stores.lag())
