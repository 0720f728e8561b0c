"""What is missing in the records, and so in the numbers: repository by repository."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime

import duckdb

from metrics.queries.execution import QueryExecution
from metrics.sql import read_sql


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCounts:
    """How many deployments there are, and of what they lack."""

    deployments: int = 0
    without_commits: int = 0
    unattributed_remediations: int = 0
    unattributed_incidents: int = 0
    in_progress_over_a_day: int = 0
    clock_errors: int = 0


@dataclass(frozen=True, slots=True)
class RepositoryQuality:
    """One repository's records; of incidents that name no repository where it is None."""

    repository_key: str | None
    repository: str | None
    counts: RecordCounts


def quality_of(cursor: duckdb.DuckDBPyConnection, execution: QueryExecution) -> list[RepositoryQuality]:
    """The quality of what a question is about, by repository."""
    names = execution.repository_names
    bound = {**execution.bound(), "now": datetime.now(UTC)}
    found = cursor.execute(read_sql("quality", "repositories"), bound).fetchall()
    columns = [field.name for field in fields(RecordCounts)]
    return [
        RepositoryQuality(key, names.get(key, key), RecordCounts(**dict(zip(columns, counts, strict=True))))
        for key, *counts in found
    ]
