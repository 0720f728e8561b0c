"""iftrue's deployment tracking: one call that records a deployment.

It has no call to update: posting the same repository, branch and commit again finishes what is in progress.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid5

from litestar import Response, post
from litestar.params import JSONBody
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import select

from metrics.domain.corrections import Correction
from metrics.domain.deployments import NewDeployment, SentDeployment
from metrics.domain.errors import InvalidInput
from metrics.domain.fields import Body, CommitId, Count, LongText, RepositoryUrl, ShortText, StatusWord, Url
from metrics.domain.instants import LONGEST_DURATION_SECONDS, instant_of, now_microseconds
from metrics.domain.vocabulary import Status
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.deployments.service import RecordedDeployment, record_deployment, revise_deployment
from tracker.integrations.base import Integration
from tracker.records.ledger import Author, Ledger
from tracker.records.tables import DEPLOYMENTS, ORGANIZATIONS, REPOSITORIES, current
from tracker.settings import DurationUnit
from tracker.web.paging import CallerRequest
from tracker.web.state import Service, author_of

PATH = "/v1/organization/deployment"
# Where members are named by something else than a UUID, one is made of that name.
_MEMBERS = UUID("2f6d3b0e-6c0a-5b0e-9d51-0b6f3b1c9a77")
_SECONDS = {DurationUnit.MINUTES: 60, DurationUnit.SECONDS: 1}


_ANSWERED = {
    Status.SUCCESS: "succes",
    Status.FAIL: "fail",
    Status.IN_PROGRESS: "in_progress",
    Status.CANCELLED: "cancelled",
}


def _without_brackets(value: object) -> object:
    """The address in `<https://…>`, as the vendor's own examples have it."""
    if isinstance(value, str) and value.startswith("<") and value.endswith(">"):
        return value[1:-1]
    return value


def _none_for_empty(value: object) -> object:
    return None if value == "" else value


def _whole(value: object) -> object:
    """A JSON number without a fraction: 1.0 is 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Brackets = BeforeValidator(_without_brackets)
_WholeNumber = Annotated[Count, BeforeValidator(_whole)]


class NewIftrueDeployment(Body):
    """A deployment, as iftrue's document has it. Fields that are not known are passed over."""

    model_config = ConfigDict(extra="ignore")

    title: ShortText
    branch: ShortText
    commit_id: CommitId
    repository_url: Annotated[RepositoryUrl, _Brackets]
    member_id: ShortText
    pull_request_number: _WholeNumber
    changelog: LongText | None = None
    url: Annotated[Url | None, _Brackets] = None
    deployment_node_id: Annotated[ShortText | None, BeforeValidator(_none_for_empty)] = None
    deployment_duration: Annotated[float, Field(ge=0)] | None = None
    is_fix: bool | None = None
    is_hotfix: bool | None = None
    is_forced: bool | None = None
    commits_count: _WholeNumber | None = None
    status: StatusWord | None = None

    def sent(self, unit: DurationUnit, now: int) -> SentDeployment:
        """The facts to record; what is left out has the document's defaults. Raises `InvalidInput`."""
        status = self.status or Status.SUCCESS
        same = self.model_dump(exclude={"deployment_duration", "status"}, exclude_none=True)
        so_far = None if self.deployment_duration is None else self.deployment_duration * _SECONDS[unit]
        if so_far is not None and so_far > LONGEST_DURATION_SECONDS:
            raise InvalidInput.field("deployment_duration", f"must not be more than a year, in {unit}")
        duration = so_far if status.is_final else None
        try:
            body = NewDeployment(**same, status=status, duration_seconds=duration)
        except ValidationError as error:
            raise InvalidInput.from_pydantic(error) from None
        sent = body.sent(triggered_by="webhook", now=now)
        if status.is_final or so_far is None:
            return sent
        # It has been under way for so long: that says when it began.
        began = now - round(so_far * 1_000_000)
        return replace(
            sent, facts=replace(sent.facts, started_at=began), fields_set=sent.fields_set | {"started_at"}
        )


@dataclass(frozen=True, slots=True)
class IftrueAnswer:
    """The record as iftrue answers it; `deployment_duration` in seconds."""

    id: str
    triggered_by: str
    title: str | None
    changelog: str | None
    is_hotfix: bool
    is_fix: bool
    is_forced: bool
    commits_count: int
    organization_id: str
    repository_id: str
    pusher_id: str
    created_at: datetime | None
    updated_at: datetime | None
    status: str
    url: str | None
    branch: str | None
    commit_id: str | None
    deployment_duration: float | None
    node_id: str | None
    pull_request_number: int | None


