"""`POST /api/v1/events/{source}/{intake}`: an event comes in, is believed, understood and recorded."""

import asyncio
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any
from urllib.parse import parse_qs

import msgspec
import structlog
from litestar import post
from litestar.datastructures.headers import Headers as ScopeHeaders
from litestar.datastructures.headers import MutableScopeHeaders
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import Message
from litestar.types import Scope as RequestScope

from metrics.domain.errors import InvalidInput, Refusal
from metrics.domain.fields import without_byte_order_mark
from tracker.auth.callers import Caller, require_scope, requires
from tracker.auth.tokens import Scope
from tracker.errors import NotFound, Unauthenticated
from tracker.intakes.deliveries import note_delivery
from tracker.intakes.events import DeploymentTold, Ignored, IncidentTold, PushTold, Told
from tracker.intakes.recording import Outcome, Taken, take, take_push
from tracker.intakes.sources import EventSource, Headers, Incoming, UnreadableEvent
from tracker.intakes.store import Intake, find_intake
from tracker.records.ledger import Author, Ledger
from tracker.telemetry import EVENTS
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

PATH = "/api/v1/events"
LARGEST_EVENT_BYTES = 25_000_000
_FORM = "application/x-www-form-urlencoded"
_MOST_NOTED = 200
_log = structlog.get_logger("tracker")

Sources = Mapping[str, EventSource]


@dataclass(frozen=True, slots=True)
class EventAnswer:
    """What became of an event: an `Outcome`, why, and the ids of the records."""

    outcome: str
    reason: str | None = None
    records: Sequence[str] = ()


@post(
    PATH + "/{source:str}/{intake_id:str}",
    status_code=200,
    request_max_body_size=LARGEST_EVENT_BYTES,
    include_in_schema=False,
)
async def receive_event(
    source: FromPath[str], intake_id: FromPath[str], request: CallerRequest, service: Service
) -> EventAnswer:
    """Take an event in. Once it is authentic the answer is 200, whatever it holds: senders give up else."""
    known = source_of(request, source)
    raw = await request.body()
    intake = await asyncio.to_thread(_find, service, intake_id)
    if intake.source != known.name:
        raise NotFound(f"There is no intake {intake_id} for events of {known.name}.")
    _require_credential(request, service, known, intake, raw)
    return await take_in(service, known, intake, _incoming(request, intake, raw))


@post(
    PATH + "/{source:str}",
    guards=[requires(Scope.DEPLOYMENTS_WRITE)],
    status_code=200,
    request_max_body_size=LARGEST_EVENT_BYTES,
    include_in_schema=False,
)
async def receive_event_of_token(
    source: FromPath[str], request: CallerRequest, service: Service
) -> EventAnswer:
    """Take an event in for the organization whose token sends it, with nothing to fill it up."""
    known = source_of(request, source)
    intake = _of_token(request.user, known)
    return await take_in(service, known, intake, _incoming(request, intake, await request.body()))


async def allow_sender(message: Message, scope: RequestScope) -> None:
    """Answer a sender of CloudEvents that asks by OPTIONS whether it may send: whoever knows the secret may.

    CloudEvents, HTTP 1.1 Web Hooks, 4.1.
    """
    is_asked = scope.get("method") == HttpMethod.OPTIONS and str(scope["path"]).startswith(PATH + "/")
    if not is_asked or message["type"] != "http.response.start":
        return
    asked, answer = ScopeHeaders.from_scope(scope), MutableScopeHeaders.from_message(message)
    origin = asked.get("webhook-request-origin")
    if origin is not None:
        answer["WebHook-Allowed-Origin"] = origin
        answer["WebHook-Allowed-Rate"] = "*"


def source_of(request: CallerRequest, name: str) -> EventSource:
    """The source by its name. Raises `NotFound`."""
    sources: Sources = request.app.state.event_sources
    if name not in sources:
        raise NotFound(f"No events of {name!r} are known; those of {', '.join(sorted(sources))} are.")
    return sources[name]


async def take_in(service: Service, source: EventSource, intake: Intake, incoming: Incoming) -> EventAnswer:
    """Record what an authentic event tells, and write down what became of it."""
    event, delivery, told, why_not = "", None, [], None
    try:
        event, delivery = source.event_of(incoming), source.delivery_of(incoming)
        told = list(source.read(incoming))
    except (UnreadableEvent, KeyError, TypeError, ValueError, AttributeError) as failure:
        # A payload that is not as its sender promises; nothing in it can make the service fail.
        why_not = f"unreadable: {failure}" if isinstance(failure, UnreadableEvent) else "unreadable"
        _log.info("an event could not be read", source=source.name, kind=event, failure=repr(failure))

    def act(ledger: Ledger) -> EventAnswer:
        author = Author(intake.organization, f"intake:{source.name}", intake.id or None)
        taken = [_taken(ledger, author, intake, one) for one in told]
        answer = _answer(taken) if why_not is None else EventAnswer(Outcome.IGNORED, why_not)
        note_delivery(
            ledger.connection,
            organization=intake.organization,
            intake_id=intake.id or None,
            source=source.name,
            delivery_id=delivery,
            event=event[:_MOST_NOTED],
            outcome=answer.outcome,
            reason=answer.reason,
            records=list(answer.records),
            unmapped=_unmapped(intake, told) or None,
        )
        return answer

    answer = await service.recorder.record(act)
    EVENTS.labels(source.name, answer.outcome).inc()
    return answer


