"""Intakes: where other systems' events come in, what came, and what became of it."""

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from litestar import Controller, Response, get, post
from sqlalchemy import Connection

from metrics.domain.errors import InvalidInput, Refusal
from tracker.intakes.deliveries import list_deliveries, unmapped_names
from tracker.intakes.names import read_names, write_names
from tracker.intakes.receiving import Sources
from tracker.intakes.schemas import IntakeAnswer, NewIntake, with_names
from tracker.intakes.store import (
    Intake,
    add_intake,
    change_intake,
    find_intake,
    list_intakes,
    remove_intake,
)
from tracker.organizations.service import zone_of
from tracker.pages.frame.access import PAGE, Form, admin_signed_in, read_form
from tracker.pages.frame.address import Address
from tracker.pages.frame.shell import frame_of, now, page_response, render
from tracker.pages.frame.words import Clock
from tracker.records.ledger import Ledger
from tracker.web.paging import CallerRequest, base_of
from tracker.web.state import Service

_MOST_EVENTS = 50


def _given(form: Form) -> dict[str, Any]:
    """The fields of the form as the interface takes them; an empty one says nothing."""
    defaults = {name: form.text(name) for name in ("repository_url", "service", "environment", "team")}
    options = (line.partition("=") for line in form.text("options").splitlines() if line.strip())
    given = {
        "source": form.text("source"),
        "secret": form.text("secret"),
        "repositories": form.text("repositories").replace(",", " ").split(),
        "defaults": {name: text for name, text in defaults.items() if text},
        "options": {name.strip(): text.strip() for name, _, text in options},
    }
    return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class IntakeRow:
    """An intake; what its sender's names of services mean, as CSV, and those that mean nothing yet."""

    intake: IntakeAnswer
    names: str
    unmapped: Sequence[str]

    @classmethod
    def of(cls, connection: Connection, intake: Intake, base: str) -> "IntakeRow":
        unmapped, csv = unmapped_names(connection, intake), io.StringIO()
        write_names(csv, intake.names, unmapped)
        return cls(IntakeAnswer.of(intake, base), csv.getvalue(), unmapped)


def _map(ledger: Ledger, organization: str, intake_id: str, csv: str) -> None:
    """Let an intake know the names of a CSV text. Raises `Refusal`."""
    found = find_intake(ledger.connection, intake_id, organization)
    names = read_names(io.StringIO(csv, newline=""))
    change_intake(ledger.connection, replace(found, names=with_names(found.names, names)))


def _page(
    request: CallerRequest,
    service: Service,
    *,
    added: IntakeAnswer | None = None,
    said: str = "",
    error: str = "",
) -> Response[bytes]:
    organization, base = request.user.organization, base_of(request, service.settings)
    sources: Sources = request.app.state.event_sources
    with service.engine.connect() as connection:
        rows = [IntakeRow.of(connection, one, base) for one in list_intakes(connection, organization)]
        events = list_deliveries(connection, organization, limit=_MOST_EVENTS)
    html = render(
        "intakes.html",
        frame_of("intakes", request, service, Address("/intakes")),
        rows=rows,
        events=events,
        sources=sorted(sources.values(), key=lambda source: source.title),
        titles={source.name: source.title for source in sources.values()},
        clock=Clock(zone_of(service.engine, organization), now()),
        added=added,
        said=said,
        error=error,
    )
    return page_response(request, html, status_code=400 if error else 200)


class IntakesPages(Controller):
    """List the intakes and the last events, add an intake, remove one."""

    @get("/intakes", include_in_schema=False, opt=PAGE, guards=[admin_signed_in], sync_to_thread=True)
    def intakes_page(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """The organization's intakes, and what came in."""
        return _page(request, service)

    @post("/intakes", include_in_schema=False, opt=PAGE, guards=[admin_signed_in])
    async def add_intake_page(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """Add an intake; its secret is shown once."""
        form, caller = await read_form(request, service), request.user
        sources: Sources = request.app.state.event_sources
        try:
            body = NewIntake.parse(json.dumps(_given(form)).encode())
            intake = body.intake(caller.organization, caller.claims.subject, sources)
            added = await service.recorder.record(lambda ledger: add_intake(ledger.connection, intake))
        except Refusal as refusal:
            told = "; ".join(f"{one.pointer.strip('/')} {one.detail}" for one in refusal.errors)
            error = f"Nothing was added: {told or refusal.detail}."
            return await asyncio.to_thread(_page, request, service, error=error)
        answer = IntakeAnswer.of(
            added,
            base_of(request, service.settings),
            secret=added.secrets[0],
            hint=sources[added.source].hint or None,
        )
        return await asyncio.to_thread(_page, request, service, added=answer)

    @post("/intakes/remove", include_in_schema=False, opt=PAGE, guards=[admin_signed_in])
    async def remove_intake_page(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """Take no more events in at an intake."""
        form, organization = await read_form(request, service), request.user.organization
        await service.recorder.record(
            lambda ledger: remove_intake(ledger.connection, organization, form.text("intake_id"))
        )
        said = "Removed. What came in stays recorded."
        return await asyncio.to_thread(_page, request, service, said=said)

    @post("/intakes/names", include_in_schema=False, opt=PAGE, guards=[admin_signed_in])
    async def map_names_page(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """Say what the sender's names of services mean."""
        form, organization = await read_form(request, service), request.user.organization
        intake_id, csv = form.text("intake_id"), form.text("names")
        try:
            await service.recorder.record(lambda ledger: _map(ledger, organization, intake_id, csv))
        except InvalidInput as refusal:
            error = f"Nothing was changed: {refusal.detail}."
            return await asyncio.to_thread(_page, request, service, error=error)
        said = "Saved. It holds for what comes from now on."
        return await asyncio.to_thread(_page, request, service, said=said)
