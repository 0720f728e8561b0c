"""`GET /api/v1/quality`: what is missing in the records, and what was posted and refused."""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from litestar import get
from pydantic import Field
from sqlalchemy import Engine, func, select

from metrics.api.documents import documents
from metrics.domain.instants import from_microseconds, to_microseconds
from metrics.queries.parameters import MetricParameters
from metrics.queries.quality import RecordCounts
from metrics.wire.query_parameters import QueryParameters, RepositoryText
from tracker.auth.callers import Caller, requires
from tracker.auth.tokens import Scope
from tracker.records.failures import UNAVAILABLE
from tracker.records.ledger import shown_repository
from tracker.records.tables import DEPLOYMENTS, current
from tracker.retention import REJECTION_DAYS
from tracker.web.paging import CallerRequest
from tracker.web.rejections import MOST_KEPT, find_rejections
from tracker.web.state import Service

PATH = "/api/v1/quality"
_MOST_LISTED = 100


class QualityParameters(QueryParameters):
    """The query parameters of the quality of records."""

    from_: str | None = Field(None, alias="from", description="Date or instant; default 91 days before `to`.")
    to: str | None = Field(None, description="Date or instant, not included; default now.")
    tz: str | None = Field(None, description="IANA time zone of dates; default the organization's.")
    environment: tuple[str, ...] = Field((), description="Default: production environments; repeatable.")
    repository: tuple[RepositoryText, ...] = Field((), description="Repeatable.")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityEntry(RecordCounts):
    """One repository; `repository` is null for incidents and rejected posts that name none."""

    repository: str | None
    rejected: int
    last_recorded_at: datetime | None


@dataclass(frozen=True, slots=True)
class RejectedPost:
    """A post that was refused, and why; nothing of what it held."""

    rejected_at: datetime
    route: str
    repository: str | None
    token_id: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class QualityAnswer:
    """Every repository, and the latest hundred posts that were refused in the last two weeks."""

    repositories: Sequence[QualityEntry]
    rejected: Sequence[RejectedPost]


@get(
    PATH,
    guards=[requires(Scope.METRICS_READ)],
    operation_class=documents(QualityParameters),
    sync_to_thread=True,
)
def quality(request: CallerRequest, service: Service) -> QualityAnswer:
    """What is missing in the records, repository by repository, and what was posted and refused."""
    asked = QualityParameters.read(request.query_params.multi_items())
    parameters = MetricParameters.of(asked.model_dump(by_alias=True, exclude_none=True))
    return quality_of(service, request.user, parameters)


def quality_of(service: Service, caller: Caller, parameters: MetricParameters) -> QualityAnswer:
    """What is missing in the records that the parameters ask for.

    Raises `ParameterError`, `RecordsUnavailable`.
    """
    # The latest refusals too, where the database takes them just now.
    with contextlib.suppress(*UNAVAILABLE):
        service.rejections.flush(service.engine)
    found = service.session(caller.organization, caller.repositories).quality(parameters)
    since = to_microseconds(datetime.now(UTC) - timedelta(days=REJECTION_DAYS))
    limits = (caller.repositories, parameters.repository or None)
    refused = find_rejections(service.engine, caller.organization, limits, since, MOST_KEPT)
    rejected = Counter(row.repository_key for row in refused)
    last = last_recorded(service.engine, caller.organization)
    known = {one.repository_key: (one.repository, one.counts) for one in found}
    for row in refused:
        known.setdefault(row.repository_key, (shown_repository(row._mapping), RecordCounts()))
    entries = [
        QualityEntry(
            repository=name, rejected=rejected[key], last_recorded_at=last.get(key), **asdict(counts)
        )
        for key, (name, counts) in known.items()
    ]
    return QualityAnswer(
        entries,
        [
            RejectedPost(
                from_microseconds(row.rejected_at),
                row.route,
                shown_repository(row._mapping),
                row.token_id,
                row.code,
                row.detail,
            )
            for row in refused[:_MOST_LISTED]
        ],
    )


def last_recorded(engine: Engine, organization: str) -> Mapping[str | None, datetime]:
    """Return for each repository when its last deployment was recorded."""
    columns = DEPLOYMENTS.c
    query = (
        select(columns.repository_key, func.max(columns.recorded_at))
        .where(current(columns, organization))
        .group_by(columns.repository_key)
    )
    with engine.connect() as connection:
        return {key: from_microseconds(at) for key, at in connection.execute(query).tuples()}
