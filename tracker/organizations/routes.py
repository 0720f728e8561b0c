"""`/api/v1/settings`: what an organization sets."""

from litestar import Controller, get, patch
from litestar.params import JSONBody

from metrics.domain.vocabulary import OrganizationSettings
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.organizations.schemas import SettingsAnswer, SettingsChange
from tracker.organizations.service import change_settings, read_settings
from tracker.records.ledger import Ledger
from tracker.web.paging import CallerRequest
from tracker.web.state import Service, author_of

PATH = "/api/v1/settings"


class SettingsController(Controller):
    """Read them and change them."""

    @get(PATH, guards=[requires(Scope.ADMIN)], sync_to_thread=True)
    def read(self, request: CallerRequest, service: Service) -> SettingsAnswer:
        """The organization's settings, defaults included."""
        request.user.require_unlimited("settings are the whole organization's")
        with service.engine.connect() as connection:
            return SettingsAnswer.of(read_settings(connection, request.user.organization))

    @patch(PATH, guards=[requires(Scope.ADMIN)])
    async def change(
        self, data: JSONBody[SettingsChange], request: CallerRequest, service: Service
    ) -> SettingsAnswer:
        """Change settings: a merge patch, in force for the next answer of every process."""
        request.user.require_unlimited("settings are the whole organization's")
        author, changes = author_of(request.user), data.changes()

        def act(ledger: Ledger) -> OrganizationSettings:
            return change_settings(ledger, author, changes)

        return SettingsAnswer.of(await service.recorder.record(act))
