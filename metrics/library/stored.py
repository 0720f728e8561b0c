"""A library over records that are at hand: a record database, a file, a frame."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from metrics.definitions.catalog import CATALOG
from metrics.domain.errors import ParameterError
from metrics.engine.store import Store
from metrics.library.frames import Library
from metrics.library.parameters import named_parameters
from metrics.output.tables import answer_table, profiles_table
from metrics.queries.parameters import MetricParameters
from metrics.queries.question import Answer
from metrics.queries.session import Session

if TYPE_CHECKING:
    from metrics.output.charts import Chart


class StoredLibrary(Library):
    """Answers from a store of its own, which follows the records or holds those of a file."""

    def __init__(self, store: Store, organization: str, *, asked_at: datetime | None = None) -> None:
        """`asked_at` is when it is asked, for answers that are to be the same at any time; None is now."""
        self._store, self._session = store, Session(store, organization, asked_at=asked_at)

    def close(self) -> None:
        self._store.close()

    def _metric(self, metric: str, given: Mapping[str, Any]) -> pl.DataFrame:
        return pl.DataFrame(answer_table(self._answer(metric, given)))

    def _chart(self, metric: str, given: Mapping[str, Any]) -> "Chart":
        from metrics.output.charts import metric_chart  # Altair: for charts alone

        return metric_chart(self._answer(metric, given))

    def _explanation(self, metric: str, given: Mapping[str, Any]) -> pl.DataFrame:
        return pl.DataFrame(self._session.explanation(_parameters(given), _known(metric)).rows)

    def _profiles(self, metric: str, given: Mapping[str, Any]) -> pl.DataFrame:
        return pl.DataFrame(profiles_table(self._session.profiles(_parameters(given), _known(metric))))

    def _views(self, names: Sequence[str]) -> Mapping[str, pa.Table]:
        return self._session.views(names).tables

    def _link(self, records: str, _: Mapping[str, Any]) -> str:
        raise TypeError(f"a service gives links to its {records}: this is opened from records themselves")

    def _answer(self, metric: str, given: Mapping[str, Any]) -> Answer:
        (answer,) = self._session.answers(_parameters(given), [_known(metric)])
        return answer


def _known(name: str) -> str:
    """The name of a metric that there is. Raises `ParameterError`."""
    if name not in CATALOG:
        raise ParameterError([("metric", f"must be one of {', '.join(CATALOG)}: {name!r} is not registered")])
    return name


def _parameters(given: Mapping[str, Any]) -> MetricParameters:
    return MetricParameters.of(named_parameters(given))
