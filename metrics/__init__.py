"""DORA metrics over deployment records: definitions in SQL, computed by DuckDB.

Without a server: `metrics.open("sqlite:///data/tracker.db", organization="acme")`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from metrics.definitions.base import Select
    from metrics.library.frames import Library
    from metrics.library.opening import Source

__all__ = ["open", "register"]


def open(
    source: "Source",
    *,
    organization: str | None = None,
    incidents: "Source | None" = None,
    tz: str | None = None,
    token: str | None = None,
) -> "Library":
    """The records of an organization, for analysis.

    `source` is a service (`https://tracker.example`, with a `token` that has the scope `metrics:read`, or
    `TRACKER_TOKEN` in the environment), a record database (`sqlite:///data/tracker.db`, a path of a SQLite
    file, or `postgresql://user:password@host/name`, which are read while a service writes and never
    locked), a file of records (`.ndjson`, `.jsonl`, `.json`, `.csv`, each also with `.gz`, `.parquet`,
    `.arrow`, `.arrows`, `.feather`), or a frame of deployments: of Polars, pandas, pyarrow, or whatever
    gives an Arrow stream. A file or frame may come with `incidents` in another, and needs no organization;
    with one, rows that name another are left out. `tz` is the IANA zone of times that say none, which are
    refused without.

    Raises `metrics.domain.errors.RecordsUnavailable` where the source cannot be read, and
    `metrics.domain.errors.InvalidRecords` where a row of a file or frame is wrong.
    """
    from metrics.library.opening import (
        open_library,  # Polars and DuckDB: nothing that the rest of the package needs
    )

    return open_library(source, organization, incidents, tz, token)


def register(
    name: str,
    rows: "str | Path | Select",
    kind: Literal["share", "time", "frequency"],
    *,
    title: str,
    means: str = "",
    more_is_better: bool = False,
) -> None:
    """Let a metric of one's own be asked for, as the five are.

    `rows` choose the deployments that it is about: a DuckDB query over the views of `Library.sql`, a file of
    one, or a function that is given the views by name as Polars frames and gives a frame. They have the
    column `id`, a deployment once at most, and by `kind` another: `in_numerator` for the share of them that
    have it, `seconds` for the median of these (null is left out), `is_counted` for how many are, per day.
    Window, environment and what else is asked for limit them as they limit the five. `title` is its name for
    people, `means` its definition in plain words.

    A package registers its metrics in a module that an entry point of the group `shiptally.metrics` names.
    Raises `ValueError` where the name is no plain word, or one of the five.
    """
    from metrics.definitions.catalog import register as add  # What a client of the service needs none of.
    from metrics.definitions.own import Kind, own_metric

    add(own_metric(name, rows, Kind(kind), title, means, more_is_better=more_is_better))
