"""What was deployed last: what a pipeline needs to know to tell which commits its deployment carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from metrics.domain.instants import from_microseconds
from metrics.domain.repositories import RepositoryIdentity
from metrics.domain.vocabulary import Status, name_key
from tracker.records.aliases import keys_of_one, read_aliases
from tracker.records.tables import DEPLOYMENTS, current

MOST_DEPLOYED = 10
# Of one release there may be many: a pipeline that runs every hour.
_MOST_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class DeployedCommit:
    """A commit that was deployed, and the last deployment of it."""

    deployment: str
    commit_id: str
    finished_at: datetime


def deployed_commits(
    connection: Connection,
    organization: str,
    repository: RepositoryIdentity,
    service: str,
    environment: str,
    *,
    except_node_id: str | None = None,
) -> Sequence[DeployedCommit]:
    """The commits that the stream's last successful deployments have put there, the latest first, each once.

    Several, for the last one may be gone from the history. The attempt with `except_node_id` is left out:
    it asks for what was there before.
    """
    columns = DEPLOYMENTS.c
    keys = keys_of_one(read_aliases(connection, organization), repository.key)
    query = (
        select(columns.id, columns.commit_id, columns.finished_at)
        .where(
            current(columns, organization),
            columns.repository_key.in_(sorted(keys)),
            columns.service_key == name_key(service),
            columns.environment_key == name_key(environment),
            columns.status == Status.SUCCESS.value,
            columns.commit_id.is_not(None),
        )
        .order_by(columns.finished_at.desc(), columns.first_revision.desc())
        .limit(_MOST_LOOKED_AT)
    )
    if except_node_id is not None:
        node_id = columns.deployment_node_id
        query = query.where(or_(node_id.is_(None), node_id != except_node_id))
    found: dict[str, DeployedCommit] = {}
    for row in connection.execute(query):
        one = DeployedCommit(row.id, row.commit_id, from_microseconds(row.finished_at))
        found.setdefault(row.commit_id, one)
    return list(found.values())[:MOST_DEPLOYED]
