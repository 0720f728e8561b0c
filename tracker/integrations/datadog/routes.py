"""`/api/v2/dora`: deployments and failures as Datadog's clients send, read, mark and delete them."""

import re
from collections.abc import Sequence
from typing import Any

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection, Select, not_, or_
from uuid_utils import uuid7

from metrics.domain.errors import InvalidInput
from metrics.domain.incidents import SentIncident
from metrics.domain.vocabulary import name_key
from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.deployments.queries import DeploymentFilter, select_deployments
from tracker.deployments.service import RecordedDeployment, delete_deployment, record_deployment
from tracker.errors import NotFound
from tracker.incidents.queries import IncidentFilter, select_incidents
from tracker.incidents.service import RecordedIncident, delete_incident, report_incident, revise_incident
from tracker.integrations.datadog.answers import (
    PREFIX,
    Answer,
    deployment_answer,
    failure_answer,
    receipt,
)
from tracker.integrations.datadog.bodies import (
    NAMES,
    DeploymentAttributes,
    FailureAttributes,
    ListAttributes,
    ListRequest,
    NewDeployment,
    NewFailure,
    Patch,
    PatchByVersion,
)
from tracker.integrations.datadog.change_failures import OF_CHANGE_FAILURES, Marking, has_id
from tracker.integrations.translation import (
    find_deployment,
    find_incident,
    nothing,
    repository_of_service,
    sent_deployment,
    sent_incident,
)
from tracker.records.aliases import read_aliases
from tracker.records.ledger import Ledger
from tracker.records.tables import DEPLOYMENTS, INCIDENTS
from tracker.senders import keys
from tracker.web.paging import CallerRequest
from tracker.web.state import Service, author_of

_HEADERS = ("DD-API-KEY",)
_WRITERS = [requires(Scope.DEPLOYMENTS_WRITE, headers=_HEADERS)]
_READERS = [requires(Scope.DEPLOYMENTS_WRITE, Scope.DEPLOYMENTS_READ, headers=_HEADERS)]
_ADMINS = [requires(Scope.ADMIN, headers=_HEADERS)]
_DEFAULT_LIST = 10
_NO_REPOSITORY = (
    "is required: no repository is known for this service, or several are; once one was recorded it is known"
)
_TERM = re.compile(r'(service|env|version|team):(?:"([^"]+)"|(\S+))')