@post(PATH, guards=[requires(Scope.DEPLOYMENTS_WRITE)], include_in_schema=False)
async def record(
    data: JSONBody[NewIftrueDeployment], request: CallerRequest, service: Service
) -> Response[IftrueAnswer]:
    """Record a deployment, or finish the one that is in progress: 201."""
    caller, author = request.user, author_of(request.user)
    sent = data.sent(service.settings.iftrue_duration_unit, now_microseconds())
    caller.require_write(sent.facts.repository)

    def act(ledger: Ledger) -> IftrueAnswer:
        known = _in_progress(ledger, author, sent)
        if known is None:
            return _answer(ledger, record_deployment(ledger, author, sent, caller.can_access).deployment)
        return _answer(ledger, revise_deployment(ledger, author, known, _update(sent)))

    return Response(await service.recorder.record(act))


def _in_progress(ledger: Ledger, author: Author, sent: SentDeployment) -> str | None:
    """Return the id of the deployment that the call finishes; None where none is in progress.

    By its node id; else the latest that has none, of the same branch and commit.
    """
    facts, columns = sent.facts, DEPLOYMENTS.c
    same = []
    if facts.deployment_node_id is None:
        same = [columns.branch == facts.branch, columns.commit_id == facts.commit_id]
    found: str | None = ledger.connection.scalar(
        select(columns.id)
        .where(
            current(columns, author.organization),
            columns.repository_key == facts.repository_key,
            columns.service_key == facts.service_key,
            columns.environment_key == facts.environment_key,
            columns.deployment_node_id.is_not_distinct_from(facts.deployment_node_id),
            columns.status == Status.IN_PROGRESS.value,
            *same,
        )
        .order_by(columns.revision.desc())
        .limit(1)
    )
    return found


def _update(sent: SentDeployment) -> Correction:
    """Return the update of a deployment in progress: the later call counts."""
    said = sent.fields_set & {
        "title", "branch", "commit_id", "changelog", "url", "is_fix", "is_hotfix", "is_forced",
        "commits_count", "pull_request_number", "member_id", "status",
    }  # fmt: skip
    return Correction({name: getattr(sent.facts, name) for name in said}, sent.duration)


def _answer(ledger: Ledger, recorded: RecordedDeployment) -> IftrueAnswer:
    facts, version = recorded.facts, recorded.version
    return IftrueAnswer(
        id=version.id,
        triggered_by=facts.triggered_by,
        title=facts.title,
        changelog=facts.changelog,
        is_hotfix=bool(facts.is_hotfix),
        is_fix=bool(facts.is_fix),
        is_forced=bool(facts.is_forced),
        commits_count=facts.commits_count or 0,
        organization_id=_organization_id(ledger, version.organization),
        repository_id=_repository_id(ledger, recorded),
        pusher_id=_pusher_id(version.organization, facts.member_id or ""),
        created_at=instant_of(version.created_at),
        updated_at=instant_of(version.recorded_at),
        status=_ANSWERED[facts.status],
        url=facts.url,
        branch=facts.branch,
        commit_id=facts.commit_id,
        deployment_duration=facts.duration_seconds,
        node_id=facts.deployment_node_id,
        pull_request_number=facts.pull_request_number,
    )


def _organization_id(ledger: Ledger, organization: str) -> str:
    ledger.ensure_organization(organization)
    found = select(ORGANIZATIONS.c.id).where(ORGANIZATIONS.c.slug == organization)
    return str(ledger.connection.execute(found).scalar_one())


def _repository_id(ledger: Ledger, recorded: RecordedDeployment) -> str:
    columns: Any = REPOSITORIES.c
    found = select(columns.id).where(
        current(columns, recorded.version.organization),
        columns.repository_key == recorded.facts.repository_key,
        columns.service_key == "",
    )
    return str(ledger.connection.execute(found).scalar_one())


def _pusher_id(organization: str, member: str) -> str:
    """The member, where that is a UUID; else one that is always the same for the name."""
    try:
        return str(UUID(member))
    except ValueError:
        return str(uuid5(_MEMBERS, f"{organization}/{member}"))


INTEGRATION = Integration(name="iftrue", handlers=[record])
