"""`/api/v1/pushes`: the commits of repositories, for deployments that tell none."""

from dataclasses import dataclass

from litestar import Response, post
from litestar.params import JSONBody

from metrics.domain.pushes import NewPush
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.pushes import record_push
from tracker.web.paging import CallerRequest
from tracker.web.state import Service, author_of


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """A push that is recorded: the head of the branch from then on, and how many commits came with it."""

    repository: str
    after: str
    commits: int


@post(
    "/api/v1/pushes",
    guards=[requires(Scope.DEPLOYMENTS_WRITE)],
    opt={"answers": {200: "Known already."}},
)
async def record_pushed(
    data: JSONBody[NewPush], request: CallerRequest, service: Service
) -> Response[PushAnswer]:
    """Record commits that came onto a repository's default branch: 201, and 200 where they are known.

    Deployments that tell no commits carry those between the release before them and their own.
    """
    pushed = data.sent()
    request.user.require_write(pushed.repository)
    author = author_of(request.user)
    is_new = await service.recorder.record(lambda ledger: record_push(ledger, author, pushed))
    answer = PushAnswer(pushed.repository.shown, pushed.after, len(pushed.commits))
    return Response(answer, status_code=201 if is_new else 200)
