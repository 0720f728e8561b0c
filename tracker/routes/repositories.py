"""`/api/v1/repositories`: the repositories and services that records have named."""

from dataclasses import dataclass
from datetime import datetime

from litestar import get

from metrics.records import from_microseconds
from tracker.auth import Scope, requires
from tracker.lists import list_repositories
from tracker.routes.listing import CallerRequest, ListAnswer
from tracker.service import Service


@dataclass(frozen=True, slots=True)
class RepositoryAnswer:
    """A repository, or with `service` one of the things deployed out of it."""

    id: str
    organization: str
    repository: str
    repository_url: str
    host: str
    service: str
    team: str | None
    created_at: datetime
    updated_at: datetime


@get("/api/v1/repositories", guards=[requires(Scope.METRICS_READ)], sync_to_thread=True)
def list_all(request: CallerRequest, service: Service) -> ListAnswer[RepositoryAnswer]:
    """Every repository and service that a record has named, by path."""
    rows = list_repositories(service.engine, request.user.organization, request.user.repositories)
    return ListAnswer(
        [
            RepositoryAnswer(
                id=row.id,
                organization=row.organization,
                repository=row.repository_path,
                repository_url=row.repository_url,
                host=row.repository_host,
                service=row.service,
                team=row.team,
                created_at=from_microseconds(row.created_at),
                updated_at=from_microseconds(row.recorded_at),
            )
            for row in rows
        ]
    )
