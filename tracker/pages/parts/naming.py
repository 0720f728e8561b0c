"""What rows of metrics refer to by id: deployments and incidents, as their records have them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from metrics.domain.instants import from_microseconds, instant_of
from tracker.pages.frame.words import about, short_release
from tracker.records.ledger import shown_repository
from tracker.records.tables import DEPLOYMENTS, INCIDENTS, current


@dataclass(frozen=True, slots=True)
class NamedDeployment:
    """A deployment in a few words."""

    id: str
    about: str
    release: str
    member: str | None
    finished_at: datetime | None

    @property
    def url(self) -> str:
        return f"/deployments/{self.id}"


@dataclass(frozen=True, slots=True)
class NamedIncident:
    """An incident in a few words."""

    id: str
    title: str
    about: str
    severity: str | None
    started_at: datetime
    resolved_at: datetime | None

    @property
    def url(self) -> str:
        return f"/incidents/{self.id}"


@dataclass(frozen=True, slots=True)
class Names:
    """Deployments and incidents by id. What is asked of it by id may be seen by the one who asks."""

    deployments: Mapping[str, NamedDeployment]
    incidents: Mapping[str, NamedIncident]


def names_of(
    engine: Engine, organization: str, deployments: Iterable[str | None], incidents: Iterable[str | None] = ()
) -> Names:
    """The names of a page's rows, a few dozen of each."""
    deployment, incident = DEPLOYMENTS.c, INCIDENTS.c
    deployment_ids, incident_ids = set(deployments) - {None}, set(incidents) - {None}
    with engine.connect() as connection:
        named_deployments = connection.execute(
            select(DEPLOYMENTS).where(
                current(deployment, organization), deployment.id.in_(sorted(filter(None, deployment_ids)))
            )
        ).all()
        named_incidents = connection.execute(
            select(INCIDENTS).where(
                current(incident, organization), incident.id.in_(sorted(filter(None, incident_ids)))
            )
        ).all()
    return Names(
        {
            row.id: NamedDeployment(
                row.id,
                about(shown_repository(row._mapping), row.service),
                short_release(row.version, row.commit_id),
                row.member_id,
                instant_of(row.finished_at),
            )
            for row in named_deployments
        },
        {
            row.id: NamedIncident(
                row.id,
                row.title or row.key or "Incident",
                about(shown_repository(row._mapping), row.service),
                row.severity,
                from_microseconds(row.started_at),
                instant_of(row.resolved_at),
            )
            for row in named_incidents
        },
    )
