"""What is missing in the records, and so in the numbers: repository by repository."""

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from metrics.catalog import read_sql
from metrics.query import Asking


@dataclass(frozen=True, slots=True)
class RepositoryQuality:
    """Counts of one repository's records; of incidents that name no repository where it is None."""

    repository_key: str | None
    repository: str | None
    deployments: int
    without_commits: int
    unattributed_remediations: int
    unattributed_incidents: int
    in_progress_over_a_day: int
    clock_errors: int


def quality_of(cursor: duckdb.DuckDBPyConnection, asking: Asking) -> list[RepositoryQuality]:
    """The quality of what a question is about, by repository."""
    names = asking.repository_names()
    bound = {**asking.bound(), "now": datetime.now(UTC)}
    found = cursor.execute(read_sql("quality", "repositories"), bound).fetchall()
    return [RepositoryQuality(row[0], names.get(row[0], row[0]), *row[1:]) for row in found]
