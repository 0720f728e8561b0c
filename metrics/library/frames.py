"""The metrics as a library: an organization's records and figures as Polars frames."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import pyarrow as pa

from metrics.definitions.base import MetricName
from metrics.queries.views import query_views

if TYPE_CHECKING:
    from metrics.output.charts import Chart


class Library(AbstractContextManager["Library"], ABC):
    """An organization's figures. Every call answers from all that is recorded at that moment.

    The metric methods take the parameters of the HTTP interface by name, `from_` for `from`: `to`, `tz`,
    `last`, `environment`, `repository`, `service`, `team`, `label`, `interval`, `group_by`, `compare`,
    `failure_signals`, `profile`, and of a record database `as_of`. They give one row for each window of
    each group, with the columns that `metrics.output.tables.answer_table` says: local times with their zone,
    counts and intervals, levels, with `compare` the window before and the comparison, and the notes.
    A wrong parameter raises `metrics.domain.errors.ParameterError`.
    """

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

    def metric(self, name: str, **parameters: Any) -> pl.DataFrame:
        """A metric by its name: one of the five, or one that is registered, here or with the service."""
        return self._metric(name, parameters)

    def chart(self, metric: str, kind: str = "trend", **parameters: Any) -> "Chart":
        """A chart of a metric: an Altair chart, which notebooks show, and which saves itself as PNG or SVG.

        `trend` is the series that the page shows, by week where no `interval` is given. `distribution` shows
        which share of the times is below which, `calendar` and `heatmap` when the counted rows happened, by
        day, and by weekday and hour, `slope` each group in this window and the one before, `funnel` how many
        incidents and repairs made a failed deployment, for the change failure rate. The parameters are the
        metric's own. Raises `ValueError` where the metric has not what the kind shows.
        """
        if kind == "trend":
            return self._chart(metric, {"interval": "week", **parameters})
        # Altair: for charts alone.
        from metrics.output.analyst import Kind, analyst_chart
        from metrics.output.analyst.facts import Facts

        wanted = Kind(kind)
        compared = {"compare": True} if wanted is Kind.SLOPE else {}
        parameters.pop("interval", None)
        answer = self._metric(metric, {**parameters, **compared})
        if answer.is_empty():
            raise ValueError("a chart needs rows: no group has any in the window")
        return analyst_chart(wanted, Facts(metric, answer, lambda: self._explanation(metric, parameters)))

    def explain(self, metric: str, **parameters: Any) -> pl.DataFrame:
        """The rows that made a metric's number, and those left out: `counted`, and `reason` where not.

        The columns are those of `metrics/definitions/<metric>.explain.sql`, the parameters the metric's own.
        """
        return self._explanation(metric, parameters)

    def profiles(self, metric: str, **parameters: Any) -> pl.DataFrame:
        """A metric by the rules of each profile, `profile` first. The parameters are the metric's own."""
        return self._profiles(metric, parameters)

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
        return pl.DataFrame(query_views(self._views, query, parameters, frames))

    def link(self, records: str = "deployments", **parameters: Any) -> str:
        """The address of an export of `deployments` or `incidents`, as they are now, that needs no token: for
        `polars.scan_parquet` and whatever else reads a file by its address, part by part.

        The parameters are the export's, whose `format` is Parquet where none is given, and `expires_in`, in
        seconds, an hour. Raises `TypeError` where this is no service.
        """
        return self._link(records, parameters)

    def _view(self, name: str) -> pl.DataFrame:
        return pl.DataFrame(self._views([name])[name])

    @abstractmethod
    def close(self) -> None:
        """Let go what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _metric(self, metric: str, given: Mapping[str, Any]) -> pl.DataFrame: ...

    @abstractmethod
    def _chart(self, metric: str, given: Mapping[str, Any]) -> "Chart": ...

    @abstractmethod
    def _explanation(self, metric: str, given: Mapping[str, Any]) -> pl.DataFrame: ...

    @abstractmethod
    def _profiles(self, metric: str, given: Mapping[str, Any]) -> pl.DataFrame: ...

    @abstractmethod
    def _link(self, records: str, given: Mapping[str, Any]) -> str: ...

    @abstractmethod
    def _views(self, names: Sequence[str]) -> Mapping[str, pa.Table]:
        """Views of one moment."""
