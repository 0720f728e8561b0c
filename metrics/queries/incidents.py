"""The incidents that a question is about: they stand where their deployment does, else at what they name."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import duckdb

from metrics.queries.execution import QueryExecution
from metrics.queries.question import Question
from metrics.sql import read_sql

_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


def incident_ids(
    cursor: duckdb.DuckDBPyConnection,
    question: Question,
    *,
    open: bool | None,
    limit: int,
    passed_over: int = 0,
) -> Sequence[str]:
    """The ids of a page of them, the latest to begin first; only the open ones, only others, or all."""
    plain = replace(question, interval=None, group_by=None, compares=False)
    bound = {**QueryExecution(cursor, plain).bound(), "open": open, "most": limit, "passed_over": passed_over}
    found = cursor.execute(read_sql("queries", "incident_ids"), bound).fetchall()
    return [incident_id for (incident_id,) in found]


def of_all_times(question: Question) -> Question:
    """The question without a window."""
    return replace(question, from_at=_BEFORE_ALL, to_at=question.asked_at)