def _taken(
    ledger: Ledger, author: Author, intake: Intake, told: DeploymentTold | IncidentTold | PushTold | Ignored
) -> Taken:
    if isinstance(told, Ignored):
        return Taken(Outcome.IGNORED, f"{told.reason}: {told.detail}" if told.detail else told.reason)
    try:
        # One event may tell of several things: what of it cannot be recorded leaves the rest as it is.
        if isinstance(told, PushTold):
            return take_push(ledger, author, told, intake.reaches)
        return _completed(ledger, author, intake, told)
    except Refusal as refusal:
        return Taken(Outcome.IGNORED, f"{refusal.code}: {refusal.detail}"[:1_000])


def _completed(ledger: Ledger, author: Author, intake: Intake, told: DeploymentTold | IncidentTold) -> Taken:
    """Record what was told with what the intake knows of it. Raises `Refusal`."""
    fields = intake.completed(told.fields, is_deployment=isinstance(told, DeploymentTold))
    unmapped = intake.unmapped_name(told.fields)
    if isinstance(told, DeploymentTold) and "repository_url" not in fields:
        why = "has no default" if unmapped is None else f"maps {unmapped!r} to none"
        return Taken(Outcome.IGNORED, f"no_repository: the event names none, and the intake {why}")
    taken = take(ledger, author, replace(told, fields=fields), intake.reaches)
    hint = None if unmapped is None else f"service_not_mapped: {unmapped}"
    return replace(taken, reason=taken.reason or hint)


def _unmapped(intake: Intake, told: Told) -> list[str]:
    """The names of services in it for which the intake knows no repository."""
    named = (one for one in told if isinstance(one, DeploymentTold | IncidentTold))
    names = (intake.unmapped_name(one.fields) for one in named)
    return list(dict.fromkeys(name for name in names if name is not None))


# What weighs more in an event that tells of several things.
_WEIGHT = (Outcome.RECORDED, Outcome.UPDATED, Outcome.HELD, Outcome.REPEATED, Outcome.IGNORED)


def _answer(taken: Sequence[Taken]) -> EventAnswer:
    if not taken:
        return EventAnswer(Outcome.IGNORED, "nothing_told")
    outcome = min((one.outcome for one in taken), key=_WEIGHT.index)
    reasons = dict.fromkeys(one.reason for one in taken if one.reason is not None)
    records = dict.fromkeys(one.record_id for one in taken if one.record_id is not None)
    return EventAnswer(outcome, "; ".join(reasons) or None, list(records))


def _payload(headers: Headers, raw: bytes) -> Any:
    """The JSON of the body, or of a form's field `payload`. Raises `InvalidInput`."""
    text = without_byte_order_mark(raw)
    if headers.get("content-type", "").startswith(_FORM):
        text = parse_qs(text.decode(errors="replace")).get("payload", [""])[0].encode()
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidInput("The body is no JSON.") from None


def _incoming(request: CallerRequest, intake: Intake, raw: bytes) -> Incoming:
    headers = headers_of(request)
    return Incoming(headers, _payload(headers, raw), intake.options)


def headers_of(request: CallerRequest) -> Headers:
    """The headers by their names in lower case."""
    return {name.lower(): text for name, text in request.headers.items()}


def _find(service: Service, intake_id: str) -> Intake:
    with service.engine.connect() as connection:
        return find_intake(connection, intake_id)


def _require_credential(
    request: CallerRequest,
    service: Service,
    source: EventSource,
    intake: Intake,
    raw: bytes,
) -> None:
    """The first credential that is present decides. Raises `Unauthenticated`."""
    headers = headers_of(request)
    for credential in source.credentials:
        if credential.is_present(headers):
            if any(credential.is_right(headers, raw, secret) for secret in intake.secrets):
                return
            raise Unauthenticated("the signature or secret is not the intake's", reason="event-signature")
    shown = _shown_secret(headers.get("authorization"), request.query_params.get("token"))
    if shown is None:
        raise Unauthenticated("the event shows neither a signature nor a secret", token_given=False)
    if any(compare_digest(shown.encode(), secret.encode()) for secret in intake.secrets):
        return
    caller = service.authenticator.authenticate(f"Bearer {shown}")
    require_scope(caller, Scope.DEPLOYMENTS_WRITE)
    caller.require_unlimited("events come in for the whole organization")
    if caller.organization != intake.organization:
        raise NotFound(f"There is no intake {intake.id}.")


def _shown_secret(authorization: str | None, in_address: str | None) -> str | None:
    if authorization is None:
        return in_address
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            return b64decode(credentials, validate=True).decode().partition(":")[2]
        except (ValueError, UnicodeDecodeError):
            return ""
    return credentials.strip() if scheme.lower() == "bearer" else authorization


def _of_token(caller: Caller, source: EventSource) -> Intake:
    """What a token lets in without an intake: events of its organization, with nothing to fill them up."""
    return Intake(
        id="",
        organization=caller.organization,
        source=source.name,
        secrets=(),
        repositories=caller.repositories,
        defaults={},
        names={},
        options={},
        created_at=datetime.now(UTC),
        created_by=caller.claims.subject,
    )
