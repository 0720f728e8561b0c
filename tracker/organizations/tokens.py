"""`GET /api/v1/tokens`: the organization's tokens, as far as they are known."""

from litestar import get

from tracker.auth.callers import requires
from tracker.auth.register import TokenEntry, list_tokens
from tracker.auth.tokens import Scope
from tracker.web.paging import CallerRequest, ListAnswer
from tracker.web.state import Service

PATH = "/api/v1/tokens"


@get(PATH, guards=[requires(Scope.ADMIN)], sync_to_thread=True)
def tokens(request: CallerRequest, service: Service) -> ListAnswer[TokenEntry]:
    """Every token that was minted or used: who has it, what it allows, until when, when it was used last."""
    request.user.require_unlimited("tokens are the whole organization's")
    return ListAnswer(list_tokens(service.engine, request.user.organization))
