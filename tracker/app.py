"""The wiring: settings in, an application out. It decides nothing."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeGuard

from litestar import Controller, Litestar, Router
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.datastructures.headers import MutableScopeHeaders
from litestar.di import Provide
from litestar.enums import HttpMethod
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Operation
from litestar.plugins.pydantic import PydanticInitPlugin
from litestar.routes import HTTPRoute
from litestar.types import Message
from litestar.types import Scope as RequestScope
from pydantic import BaseModel

from metrics.api.charts import charts_router
from metrics.api.endpoints import metrics_router
from metrics.api.facts import facts_router
from metrics.definitions.catalog import load_registered
from metrics.domain.errors import ParameterError
from metrics.domain.fields import Body
from metrics.engine.organizations import OrganizationStores
from metrics.queries.session import Session
from tracker.audit.changes import list_changes
from tracker.audit.quality import quality
from tracker.auth.callers import Authenticator, Caller, requires
from tracker.auth.issuer_keys import IssuerKeys
from tracker.auth.job_tokens import JobTokens
from tracker.auth.keys import load_or_create_keys
from tracker.auth.register import EXPIRES_SOON
from tracker.auth.tokens import Scope, revoked_tokens
from tracker.auth.trusts import load_trusts
from tracker.deployments.push_routes import record_pushed
from tracker.deployments.routes import DeploymentsController, StepsController
from tracker.housekeeping import Housekeeping
from tracker.incidents.routes import IncidentsController
from tracker.intakes.receiving import allow_sender, receive_event, receive_event_of_token
from tracker.intakes.routes import EventsController, IntakesController
from tracker.integrations import INTEGRATIONS
from tracker.integrations.events import SOURCES
from tracker.organizations.routes import RepositoriesController, SettingsController
from tracker.organizations.tokens import tokens
from tracker.organizations.trusts import TrustsController
from tracker.pages import PAGES
from tracker.pages.badges import BadgesController
from tracker.pages.frame.problem import problem_page
from tracker.records.engine import connect
from tracker.records.following import followed
from tracker.records.migrations import require_workable
from tracker.records.recorder import Recorder
from tracker.settings import Settings
from tracker.transfer.batch import record_deployment_batch, report_incident_batch
from tracker.transfer.downloads import (
    export_deployments,
    export_incidents,
    link_to_deployments,
    link_to_incidents,
)
from tracker.web.encoded_slashes import EncodedSlashes
from tracker.web.head import HeadAsGet
from tracker.web.health import HealthController
from tracker.web.keeping import KeptByOne, Worker
from tracker.web.middleware import Observation
from tracker.web.openapi import complete_document
from tracker.web.paging import CallerRequest
from tracker.web.problems import EXCEPTION_HANDLERS
from tracker.web.proxies import BehindProxies
from tracker.web.state import RawRequest, Service
from tracker.web.time_limit import TimeLimit
from tracker.webhooks.collector import Collector
from tracker.webhooks.dispatcher import Dispatcher
from tracker.webhooks.routes import WebhooksController
from tracker.webhooks.shapes import STANDARD
from tracker.webhooks.subscriptions import SubscriberKind

# Controllers: litestar takes the handlers of one path up together only where they are in one.
ROUTES: Sequence[type[Controller] | HTTPRouteHandler] = [
    DeploymentsController,
    record_pushed,
    StepsController,
    record_deployment_batch,
    report_incident_batch,
    export_deployments,
    export_incidents,
    link_to_deployments,
    link_to_incidents,
    list_changes,
    quality,
    IncidentsController,
    RepositoriesController,
    SettingsController,
    tokens,
    TrustsController,
    BadgesController,
    WebhooksController,
    IntakesController,
    EventsController,
    receive_event,
    receive_event_of_token,
    HealthController,
]


def create_app(settings: Settings, worker: Worker | None = None) -> Litestar:
    """The application over a migrated record database; keys are made where there are none.

    `worker` is set where it is one of several processes.

    Raises `SchemaError` where the schema is not at head.
    """
    load_registered()
    engine = connect(settings.record_database_url)
    require_workable(engine)
    issuer_keys, trusts = IssuerKeys(settings.webhook_networks), load_trusts(engine)
    jobs = JobTokens(issuer_keys, lambda: [settings.base_of(service.address)], trusts)
    authenticator = Authenticator(load_or_create_keys(settings), revoked_tokens(engine), jobs)
    service = Service(
        settings,
        engine,
        Recorder(engine),
        authenticator,
        stores=OrganizationStores(
            followed(settings),
            settings.stores_dir,
            memory=settings.store_memory,
            threads=settings.store_threads,
        ),
        address=f"http://{settings.host}:{settings.port}",
        error_page=problem_page,
        error_shapes={k: shape for one in INTEGRATIONS for k, shape in one.error_shapes.items()},
    )
    shapes = {SubscriberKind.STANDARD: STANDARD}
    for integration in INTEGRATIONS:
        shapes |= integration.webhooks
    # Not what a request says: subscribers call the service with tokens of their own.
    collector = Collector(engine, service.recorder, shapes, lambda: settings.base_of(service.address))
    dispatcher = Dispatcher(engine, service.recorder, collector, settings.webhook_networks)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with service.running(), Housekeeping(service).running(), dispatcher.running():
            yield

    app = Litestar(
        [
            *ROUTES,
            *PAGES,
            *(handler for one in INTEGRATIONS for handler in one.handlers),
            *_metrics(service),
        ],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        exception_handlers={**EXCEPTION_HANDLERS},
        before_request=_refuse_unknown_parameters,
        before_send=[_name_all_methods, allow_sender, _tell_of_token],
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
    app.state.service = service
    app.state.event_sources = SOURCES
    slashes = [beginning for one in INTEGRATIONS for beginning in one.encoded_slashes]
    named = EncodedSlashes(HeadAsGet(app.asgi_handler), slashes)
    timed = TimeLimit(named, settings.max_request_seconds)
    app.asgi_handler = Observation(BehindProxies(timed, settings.trusted_proxies))
    if worker is not None:
        app.asgi_handler = KeptByOne(app.asgi_handler, worker, authenticator, settings.max_request_seconds)
    complete_document(app)
    return app


async def _refuse_unknown_parameters(request: CallerRequest) -> None:
    """Where a route documents no parameters it takes none: a `dry_run` must not be passed over in silence."""
    handler = request.route_handler
    # What is not in the document is another system's, whose clients send whatever they have.
    is_own = isinstance(handler, HTTPRouteHandler) and handler.resolve_include_in_schema()
    if is_own and handler.operation_class is Operation:
        unknown = [(name, "is not a parameter that is known here") for name in request.query_params]
        if unknown:
            raise ParameterError(unknown)


async def _name_all_methods(message: Message, scope: RequestScope) -> None:
    """Say every method of a path in `Allow`: litestar names those that it knew when it took up the first."""
    if scope.get("method") == HttpMethod.OPTIONS and message["type"] == "http.response.start":
        routes = Litestar.from_scope(scope).routes
        named = [route for route in routes if route.path_format == scope.get("path_template")]
        methods = {method for route in named if isinstance(route, HTTPRoute) for method in route.methods}
        MutableScopeHeaders.from_message(message)["Allow"] = ", ".join(sorted(methods))


async def _tell_of_token(message: Message, scope: RequestScope) -> None:
    """Say in the answers to a token what is left to it: of its rate, and in its last days of its time."""
    caller = scope.get("user")
    if message["type"] != "http.response.start" or not isinstance(caller, Caller):
        return
    claims, service = caller.claims, Litestar.from_scope(scope).state.service
    if claims.session_id is not None:
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, text in service.rate_limits.headers(caller).items():
        headers[name] = text
    if claims.expires_at - time.time() < EXPIRES_SOON.total_seconds():
        headers["Tracker-Token-Expires"] = datetime.fromtimestamp(claims.expires_at, UTC).isoformat()


def _metrics(service: Service) -> Sequence[Router]:
    def session(request: CallerRequest) -> Session:
        return service.session(request.user.organization, request.user.repositories)

    guards = [requires(Scope.METRICS_READ)]
    dependencies = {"session": Provide(session, sync_to_thread=False)}

    async def sees_all(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        connection.scope["user"].require_unlimited("facts are of all of them")

    return [
        metrics_router(guards, dependencies),
        charts_router(guards, dependencies),
        facts_router([*guards, sees_all], dependencies),
    ]


class RawBodies(PydanticInitPlugin):
    """Bodies are read from their bytes, in the model's strict mode, in place of a parsed dictionary."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.type_decoders = [(_is_body, _read_body), *(app_config.type_decoders or [])]
        return app_config


def _is_body(target: Any) -> TypeGuard[type[Body]]:
    return isinstance(target, type) and issubclass(target, Body)


def _read_body(body: type[Body], raw: bytes) -> BaseModel:
    return body.parse(raw)
