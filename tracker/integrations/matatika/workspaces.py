"""What clients ask for before they deploy: who they are, and which workspaces there are."""

from litestar import Controller, get
from litestar.params import FromPath

from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.errors import NotFound
from tracker.integrations.matatika.hal import (
    READERS,
    SCHEMES,
    Answer,
    Page,
    profile_answer,
    workspace_answer,
)
from tracker.integrations.workspaces import reached_workspace
from tracker.jobs.workspaces import list_workspaces
from tracker.web.paging import CallerRequest, base_of
from tracker.web.state import Service

_ANYBODY = requires(*Scope, schemes=SCHEMES)


class WorkspacesController(Controller):
    """Read the workspaces of the organization, as far as the token reaches."""

    path = "/api/workspaces"
    include_in_schema = False

    @get("/", guards=[READERS], sync_to_thread=True)
    def list_all(self, request: CallerRequest, service: Service) -> Answer:
        """The workspaces, a page of them; the latest first unless `sort` says otherwise."""
        wanted, base = Page.of(request), base_of(request, service.settings)
        with service.engine.connect() as connection:
            every = list_workspaces(connection, request.user.organization)
        reached = [one for one in every if request.user.can_access(one.repository)]
        reached.sort(key=lambda one: one.created_at, reverse=not wanted.oldest_first)
        shown = reached[wanted.offset : wanted.offset + wanted.size]
        answers = [workspace_answer(one, base) for one in shown]
        return wanted.answer("workspaces", answers, len(reached), f"{base}/api/workspaces")

    @get("/{workspace_id:str}", guards=[READERS], sync_to_thread=True)
    def read(self, workspace_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """One workspace."""
        with service.engine.connect() as connection:
            workspace = reached_workspace(connection, workspace_id, request.user)
        return workspace_answer(workspace, base_of(request, service.settings))


class ProfilesController(Controller):
    """Read the profile of whoever has the token: there are no others here."""

    path = "/api/profiles"
    include_in_schema = False

    @get("/", guards=[_ANYBODY], sync_to_thread=False)
    def list_all(self, request: CallerRequest, service: Service) -> Answer:
        """The caller's own profile, as a list of one."""
        base = base_of(request, service.settings)
        profile = profile_answer(request.user.claims, base)
        return Page.of(request).answer("profiles", [profile], 1, f"{base}/api/profiles")

    @get("/{profile_id:path}", guards=[_ANYBODY], sync_to_thread=False)
    def read(self, profile_id: FromPath[str], request: CallerRequest, service: Service) -> Answer:
        """The caller's own profile."""
        claims = request.user.claims
        # A subject may have slashes within.
        if profile_id.removeprefix("/") != claims.subject:
            raise NotFound(f"There is no profile {profile_id.removeprefix('/')}.")
        return profile_answer(claims, base_of(request, service.settings))
