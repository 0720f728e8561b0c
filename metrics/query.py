"""A question about an organization, and its answers: binds the SQL files and runs them on the store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from metrics.calendar import local_days
from metrics.catalog import CATALOG, Definition, MetricName, Unit
from metrics.records import (
    DEFAULT_FAILURE_SIGNALS,
    DEFAULT_PRODUCTION_ENVIRONMENTS,
    FailureSignal,
    RepositoryIdentity,
    environment_key,
    matches_repository,
)
from metrics.rows import MetricRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. The window is half-open, in aware instants; None means "not limited by this".

    `environments` None means the organization's production environments, `signals` None the signals
    that it has set. `visible` are the repository patterns that a token is limited to.
    """

    organization: str
    from_at: datetime
    to_at: datetime
    zone: ZoneInfo
    environments: Sequence[str] | None = None
    repositories: Sequence[str] | None = None
    services: Sequence[str] | None = None
    signals: Sequence[FailureSignal] | None = None
    visible: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A metric's value for a question, with everything that goes with it."""

    metric: MetricName
    unit: Unit
    from_at: datetime
    to_at: datetime
    zone: ZoneInfo
    row: MetricRow


@dataclass(frozen=True, slots=True)
class _Bound:
    """A question with every default resolved, as the parameters of the SQL files."""

    parameters: Mapping[str, Any]
    signals: Sequence[FailureSignal]


def ask(cursor: duckdb.DuckDBPyConnection, question: Question, metrics: Iterable[MetricName]) -> list[Answer]:
    """The answers to a question, in the order asked, all from one state of the records."""
    cursor.begin()
    try:
        bound = _bind(cursor, question)
        return [_answer(cursor, CATALOG[name], question, bound) for name in metrics]
    finally:
        cursor.rollback()


def _answer(
    cursor: duckdb.DuckDBPyConnection, definition: Definition, question: Question, bound: _Bound
) -> Answer:
    given = {name: bound.parameters[name] for name in definition.parameters}
    values = cursor.execute(definition.sql, given).fetchone()
    assert values is not None, "every metric gives one row for each window"
    assert cursor.description is not None
    columns = {column[0]: value for column, value in zip(cursor.description, values, strict=True)}
    del columns["window_index"]
    return Answer(
        metric=definition.name,
        unit=definition.unit,
        from_at=question.from_at,
        to_at=question.to_at,
        zone=question.zone,
        row=definition.row.read(columns, bound.signals),
    )


def _bind(cursor: duckdb.DuckDBPyConnection, question: Question) -> _Bound:
    production, signals = _settings(cursor, question.organization)
    if question.signals is not None:
        signals = tuple(question.signals)
    environments = production
    if question.environments is not None:
        environments = [environment_key(name) for name in question.environments]
    parameters = {
        "question": {
            "organization": question.organization,
            "from_at": question.from_at,
            "to_at": question.to_at,
            "environments": production
            if environments is None
            else [environment_key(e) for e in environments],
            "production_environments": production,
            "repository_keys": _repository_keys(cursor, question),
            "services": question.services,
            "signals": [signal.value for signal in signals],
        },
        "windows": [{"window_index": 0, "from_at": question.from_at, "to_at": question.to_at}],
        "days": [asdict(day) for day in local_days(question.from_at, question.to_at, question.zone)],
    }
    return _Bound(parameters, [signal for signal in FailureSignal if signal in signals])


def _settings(
    cursor: duckdb.DuckDBPyConnection, organization: str
) -> tuple[list[str], tuple[FailureSignal, ...]]:
    """The organization's production environments and failure signals."""
    found = cursor.execute(
        "select production_environments, failure_signals from settings where organization = $organization",
        {"organization": organization},
    ).fetchone()
    if found is None:
        return list(DEFAULT_PRODUCTION_ENVIRONMENTS), DEFAULT_FAILURE_SIGNALS
    return found[0], tuple(FailureSignal(signal) for signal in found[1])


def _repository_keys(cursor: duckdb.DuckDBPyConnection, question: Question) -> list[str] | None:
    """The repositories that the question's names and the token's patterns mean; None where neither limits."""
    if question.repositories is None and question.visible is None:
        return None
    known = cursor.execute(
        """
        select distinct repository_key, repository_host, repository
        from repositories
        where organization = $organization
        order by repository_key
        """,
        {"organization": question.organization},
    ).fetchall()
    return [
        key
        for key, host, path in known
        if _is_meant(RepositoryIdentity(host, path, ""), question.repositories)
        and _is_meant(RepositoryIdentity(host, path, ""), question.visible)
    ]


def _is_meant(repository: RepositoryIdentity, patterns: Sequence[str] | None) -> bool:
    return patterns is None or any(matches_repository(pattern, repository) for pattern in patterns)