class DatadogController(Controller):
    """Deployments and failures."""

    path = PREFIX
    include_in_schema = False

    @post("/deployment", guards=_WRITERS, status_code=200)
    async def record(self, data: JSONBody[NewDeployment], request: CallerRequest, service: Service) -> Answer:
        """Record a deployment, which is a success until it is marked as a failure."""
        caller, attributes = request.user, data.data.attributes
        their_id = attributes.id or str(uuid7())

        def act(ledger: Ledger) -> Answer:
            _record(ledger, caller, attributes, their_id)
            return receipt("dora_deployment", their_id)

        return await service.recorder.record(act)

    @post(["/failure", "/incident"], guards=_WRITERS, status_code=200)
    async def report(self, data: JSONBody[NewFailure], request: CallerRequest, service: Service) -> Answer:
        """Report a failure; one with the same id says anew what was said before."""
        caller, attributes = request.user, data.data.attributes
        their_id = attributes.id or str(uuid7())

        def act(ledger: Ledger) -> Answer:
            sent = [
                _sent_failure(attributes, name, their_id if index == 0 else f"{their_id}:{name}", ledger.now)
                for index, name in enumerate(attributes.services or [""])
            ]
            caller.require_write(sent[0].facts.repository)
            for one in sent:
                _report(ledger, caller, one)
            return receipt("dora_failure", their_id)

        return await service.recorder.record(act)

    @patch("/deployments/{deployment_id:str}", guards=_WRITERS, status_code=202)
    async def mark(
        self, deployment_id: FromPath[str], data: JSONBody[Patch], request: CallerRequest, service: Service
    ) -> Response[bytes]:
        """Mark a deployment as a change failure, or as sound again."""
        caller, author = request.user, author_of(request.user)

        def act(ledger: Ledger) -> None:
            found = _deployment(ledger.connection, caller, deployment_id)
            Marking(ledger, author, caller).mark(found, data.data.attributes)

        await service.recorder.record(act)
        return nothing(202)

    @patch("/deployments", guards=_WRITERS, status_code=202)
    async def mark_version(
        self, data: JSONBody[PatchByVersion], request: CallerRequest, service: Service
    ) -> Response[bytes]:
        """Mark the latest deployment of a version of a service into an environment."""
        caller, author, said = request.user, author_of(request.user), data.data.attributes

        def act(ledger: Ledger) -> None:
            columns = DEPLOYMENTS.c
            found = find_deployment(
                ledger.connection,
                caller,
                _is_of_service(said.service),
                columns.environment_key == name_key(said.env),
                columns.version == said.version,
                columns.finished_at.is_not(None),
            )
            if found is None:
                raise NotFound(f"There is no deployment of {said.service} {said.version} into {said.env}.")
            Marking(ledger, author, caller).mark(found, said)

        await service.recorder.record(act)
        return nothing(202)

    @post("/deployments", guards=_READERS, status_code=200, sync_to_thread=True)
    def list_deployments(
        self, data: JSONBody[ListRequest], request: CallerRequest, service: Service
    ) -> Answer:
        """The deployments that have finished, however they were recorded."""
        with service.engine.connect() as connection:
            rows = connection.execute(_deployments_asked_for(connection, request.user, data.data.attributes))
            return {"data": [deployment_answer(RecordedDeployment.from_row(row)) for row in rows]}

    @post("/failures", guards=_READERS, status_code=200, sync_to_thread=True)
    def list_failures(self, data: JSONBody[ListRequest], request: CallerRequest, service: Service) -> Answer:
        """The incidents, however they were reported, without the marks of deployments."""
        with service.engine.connect() as connection:
            rows = connection.execute(_failures_asked_for(connection, request.user, data.data.attributes))
            return {"data": [failure_answer(RecordedIncident.from_row(row)) for row in rows]}

    @get("/deployments/{deployment_id:str}", guards=_READERS, sync_to_thread=True)
    def read(self, deployment_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """One deployment."""
        with service.engine.connect() as connection:
            return {"data": deployment_answer(_deployment(connection, request.user, deployment_id))}

    @get("/failures/{incident_id:str}", guards=_READERS, sync_to_thread=True)
    def read_failure(self, incident_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """One failure."""
        with service.engine.connect() as connection:
            return {"data": failure_answer(_failure(connection, request.user, incident_id))}

    @delete("/deployment/{deployment_id:str}", guards=_ADMINS, status_code=202)
    async def remove(
        self, deployment_id: FromPath[str], request: CallerRequest, service: Service
    ) -> Response[bytes]:
        """Delete a deployment: it is in no list and no metric any more."""
        caller, author = request.user, author_of(request.user)

        def act(ledger: Ledger) -> None:
            found = _deployment(ledger.connection, caller, deployment_id)
            delete_deployment(ledger, author, found.version.id, caller.can_access)

        await service.recorder.record(act)
        return nothing(202)

    @delete("/failure/{incident_id:str}", guards=_ADMINS, status_code=202)
    async def remove_failure(
        self, incident_id: FromPath[str], request: CallerRequest, service: Service
    ) -> Response[bytes]:
        """Delete a failure."""
        caller, author = request.user, author_of(request.user)

        def act(ledger: Ledger) -> None:
            found = _failure(ledger.connection, caller, incident_id)
            delete_incident(ledger, author, found.version.id, caller.can_access)

        await service.recorder.record(act)
        return nothing(202)


def _record(ledger: Ledger, caller: Caller, said: DeploymentAttributes, their_id: str) -> None:
    """Record a deployment; its repository is its service's where it names none. Raises `Refusal`."""
    url = said.repository_url
    if url is None:
        known = repository_of_service(ledger.connection, caller, said.service)
        if known is None:
            raise InvalidInput.field(NAMES["repository_url"], _NO_REPOSITORY)
        url = known.url
    fields = {
        **said.fields(),
        "repository_url": url,
        "deployment_node_id": keys.datadog_deployment(their_id),
    }
    sent = sent_deployment(fields, NAMES, ledger.now)
    caller.require_write(sent.facts.repository)
    record_deployment(ledger, author_of(caller), sent, caller.can_access)


def _sent_failure(said: FailureAttributes, service: str, their_id: str, now: int) -> SentIncident:
    """The incident that a failure is for one of its services."""
    fields = {**said.fields(), "service": service, "key": keys.datadog_failure(their_id)}
    return sent_incident(fields, NAMES, now)


def _report(ledger: Ledger, caller: Caller, sent: SentIncident) -> None:
    author = author_of(caller)
    known = find_incident(ledger.connection, caller, INCIDENTS.c.key == sent.facts.key)
    if known is None:
        report_incident(ledger, author, sent, caller.can_access)
        return
    changes = {name: getattr(sent.facts, name) for name in sent.fields_set}
    revise_incident(ledger, author, known.version.id, changes, caller.can_access)


def _deployment(connection: Connection, caller: Caller, deployment_id: str) -> RecordedDeployment:
    found = find_deployment(connection, caller, has_id(deployment_id))
    if found is None:
        raise NotFound(f"There is no deployment {deployment_id}.")
    return found


def _failure(connection: Connection, caller: Caller, failure_id: str) -> RecordedIncident:
    columns = INCIDENTS.c
    has_it = or_(columns.id == failure_id, columns.key == keys.datadog_failure(failure_id))
    found = find_incident(connection, caller, has_it)
    if found is None:
        raise NotFound(f"There is no failure {failure_id}.")
    return found


def _is_of_service(name: str) -> Any:
    """Whether a row is of the service; a record that names none goes by its repository."""
    columns, key = DEPLOYMENTS.c, name_key(name)
    return or_(columns.service_key == key, (columns.service_key == "") & (columns.repository_path == name))


def _deployments_asked_for(connection: Connection, caller: Caller, asked: ListAttributes) -> Select[Any]:
    terms = _terms(asked.query)
    wanted = DeploymentFilter(
        **_filter(connection, caller, asked, terms), team=terms.get("team", ()), status=("success", "fail")
    )
    columns = DEPLOYMENTS.c
    statement = select_deployments(wanted)
    if "version" in terms:
        statement = statement.where(columns.version.in_(terms["version"]))
    return _ordered(statement, columns.listed_at, columns.id, asked)


def _failures_asked_for(connection: Connection, caller: Caller, asked: ListAttributes) -> Select[Any]:
    terms = _terms(asked.query)
    columns = INCIDENTS.c
    statement = select_incidents(IncidentFilter(**_filter(connection, caller, asked, terms))).where(
        or_(columns.key.is_(None), not_(columns.key.startswith(OF_CHANGE_FAILURES)))
    )
    for name in ("team", "version"):
        if name in terms:
            statement = statement.where(columns.labels[name].as_string().in_(terms[name]))
    return _ordered(statement, columns.started_at, columns.id, asked)


def _filter(
    connection: Connection, caller: Caller, asked: ListAttributes, terms: dict[str, list[str]]
) -> dict[str, Any]:
    return {
        "organization": caller.organization,
        "visible": caller.repositories,
        "aliases": read_aliases(connection, caller.organization),
        "service": terms.get("service", ()),
        "environment": terms.get("env", ()),
        "from_": asked.from_,
        "to": asked.to,
    }


def _ordered(statement: Select[Any], at: Any, record_id: Any, asked: ListAttributes) -> Select[Any]:
    """The statement in the order that is asked for: the latest first, but for a `sort` without a minus."""
    columns: Sequence[Any] = (at, record_id)
    if asked.sort is None or asked.sort.startswith("-"):
        columns = [column.desc() for column in columns]
    return statement.order_by(None).order_by(*columns).limit(asked.limit or _DEFAULT_LIST)


def _terms(query: str | None) -> dict[str, list[str]]:
    """The terms of a query: all must hold, those of one name in turn. Raises `InvalidInput` for others."""
    text = (query or "").strip()
    found: dict[str, list[str]] = {}
    for match in _TERM.finditer(text):
        found.setdefault(match[1], []).append(match[2] or match[3])
    if _TERM.sub("", text).replace(" AND ", "").strip() not in ("", "*"):
        detail = "takes service:, env:, version: and team:, one after the other"
        raise InvalidInput.field("data/attributes/query", detail)
    return found
