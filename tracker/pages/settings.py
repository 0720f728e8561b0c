"""The organization's settings, as a form."""

import asyncio
import json
from typing import Any

from litestar import Controller, Response, get, post

from metrics.domain.benchmarks import report_years
from metrics.domain.errors import Refusal
from metrics.domain.settings import OrganizationSettings, SettingsChange, settings_from
from metrics.domain.vocabulary import FailureSignal
from tracker.organizations.service import change_settings, read_settings, zone_of
from tracker.pages.frame.access import PAGE, Form, admin_signed_in, read_form
from tracker.pages.frame.address import Address
from tracker.pages.frame.controls import time_zones
from tracker.pages.frame.shell import frame_of, now, page_response, render
from tracker.pages.frame.words import Clock
from tracker.pages.parts.history import history_rows
from tracker.records.history import entries, find_versions
from tracker.records.ledger import Ledger
from tracker.records.tables import ORGANIZATION_SETTINGS
from tracker.web.paging import CallerRequest
from tracker.web.state import Service, author_of


def _change(ledger: Ledger, author: Any, changes: dict[str, Any]) -> OrganizationSettings:
    return change_settings(ledger, author, changes)


def _given(form: Form) -> dict[str, Any]:
    """The fields of the form as the interface takes them; an empty one means the default."""
    days, year = form.text("attribution_gap_days"), form.text("benchmark")
    return {
        "timezone": form.text("timezone") or None,
        "production_environments": form.text("production_environments").replace(",", " ").split() or None,
        "failure_signals": list(form.texts("failure_signals")),
        "attribution_gap_days": int(days) if days.isascii() and days.isdigit() else days or None,
        "fix_patterns": form.text("fix_patterns").split() or None,
        "benchmark": int(year) if year.isascii() and year.isdigit() else None,
    }


def _form(
    request: CallerRequest, service: Service, errors: dict[str, str] | None = None, saved: bool = False
) -> Response[bytes]:
    organization = request.user.organization
    with service.engine.connect() as connection:
        settings = read_settings(connection, organization)
    versions = find_versions(service.engine, ORGANIZATION_SETTINGS, organization, organization)
    html = render(
        "settings.html",
        frame_of("settings", request, service, Address("/settings")),
        settings=settings,
        signals=list(FailureSignal),
        years=list(reversed(report_years())),
        zones=time_zones(),
        errors=errors or {},
        saved=saved,
        clock=Clock(zone_of(service.engine, organization), now()),
        history=history_rows(entries(versions, lambda row: settings_from(row._mapping), frozenset())),
    )
    return page_response(request, html, status_code=400 if errors else 200)


class SettingsPages(Controller):
    """Show the settings and change them."""

    @get("/settings", include_in_schema=False, opt=PAGE, guards=[admin_signed_in], sync_to_thread=True)
    def settings_page(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """What the organization has set, and who changed it when."""
        return _form(request, service)

    @post("/settings", include_in_schema=False, opt=PAGE, guards=[admin_signed_in])
    async def change_settings_page(self, request: CallerRequest, service: Service) -> Response[bytes]:
        """Change the settings: in force for the next answer of every process."""
        form, author = await read_form(request, service), author_of(request.user)
        try:
            changes = SettingsChange.parse(json.dumps(_given(form)).encode()).changes()
            await service.recorder.record(lambda ledger: _change(ledger, author, changes))
        except Refusal as refusal:
            errors = {error.pointer.strip("/").split("/")[0]: error.detail for error in refusal.errors}
            return await asyncio.to_thread(_form, request, service, errors or {"": refusal.detail})
        return await asyncio.to_thread(_form, request, service, {}, True)
