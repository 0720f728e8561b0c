"""The metrics as a library: an organization's records and figures as Polars frames, without a server."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from metrics.definitions.base import MetricName
from metrics.definitions.catalog import VIEWS
from metrics.domain.errors import ParameterError, RecordsUnavailable
from metrics.domain.instants import InstantError, read_zone
from metrics.domain.vocabulary import meant_instead
from metrics.engine.pulled_tables import RecordDatabase
from metrics.engine.record_databases import SqliteRecords, follow
from metrics.engine.store import Store
from metrics.library.files import FILES, Rows, read_records
from metrics.output.tables import answer_table, profiles_table
from metrics.queries.parameters import MetricParameters
from metrics.queries.question import Answer
from metrics.queries.session import Session

if TYPE_CHECKING:
    from metrics.output.charts import Chart

Source = Any
"""A URL, a path, or a frame: of Polars, pandas, pyarrow, or whatever gives its rows as an Arrow stream."""


def open_library(
    source: Source, organization: str | None, incidents: Source | None, zone: str | None
) -> "Library":
    """A library over a record database, a file or a frame: see `metrics.open`."""
    rows = _rows_of(source)
    if rows is not None:
        more = None if incidents is None else _require_rows(incidents)
        records = read_records(organization, rows, more, _zone(zone))
        return Library(Store(records), organization or "")
    if organization is None or incidents is not None or zone is not None:
        raise TypeError("a record database needs an organization, and has its incidents and zones itself")
    database = _database(str(source))
    with database.snapshot() as snapshot:
        known = snapshot.organizations()
    if known and organization not in known:
        nearest = meant_instead(organization, known)
        hint = f": is {nearest} meant?" if nearest else ""
        database.close()
        raise RecordsUnavailable(f"nothing is recorded of the organization {organization}{hint}")
    return Library(Store(database.of(organization)), organization)


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else read_zone(name)
    except InstantError as error:
        raise ParameterError([("tz", str(error))]) from None


def _rows_of(source: Source) -> Rows | None:
    """The file or the frame that a source is; None for a record database."""
    if isinstance(source, pl.DataFrame | pl.LazyFrame):
        return source
    if hasattr(source, "__arrow_c_stream__"):
        return pl.DataFrame(source)
    if not isinstance(source, str | Path):
        raise TypeError(
            "source must be a URL, a path or a frame: of Polars, pandas, pyarrow, what gives an Arrow stream"
        )
    return Path(source) if str(source).lower().endswith(FILES) else None


def _require_rows(source: Source) -> Rows:
    rows = _rows_of(source)
    if rows is None:
        raise RecordsUnavailable(f"{source} is no file that can be read: {', '.join(FILES)}")
    return rows


def _database(url: str) -> RecordDatabase:
    """Raises `RecordsUnavailable` where a SQLite file is not there: opening would make an empty one."""
    database = follow(url)
    if isinstance(database, SqliteRecords) and not database.file.is_file():
        raise RecordsUnavailable(f"there is no SQLite file {database.file}")
    return database


class Library(AbstractContextManager["Library"]):
    """An organization's figures. Every call answers from all that is recorded at that moment.

    The metric methods take the parameters of the HTTP interface by name, `from_` for `from`: `to`, `tz`,
    `last`, `environment`, `repository`, `service`, `team`, `label`, `interval`, `group_by`, `compare`,
    `failure_signals`, `profile`, and of a record database `as_of`. They give one row for each window of
    each group, with the columns that `metrics.output.tables.answer_table` says: local times with their zone,
    counts and intervals, levels, with `compare` the window before and the comparison, and the notes.
    A wrong parameter raises `metrics.domain.errors.ParameterError`.
    """

    def __init__(self, store: Store, organization: str) -> None:
        self._store, self._session = store, Session(store, organization)

    def deployment_frequency(self, **parameters: Any) -> pl.DataFrame:
        """Successful deployments per day."""
        return self._metric(MetricName.DEPLOYMENT_FREQUENCY, parameters)

    def lead_time_for_changes(self, **parameters: Any) -> pl.DataFrame:
        """Seconds from a change's writing to its first deployment: the median."""
        return self._metric(MetricName.LEAD_TIME_FOR_CHANGES, parameters)

    def change_failure_rate(self, **parameters: Any) -> pl.DataFrame:
        """Failed deployments over all that reached users."""
        return self._metric(MetricName.CHANGE_FAILURE_RATE, parameters)

    def mean_time_to_recover(self, **parameters: Any) -> pl.DataFrame:
        """Seconds until a failed deployment was repaired: the mean."""
        return self._metric(MetricName.MEAN_TIME_TO_RECOVER, parameters)

    def deployment_rework_rate(self, **parameters: Any) -> pl.DataFrame:
        """Remediations over successful deployments."""
        return self._metric(MetricName.DEPLOYMENT_REWORK_RATE, parameters)

    def chart(self, metric: str, **parameters: Any) -> "Chart":
        """The chart of a metric's series, the same that the page shows.

        The parameters are the metric's own; `interval` is `week` where it is not given.
        """
        from metrics.output.charts import metric_chart  # Altair: for charts alone

        return metric_chart(self._answer(MetricName(metric), {"interval": "week", **parameters}))

    def explain(self, metric: str, **parameters: Any) -> pl.DataFrame:
        """The rows that made a metric's number, and those left out: `counted`, and `reason` where not.

        The columns are those of `metrics/definitions/<metric>.explain.sql`, the parameters the metric's own.
        """
        explained = self._session.explanation(_parameters(parameters), MetricName(metric))
        return pl.DataFrame(explained.rows)

    def profiles(self, metric: str, **parameters: Any) -> pl.DataFrame:
        """A metric by the rules of each profile, `profile` first. The parameters are the metric's own."""
        answers = self._session.profiles(_parameters(parameters), MetricName(metric))
        return pl.DataFrame(profiles_table(answers))

    def deployments(self) -> pl.DataFrame:
        """Every finished deployment with its place in its stream: the view `deployments`."""
        return self._view("deployments")

    def commits(self) -> pl.DataFrame:
        """Every commit that a successful deployment carries, with its lead time: the view `commits`."""
        return self._view("commits")

    def incidents(self) -> pl.DataFrame:
        """Every incident, with the deployment that it is attributed to: the view `incidents`."""
        return self._view("incidents")

    def failures(self) -> pl.DataFrame:
        """Every deployment that an incident or a remediation says has failed: the view `failures`."""
        return self._view("failures")

    def remediations(self) -> pl.DataFrame:
        """Every deployment that repairs another, and which: the view `remediations`."""
        return self._view("remediations")

    def links(self) -> pl.DataFrame:
        """Every link that attribution made, with its method: the view `links`."""
        return self._view("links")

    def repositories(self) -> pl.DataFrame:
        """Every repository and service that a record has named, with its team: the view `repositories`."""
        return self._view("repositories")

    def teams(self) -> pl.DataFrame:
        """Every team, and how much it has of repositories and deployments: the view `teams`."""
        return self._view("teams")

    def sql(
        self, query: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None, **frames: Any
    ) -> pl.DataFrame:
        """The result of a DuckDB query over the views, each with the name of the method that gives it.

        `parameters` are the query's own, `$name` or `?`. `frames` are further tables by their names, of
        Polars, pandas, pyarrow, or whatever gives an Arrow stream; one with a view's name stands before it.
        `metrics/sql/views/` says what the columns of the views are.
        """
        # What is not named need not be worked out. More than is meant does no harm.
        words = set(re.findall(r"\w+", query.casefold()))
        views = self._session.views([view for view in VIEWS if view in words and view not in frames])
        # A database of the query's own: whatever it does, the store's stays as it is.
        with duckdb.connect(":memory:") as connection:
            connection.execute("set timezone = 'UTC'")
            for name, table in {**views, **frames}.items():
                connection.register(name, table)
            result = connection.sql(query, params=parameters)
            if result is None:
                raise ValueError("the query gives no rows: it must be a select")
            return pl.DataFrame(result.to_arrow_table())

    def _view(self, name: str) -> pl.DataFrame:
        return pl.DataFrame(self._session.views([name])[name])

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _metric(self, metric: MetricName, given: Mapping[str, Any]) -> pl.DataFrame:
        return pl.DataFrame(answer_table(self._answer(metric, given)))

    def _answer(self, metric: MetricName, given: Mapping[str, Any]) -> Answer:
        (answer,) = self._session.answers(_parameters(given), [metric])
        return answer


def _parameters(given: Mapping[str, Any]) -> MetricParameters:
    named = {key.removesuffix("_"): value for key, value in given.items()}
    return MetricParameters.of({name: _value(name, value) for name, value in named.items()})


def _value(name: str, value: Any) -> Any:
    """Dates, instants and lists as the text that parameters are written in."""
    if name == "failure_signals" and isinstance(value, list | tuple):
        return ",".join(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
