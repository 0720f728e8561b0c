"""What GitHub's clients ask before they ask for anything: where they are, who they are, how much they may."""

from litestar import Controller, Router, get
from litestar.types import ControllerRouterHandler

from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.integrations.github.answers import UNKNOWN_TIME, Answer, user_answer
from tracker.integrations.github.limits import rate, tell_rate
from tracker.integrations.github.routes import PREFIXES, SCHEMES, base_of_github
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

_ANYBODY = requires(*Scope, schemes=SCHEMES)


class AccountController(Controller):
    """The user behind a token, and what it may."""

    include_in_schema = False

    @get("/user", guards=[_ANYBODY], sync_to_thread=False)
    def user(self, request: CallerRequest, service: Service) -> Answer:
        """The token's subject as a user, with every key that clients want of one; most is not known."""
        claims = request.user.claims
        return {
            **user_answer(claims.subject, base_of_github(request, service)),
            **dict.fromkeys(("company", "location", "hireable", "bio"), None),
            "name": claims.profile.get("name"),
            "email": claims.profile.get("email"),
            "blog": "",
            **dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0),
            **dict.fromkeys(("created_at", "updated_at"), UNKNOWN_TIME),
        }

    @get("/rate_limit", guards=[_ANYBODY], sync_to_thread=False)
    def rate_limit(self) -> Answer:
        """A limit that is never reached: clients wait by it."""
        resources = {name: {**rate(), "resource": name} for name in ("core", "search", "graphql")}
        return {"resources": resources, "rate": rate()}

    @get("/meta", sync_to_thread=False)
    def meta(self) -> Answer:
        """The service as GitHub describes an installation of its own."""
        return {"verifiable_password_authentication": False, "installed_version": "3.17.0"}


@get("/", guards=[_ANYBODY], include_in_schema=False, sync_to_thread=False)
def root(request: CallerRequest, service: Service) -> Answer:
    """Where things are."""
    base = base_of_github(request, service)
    return {
        "current_user_url": f"{base}/user",
        "rate_limit_url": f"{base}/rate_limit",
        "repository_url": f"{base}/repos/{{owner}}/{{repo}}",
    }


ACCOUNT: list[ControllerRouterHandler] = [
    *(
        Router(prefix or "/", route_handlers=[AccountController], after_request=tell_rate)
        for prefix in PREFIXES
    ),
    # At the root itself are the pages.
    Router(PREFIXES[-1], route_handlers=[root]),
]
