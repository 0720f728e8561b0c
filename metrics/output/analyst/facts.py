"""What an analyst's chart is made of, and what it comes to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from metrics.definitions.base import Unit
from metrics.definitions.catalog import CATALOG

Chart = Any
"""A chart of Altair's, made of layers or not."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart, what it is called, and what is to be said below that."""

    chart: Chart
    title: str
    remarks: Sequence[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """A metric's answer for the whole window, a row a group, and what reads the rows that made it."""

    metric: str
    answer: pl.DataFrame
    read_rows: Callable[[], pl.DataFrame]

    @property
    def title(self) -> str:
        """What the metric is called; of one that a service has registered, its name."""
        return CATALOG[self.metric].title if self.metric in CATALOG else self.metric

    @property
    def unit(self) -> Unit:
        """What its value is counted in; of one that a service has registered, as its columns tell."""
        if self.metric in CATALOG:
            return CATALOG[self.metric].unit
        if "numerator" in self.answer.columns:
            return Unit.RATIO
        return Unit.SECONDS if "p90" in self.answer.columns else Unit.PER_DAY

    @property
    def zone(self) -> str:
        return str(self.answer["tz"][0])

    @property
    def window(self) -> tuple[datetime, datetime]:
        """The window in local times without a zone, half-open."""
        starts, ends = self.answer.select(pl.col("from", "to").dt.replace_time_zone(None)).row(0)
        return starts, ends

    def counted(self) -> pl.DataFrame:
        """The counted rows, with `happened_at` as a local time without a zone."""
        local = pl.col("happened_at").dt.convert_time_zone(self.zone).dt.replace_time_zone(None)
        return self.read_rows().filter("counted").with_columns(happened_at=local)
