"""`/api/v1/intakes`, and `GET /api/v1/events`: where events come in, and what came."""

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from pydantic import Field

from metrics.api.documents import documents
from metrics.domain.errors import InvalidInput
from metrics.domain.fields import Body
from metrics.wire.query_parameters import QueryParameters
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.intakes.deliveries import EventDelivery, list_deliveries, unmapped_names
from tracker.intakes.receiving import PATH as EVENTS_PATH
from tracker.intakes.receiving import Sources
from tracker.intakes.schemas import IntakeAnswer, IntakeChange, NewIntake, Secret
from tracker.intakes.store import (
    add_intake,
    change_intake,
    change_secrets,
    find_intake,
    list_intakes,
    new_secret,
    remove_intake,
)
from tracker.records.ledger import Ledger
from tracker.web.paging import CallerRequest, ListAnswer, base_of, next_link
from tracker.web.state import Service

PATH = "/api/v1/intakes"
_ONE = PATH + "/{intake_id:str}"
_ADMIN = [requires(Scope.ADMIN)]
_WHY = "intakes are the whole organization's"


class NewSecret(Body):
    """A secret that an intake is to take beside those it has."""

    secret: Secret | None = Field(None, description="One that the sender has made. Default: one is made.")


class EventParameters(QueryParameters):
    """The query parameters of the list of events."""

    source: str | None = Field(None, description="github, say.")
    outcome: str | None = Field(None, description="recorded, updated, repeated, held or ignored.")
    intake: str | None = Field(None, description="The id of an intake.")
    limit: int = Field(50, ge=1, le=500, description="Items a page.")
    cursor: str | None = Field(None, description="From the Link of the page before.")


class IntakesController(Controller):
    """Add, list and remove intakes, and change their secrets."""

    @get(PATH, guards=_ADMIN, sync_to_thread=True)
    def list_all(self, request: CallerRequest, service: Service) -> ListAnswer[IntakeAnswer]:
        """The organization's intakes, the oldest first; without their secrets."""
        request.user.require_unlimited(_WHY)
        base = base_of(request, service.settings)
        with service.engine.connect() as connection:
            found = list_intakes(connection, request.user.organization)
        return ListAnswer([IntakeAnswer.of(one, base) for one in found])

    @post(PATH, guards=_ADMIN, opt={"refusals": {409: "The organization has as many as it can."}})
    async def add(
        self, data: JSONBody[NewIntake], request: CallerRequest, service: Service
    ) -> Response[IntakeAnswer]:
        """Take one system's events in: 201, with the address for them and the secret, told this once."""
        request.user.require_unlimited(_WHY)
        sources: Sources = request.app.state.event_sources
        intake = data.intake(request.user.organization, request.user.claims.subject, sources)
        added = await service.recorder.record(lambda ledger: add_intake(ledger.connection, intake))
        hint = sources[added.source].hint or None
        answer = IntakeAnswer.of(
            added, base_of(request, service.settings), secret=added.secrets[0], hint=hint
        )
        return Response(answer, headers={"Location": service.settings.link(f"{PATH}/{added.id}")})

    @get(_ONE, guards=_ADMIN, sync_to_thread=True)
    def find(self, intake_id: FromPath[str], request: CallerRequest, service: Service) -> IntakeAnswer:
        """An intake, with the names of services that came lately and that it maps to no repository."""
        request.user.require_unlimited(_WHY)
        with service.engine.connect() as connection:
            found = find_intake(connection, intake_id, request.user.organization)
            unmapped = unmapped_names(connection, found)
        return IntakeAnswer.of(found, base_of(request, service.settings), unmapped=unmapped)

    @patch(_ONE, guards=_ADMIN)
    async def change(
        self,
        intake_id: FromPath[str],
        data: JSONBody[IntakeChange],
        request: CallerRequest,
        service: Service,
    ) -> IntakeAnswer:
        """Change what it knows: names of services, defaults, production, options, reach.

        It holds for what comes from now on, also of what is recorded already.
        """
        request.user.require_unlimited(_WHY)
        organization = request.user.organization
        sources: Sources = request.app.state.event_sources

        def act(ledger: Ledger) -> IntakeAnswer:
            found = find_intake(ledger.connection, intake_id, organization)
            changed = data.applied(found, sources[found.source])
            change_intake(ledger.connection, changed)
            unmapped = unmapped_names(ledger.connection, changed)
            return IntakeAnswer.of(changed, base_of(request, service.settings), unmapped=unmapped)

        return await service.recorder.record(act)

    @post(_ONE + "/secrets", guards=_ADMIN, opt={"refusals": {409: "It has as many as it can."}})
    async def add_secret(
        self, intake_id: FromPath[str], data: JSONBody[NewSecret], request: CallerRequest, service: Service
    ) -> IntakeAnswer:
        """Take another secret too, while the sender changes from one to the other; five at most."""
        request.user.require_unlimited(_WHY)
        organization, secret = request.user.organization, data.secret or new_secret()

        def act(ledger: Ledger) -> IntakeAnswer:
            intake = find_intake(ledger.connection, intake_id, organization)
            change_secrets(ledger.connection, intake, [*intake.secrets, secret])
            changed = find_intake(ledger.connection, intake_id, organization)
            return IntakeAnswer.of(changed, base_of(request, service.settings), secret=secret)

        return await service.recorder.record(act)

    @delete(_ONE + "/secrets/oldest", guards=_ADMIN)
    async def drop_secret(self, intake_id: FromPath[str], request: CallerRequest, service: Service) -> None:
        """Take the oldest secret no longer; the last one stays."""
        request.user.require_unlimited(_WHY)
        organization = request.user.organization

        def act(ledger: Ledger) -> None:
            intake = find_intake(ledger.connection, intake_id, organization)
            if len(intake.secrets) == 1:
                raise InvalidInput("The intake has one secret: add another one first, or remove the intake.")
            change_secrets(ledger.connection, intake, intake.secrets[1:])

        await service.recorder.record(act)

    @delete(_ONE, guards=_ADMIN)
    async def remove(self, intake_id: FromPath[str], request: CallerRequest, service: Service) -> None:
        """Take no more events in there; what came stays recorded."""
        request.user.require_unlimited(_WHY)
        organization = request.user.organization
        await service.recorder.record(
            lambda ledger: remove_intake(ledger.connection, organization, intake_id)
        )


class EventsController(Controller):
    """What came in, and what became of it."""

    @get(EVENTS_PATH, guards=_ADMIN, sync_to_thread=True, operation_class=documents(EventParameters))
    def list_all(self, request: CallerRequest, service: Service) -> Response[ListAnswer[EventDelivery]]:
        """The events of the last thirty days, the latest first."""
        request.user.require_unlimited(_WHY)
        asked = EventParameters.read(request.query_params.multi_items())
        with service.engine.connect() as connection:
            found = list_deliveries(
                connection,
                request.user.organization,
                source=asked.source,
                outcome=asked.outcome,
                intake_id=asked.intake,
                before=asked.cursor,
                limit=asked.limit + 1,
            )
        page = found[: asked.limit]
        cursor = page[-1].id if len(found) > asked.limit else None
        return Response(ListAnswer(page), headers=next_link(request, service.settings, cursor))
