"""The wiring: settings in, an application out. It decides nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeGuard

from litestar import Litestar, Router
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins.pydantic import PydanticInitPlugin
from pydantic import BaseModel

from metrics.api.endpoints import Reader, metrics_router
from metrics.store import Store
from tracker.auth import Authenticator, Scope, requires
from tracker.database import connect, follow, require_head
from tracker.figures import report_lag
from tracker.keys import load_or_create_keys
from tracker.observation import Observation
from tracker.problems import EXCEPTION_HANDLERS
from tracker.recording import Recorder
from tracker.routes import batch, deployments, health, incidents, repositories
from tracker.routes import settings as settings_routes
from tracker.routes.listing import CallerRequest
from tracker.schemas.base import Body
from tracker.service import RawRequest, Service, revoked_tokens
from tracker.settings import Settings

# Of one path, the handler that runs on a thread comes last: litestar takes up a path's handlers anew with
# each one that is added, and wraps such a handler each time.
ROUTES = [
    deployments.record,
    deployments.list_all,
    deployments.revise,
    deployments.remove,
    deployments.read,
    deployments.history,
    batch.record_batch,
    incidents.report,
    incidents.list_all,
    incidents.revise,
    incidents.read,
    incidents.history,
    repositories.change,
    repositories.list_all,
    settings_routes.change,
    settings_routes.read,
    health.alive,
    health.alive_head,
    health.ready,
    health.ready_head,
    health.figures_head,
    health.figures,
]


def create_app(settings: Settings) -> Litestar:
    """The application over a migrated record database; keys are made where there are none.

    Raises `SchemaError` where the schema is not at head.
    """
    engine = connect(settings.record_database_url)
    require_head(engine)
    ring = load_or_create_keys(settings)
    authenticator = Authenticator(ring, revoked_tokens(engine))
    store = Store(follow(settings.record_database_url), settings.stores_dir)
    service = Service(settings, engine, Recorder(engine), authenticator, store)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = Litestar(
        [*ROUTES, _metrics(store)],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        exception_handlers={**EXCEPTION_HANDLERS},
        lifespan=[lifespan],
        openapi_config=OpenAPIConfig(
            title="Tracker",
            version="1",
            description="Records deployments and answers DORA metrics.",
            path="/schema",
            render_plugins=[JsonRenderPlugin()],
        ),
        request_class=RawRequest,
        request_max_body_size=settings.max_body_bytes,
        signature_types=[Service],
        plugins=[RawBodies()],
        logging_config=None,
    )
    app.state.authenticator = authenticator
    app.asgi_handler = Observation(app.asgi_handler)
    report_lag(store.lag)
    return app


def _metrics(store: Store) -> Router:
    def reader(request: CallerRequest) -> Reader:
        return Reader(request.user.organization, request.user.repositories)

    return metrics_router(
        guards=[requires(Scope.METRICS_READ)],
        dependencies={
            "reader": Provide(reader, sync_to_thread=False),
            "store": Provide(lambda: store, sync_to_thread=False),
        },
    )


class RawBodies(PydanticInitPlugin):
    """Bodies are read from their bytes, in the model's strict mode, in place of a parsed dictionary."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.type_decoders = [(_is_body, _read_body), *(app_config.type_decoders or [])]
        return app_config


def _is_body(target: Any) -> TypeGuard[type[Body]]:
    return isinstance(target, type) and issubclass(target, Body)


def _read_body(body: type[Body], raw: bytes) -> BaseModel:
    return body.parse(raw)
