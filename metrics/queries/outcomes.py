"""What became of deployments: whether each failed and by what, what it repaired, how old its changes were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from metrics.domain.instants import MICROSECOND
from metrics.queries.execution import QueryExecution
from metrics.queries.question import Question
from metrics.sql import read_sql


@dataclass(frozen=True, slots=True)
class Repair:
    """What a deployment repaired: by which signals, the deployment that failed, and by which rule.

    `deployment_id` is None where that is not known, or not to be seen.
    """

    signals: Sequence[str]
    deployment_id: str | None
    method: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a finished deployment, under the signals that its organization has set.

    `failed` has the signals by which it failed, none where it did not; `seconds_to_recover` is None while
    it is open; `lead_time_seconds` is the median of the commits that it carried first.
    """

    failed: Sequence[str] = ()
    seconds_to_recover: float | None = None
    repairs: Repair | None = None
    lead_time_seconds: float | None = None


NO_OUTCOME = Outcome()


@dataclass(frozen=True, slots=True)
class Finished:
    """A deployment to ask about: when it finished, and in which environment."""

    id: str
    finished_at: datetime
    environment: str


def outcomes_of(
    cursor: duckdb.DuckDBPyConnection, question: Question, asked: Sequence[Finished]
) -> Mapping[str, Outcome]:
    """By id what became of the deployments; of those that metrics know."""
    if not asked:
        return {}
    instants = [one.finished_at for one in asked]
    about_them = replace(
        question,
        from_at=min(instants),
        to_at=max(instants) + MICROSECOND,
        environments=sorted({one.environment for one in asked}),
        interval=None,
        group_by=None,
        compares=False,
    )
    execution = QueryExecution(cursor, about_them)
    bound = {**execution.bound(), "ids": [one.id for one in asked]}
    found = execution.rows_of(read_sql("queries", "outcomes"), bound)
    return {
        row["id"]: Outcome(
            failed=row["failed"] if row["is_failed"] else (),
            seconds_to_recover=row["seconds_to_recover"] if row["is_failed"] else None,
            repairs=Repair(row["repair_signals"], row["repairs_id"], row["method"])
            if row["is_remediation"]
            else None,
            lead_time_seconds=row["lead_time_seconds"],
        )
        for row in found
    }
