"""`/api/v1/webhooks`: who is told of events, and what was told."""

from typing import Any
from urllib.parse import urlsplit

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from pydantic import Field
from sqlalchemy import Row

from metrics.api.documents import documents
from metrics.domain.errors import InvalidInput
from metrics.wire.query_parameters import QueryParameters
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.egress import AddressRefused, Unresolvable, permitted_address
from tracker.errors import Conflict
from tracker.records.ledger import Ledger
from tracker.web.paging import LARGEST_PAGE, CallerRequest, ListAnswer, page_answer
from tracker.web.state import Service, author_of
from tracker.webhooks.deliveries import DeliveryState, find_delivery, list_deliveries, redeliver
from tracker.webhooks.schemas import DeliveryAnswer, NewWebhook, WebhookAnswer, WebhookChange
from tracker.webhooks.subscriptions import (
    Subscription,
    change_subscription,
    find_subscription,
    list_subscriptions,
    subscribe,
    unsubscribe,
)

PATH = "/api/v1/webhooks"
_ADMIN = [requires(Scope.ADMIN)]
_ONE = PATH + "/{webhook_id:str}"
_WHOLE = "webhooks hear of the whole organization"


class DeliveryListParameters(QueryParameters):
    """Which deliveries."""

    state: tuple[DeliveryState, ...] = Field(
        (), description="pending, delivered, given_up, dropped; repeatable."
    )
    limit: int = Field(50, ge=1, le=LARGEST_PAGE, description="Items a page.")
    cursor: str | None = Field(None, description="From the Link of the page before.")


class WebhooksController(Controller):
    """Create, list, change and delete webhooks; list and repeat their deliveries."""

    @post(PATH, guards=_ADMIN, opt={"refusals": {409: "The organization has as many as it can."}})
    async def subscribe(
        self, data: JSONBody[NewWebhook], request: CallerRequest, service: Service
    ) -> Response[WebhookAnswer]:
        """Subscribe to what happens from now on: 201, with the secret, which is told this once."""
        request.user.require_unlimited(_WHOLE)
        author, (kind, events, secret) = author_of(request.user), data.wanted()
        await _require_permitted(data.url, service)

        def act(ledger: Ledger) -> Subscription:
            most = service.settings.max_webhooks
            if len(list_subscriptions(ledger.connection, author.organization)) >= most:
                raise Conflict(f"The organization has {most} webhooks, and more it cannot have: remove one.")
            return subscribe(ledger, author, url=data.url, kind=kind, events=events, secret=secret)

        answer = WebhookAnswer.of(await service.recorder.record(act), tell_secret=True)
        return Response(answer, headers={"Location": service.settings.link(f"{PATH}/{answer.id}")})

    @get(PATH, guards=_ADMIN, sync_to_thread=True)
    def list_all(self, request: CallerRequest, service: Service) -> ListAnswer[WebhookAnswer]:
        """The organization's webhooks, the oldest first."""
        request.user.require_unlimited(_WHOLE)
        with service.engine.connect() as connection:
            found = list_subscriptions(connection, request.user.organization)
        return ListAnswer([WebhookAnswer.of(one) for one in found])

    @get(_ONE, guards=_ADMIN, sync_to_thread=True)
    def read(self, webhook_id: FromPath[str], request: CallerRequest, service: Service) -> WebhookAnswer:
        """One webhook."""
        return WebhookAnswer.of(_find(request, service, webhook_id))

    @patch(_ONE, guards=_ADMIN)
    async def change(
        self,
        webhook_id: FromPath[str],
        data: JSONBody[WebhookChange],
        request: CallerRequest,
        service: Service,
    ) -> WebhookAnswer:
        """Change the URL, the events, or whether the webhook is enabled: a merge patch."""
        request.user.require_unlimited(_WHOLE)
        author = author_of(request.user)
        if data.url is not None:
            await _require_permitted(data.url, service)

        def act(ledger: Ledger) -> Subscription:
            kind = find_subscription(ledger.connection, author.organization, webhook_id).kind
            return change_subscription(ledger, author, webhook_id, data.changes(kind))

        return WebhookAnswer.of(await service.recorder.record(act))

    @delete(_ONE, guards=_ADMIN)
    async def end(self, webhook_id: FromPath[str], request: CallerRequest, service: Service) -> None:
        """Delete the webhook and drop its pending deliveries."""
        request.user.require_unlimited(_WHOLE)
        author = author_of(request.user)
        await service.recorder.record(lambda ledger: unsubscribe(ledger, author, webhook_id))

    @get(
        _ONE + "/deliveries",
        guards=_ADMIN,
        operation_class=documents(DeliveryListParameters),
        sync_to_thread=True,
    )
    def list_deliveries(
        self, webhook_id: FromPath[str], request: CallerRequest, service: Service
    ) -> Response[ListAnswer[DeliveryAnswer]]:
        """The deliveries of a webhook, the latest first, with every try."""
        parameters = DeliveryListParameters.read(request.query_params.multi_items())
        _find(request, service, webhook_id)
        with service.engine.connect() as connection:
            page = list_deliveries(connection, webhook_id, **dict(parameters))
        return page_answer(request, service.settings, page, DeliveryAnswer.of)

    @get(_ONE + "/deliveries/{delivery_id:str}", guards=_ADMIN, sync_to_thread=True)
    def read_delivery(
        self, webhook_id: FromPath[str], delivery_id: FromPath[str], request: CallerRequest, service: Service
    ) -> DeliveryAnswer:
        """One delivery, with the body that is sent."""
        _find(request, service, webhook_id)
        with service.engine.connect() as connection:
            return DeliveryAnswer.of(find_delivery(connection, webhook_id, delivery_id), with_body=True)

    @post(
        _ONE + "/deliveries/{delivery_id:str}/redelivery",
        guards=_ADMIN,
        status_code=202,
        opt={"refusals": {409: "The webhook is disabled."}},
    )
    async def redeliver(
        self, webhook_id: FromPath[str], delivery_id: FromPath[str], request: CallerRequest, service: Service
    ) -> DeliveryAnswer:
        """Send a delivery again, under the same id, whatever its state: 202."""
        request.user.require_unlimited(_WHOLE)
        organization = request.user.organization

        def act(ledger: Ledger) -> Row[Any]:
            subscription = find_subscription(ledger.connection, organization, webhook_id)
            if subscription.disabled_reason is not None:
                raise Conflict("The webhook is disabled: enable it first.")
            return redeliver(ledger, webhook_id, delivery_id)

        return DeliveryAnswer.of(await service.recorder.record(act))


def _find(request: CallerRequest, service: Service, webhook_id: str) -> Subscription:
    request.user.require_unlimited(_WHOLE)
    with service.engine.connect() as connection:
        return find_subscription(connection, request.user.organization, webhook_id)


async def _require_permitted(url: str, service: Service) -> None:
    """Raises `InvalidInput` where the address is one that is never called."""
    parts = urlsplit(url)
    try:
        allowed = service.settings.webhook_networks
        await permitted_address(parts.hostname or "", parts.port or 443, allowed)
    except Unresolvable:
        return  # it may be, by the time there is something to tell
    except AddressRefused as refusal:
        raise InvalidInput.field("url", f"cannot be called: {refusal}") from None
