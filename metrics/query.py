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
    FailureSignal,
    OrganizationSettings,
    RepositoryIdentity,
    environment_key,
    matches_repository,
)
from metrics.rows import MetricRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. The window is half-open, in aware instants; None means "not limited by this".

    `settings` are the organization's; `environments` None means its production environments, `signals`
    None the signals that it has set. `visible` are the repository patterns that a token is limited to.
    """

    organization: str
    settings: OrganizationSettings
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


class Reading:
    """One state of the records, as long as it is held."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def settings(self, organization: str) -> OrganizationSettings:
        """What the organization has set; the defaults where that is nothing."""
        found = self._cursor.execute(_SETTINGS, {"organization": organization}).fetchone()
        if found is None:
            return OrganizationSettings()
        timezone, production_environments, failure_signals, gap_days, benchmark = found
        return OrganizationSettings(
            timezone=timezone,
            production_environments=tuple(production_environments),
            failure_signals=tuple(FailureSignal(name) for name in failure_signals),
            attribution_gap_days=gap_days,
            benchmark=benchmark,
        )

    def digests(self, tables: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Of each table the number of rows and a sum over their hashes: equal where the content is."""
        counts = (
            self._cursor.execute(
                f"select count(*), coalesce(sum(hash(rows_of_it)), 0) from {table} as rows_of_it"
            ).fetchone()
            for table in tables
        )
        return {
            table: (count[0], int(count[1])) for table, count in zip(tables, counts, strict=True) if count
        }

    def ask(self, question: Question, metrics: Iterable[MetricName] = tuple(MetricName)) -> list[Answer]:
        """The answers to a question, in the order asked."""
        bound = _bind(self._cursor, question)
        return [_answer(self._cursor, CATALOG[name], question, bound) for name in metrics]


_SETTINGS = """
    select timezone, production_environments, failure_signals, attribution_gap_days, benchmark
    from organization_settings
    where organization = $organization
"""


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
    settings = question.settings
    signals = settings.failure_signals if question.signals is None else question.signals
    environments = settings.production_environments
    if question.environments is not None:
        environments = tuple(environment_key(name) for name in question.environments)
    parameters = {
        "question": {
            "organization": question.organization,
            "from_at": question.from_at,
            "to_at": question.to_at,
            "environments": environments,
            "production_environments": settings.production_environments,
            "repository_keys": _repository_keys(cursor, question),
            "services": question.services,
            "signals": [signal.value for signal in signals],
        },
        "windows": [{"window_index": 0, "from_at": question.from_at, "to_at": question.to_at}],
        "days": [asdict(day) for day in local_days(question.from_at, question.to_at, question.zone)],
    }
    return _Bound(parameters, [signal for signal in FailureSignal if signal in signals])


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
