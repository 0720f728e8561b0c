"""What a record does: the metrics it enters, what it marks as failed and by which rule; or why not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from metrics.definitions.base import MetricName
from metrics.definitions.catalog import CATALOG
from metrics.domain.instants import MICROSECOND
from metrics.domain.vocabulary import FailureSignal
from metrics.queries.execution import QueryExecution
from metrics.queries.explanation import rows_about
from metrics.queries.question import Question
from metrics.sql import read_sql


@dataclass(frozen=True, slots=True)
class Entry:
    """Whether a metric counts the record; `in_numerator` for rates; the reason where it does not."""

    metric: str
    counted: bool
    in_numerator: bool | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A deployment that the record marks as failed, and the rule; the reason where it marks none."""

    deployment_id: str | None
    method: str | None
    signals: Sequence[str]
    reason: str | None


@dataclass(frozen=True, slots=True)
class DeploymentReceipt:
    """What a deployment does, with the organization's settings, in the production environments.

    `repairs` is None where it repairs nothing; `failed_by` is what it failed by already.
    """

    metrics: Sequence[Entry]
    repairs: Mark | None
    failed_by: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class IncidentReceipt:
    """What an incident does."""

    marks: Mark


def deployment_receipt(
    cursor: duckdb.DuckDBPyConnection, question: Question, deployment_id: str, happened_at: datetime
) -> DeploymentReceipt:
    """The receipt of a deployment that finished, or began, at an instant."""
    moment = replace(question, from_at=happened_at, to_at=happened_at + MICROSECOND)
    execution = QueryExecution(cursor, moment)
    entries, failed_by = [], []
    for name in MetricName:
        rows = [
            row
            for row in rows_about(cursor, execution, name, deployment_id)
            if row["kind"] in ("deployment", "commit")
        ]
        entries.append(_entry(name, rows))
        if CATALOG[name].names_causes:
            failed_by = [cause for row in rows for cause in row["causes"] or ()]
    return DeploymentReceipt(entries, _repair(cursor, execution, deployment_id), failed_by)


def incident_receipt(
    cursor: duckdb.DuckDBPyConnection, question: Question, incident_id: str
) -> IncidentReceipt:
    """The receipt of an incident."""
    marks = incident_marks(cursor, question, [incident_id])
    assert marks, "it was recorded before the store was read"
    return IncidentReceipt(marks[incident_id])


def incident_marks(
    cursor: duckdb.DuckDBPyConnection, question: Question, incident_ids: Sequence[str]
) -> Mapping[str, Mark]:
    """By incident the deployment that it marks as failed, or why it marks none."""
    execution = QueryExecution(cursor, question)
    bound = {
        "organization": question.organization,
        "ids": list(incident_ids),
        "visible_keys": execution.visible_keys,
    }
    signals = [FailureSignal.INCIDENT.value]
    found = cursor.execute(read_sql("receipts", "incident"), bound).fetchall()
    return {
        incident_id: Mark(
            deployment_id,
            method,
            signals,
            _reason(question, signals, is_linked, without_link) if change_related else "not_change_related",
        )
        for incident_id, deployment_id, is_linked, method, change_related, without_link in found
    }


def _entry(name: str, rows: Sequence[Mapping[str, Any]]) -> Entry:
    """Return the entry of a metric; of several commits one that is counted is enough."""
    if not rows:
        return Entry(name, counted=False, in_numerator=None, reason="not_failed")
    row = next((one for one in rows if one["counted"]), rows[0])
    return Entry(name, row["counted"], row.get("in_numerator"), row["reason"])


def _repair(cursor: duckdb.DuckDBPyConnection, execution: QueryExecution, deployment_id: str) -> Mark | None:
    question = execution.question
    found = cursor.execute(
        read_sql("receipts", "repairs"),
        {
            "organization": question.organization,
            "id": deployment_id,
            "signals": [signal.value for signal in question.settings.failure_signals],
            "visible_keys": execution.visible_keys,
        },
    ).fetchall()
    if not found:
        return None
    ((culprit_id, is_known, method, signals, reached_production, without_link),) = found
    reason = _reason(question, signals, is_known, without_link)
    if reason is None and not reached_production:
        reason = "did_not_reach_production"
    return Mark(culprit_id, method, signals, reason)


def _reason(question: Question, signals: Sequence[str], is_linked: bool, without_link: str) -> str | None:
    """Return why what a record says marks no deployment as failed; `without_link` where it has no link."""
    if not is_linked:
        return without_link
    on = question.settings.failure_signals
    return None if any(signal in signals for signal in on) else "signal_off"
