"""What made a number: the rows counted, with their links; the rows left out, with the reason; the SQL."""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from metrics.definitions.base import Definition, Part, Profile, Select
from metrics.definitions.catalog import CATALOG
from metrics.definitions.profiles import macros
from metrics.domain.errors import ParameterError
from metrics.domain.instants import from_microseconds, to_microseconds
from metrics.queries.execution import QueryExecution
from metrics.queries.question import Answer, Question
from metrics.queries.settings_impact import SettingImpact
from metrics.sql import read_sql, sql_files
from metrics.wire.cursors import read_cursor, write_cursor

# Together unique: a commit is in a row for each deployment that names it.
_ORDER = ("rank", "order_us", "kind", "id", "order_id")
_NEWEST_FIRST = ("order_us desc", "kind", "id desc", "order_id")
_LATEST = to_microseconds(datetime(9000, 1, 1, tzinfo=UTC))
_BEFORE_ALL = (-1, 0, "", "", "")
_AFTER_COUNTED = (1, -(2**63), "", "", "")


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows of a kind are counted, or left out for one reason (None for those that are counted)."""

    kind: str
    reason: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Statements:
    """The SQL behind an answer, and what was bound to it; over the tables of metrics/sql/schema.sql."""

    version: str
    answer: str
    answer_parameters: Mapping[str, Any]
    rows: str
    rows_parameters: Mapping[str, Any]
    macros: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer with a page of the rows that made it; the columns as the metric's `.explain.sql` says.

    The counted rows come first, each part in the order of `happened_at`. `moved_by` are the changes of
    settings without which the answer would be another.
    """

    answer: Answer
    totals: Sequence[Total]
    rows: pa.Table
    next_cursor: str | None
    statements: Statements
    moved_by: Sequence[SettingImpact] = ()


def _source(rows: str | Select) -> str:
    """The text of a selection; of a function that has none, the module and its name."""
    if isinstance(rows, str):
        return rows
    try:
        return inspect.getsource(rows)
    except (OSError, TypeError):
        return f"{rows.__module__}.{getattr(rows, '__qualname__', repr(rows))}"


def _with_selection(definition: Definition[Any]) -> str:
    """The statement that counts, and before it what `selected_rows` are."""
    if definition.selection is None:
        return definition.sql
    chosen = "\n".join(f"-- {line}" for line in _source(definition.selection.rows).strip().splitlines())
    return f"-- selected_rows:\n{chosen}\n{definition.sql}"


def definition_version(name: str, profile: Profile = Profile.DEFAULT) -> str:
    """Twelve hexadecimal digits that change when the metric's definition does, its facts' included."""
    facts = (read_sql("facts", file) for file in sql_files("facts"))
    selection = CATALOG[name].selection
    chosen = "" if selection is None else _source(selection.rows)
    texts = [CATALOG[name].sql, chosen, *facts, *macros(profile).values()]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def explain(
    cursor: duckdb.DuckDBPyConnection,
    execution: QueryExecution,
    name: str,
    *,
    limit: int | None = None,
    after: str | None = None,
    only_left_out: bool = False,
) -> Explanation:
    """A page of `limit` rows after a cursor; all rows where there is no limit. Raises `ParameterError`."""
    begins_at: Sequence[int | str] = _AFTER_COUNTED if only_left_out else _BEFORE_ALL
    if after is not None:
        begins_at = _position(after, execution.question, name)
    statement, parameters = CATALOG[name].explain_sql, execution.bound()
    explained = _Explained(cursor, execution, name)
    counts = explained.totals("explained_totals")
    window = {**dict(zip(_ORDER, begins_at, strict=True)), "most": None if limit is None else limit + 1}
    page = explained.named("explained_page", window, _ORDER)
    next_cursor = None
    if limit is not None and page.num_rows > limit:
        page = page.slice(0, limit)
        last = page.slice(limit - 1).to_pylist()[0]
        next_cursor = write_cursor([*_window(execution.question), name, *(last[column] for column in _ORDER)])
    return Explanation(
        answer=execution.answer(CATALOG[name]),
        totals=[Total(*count) for count in counts],
        rows=_displayed(page, execution),
        next_cursor=next_cursor,
        statements=Statements(
            version=definition_version(name, execution.question.profile),
            answer=_with_selection(CATALOG[name]),
            answer_parameters=execution.bound_to(CATALOG[name]),
            rows=statement,
            rows_parameters=parameters,
            macros=macros(execution.question.profile),
        ),
    )


@dataclass(frozen=True, slots=True)
class PartTotal:
    """How many rows of a kind are counted, `in_numerator` of these, or left out for one reason."""

    reason: str | None
    kind: str
    rows: int
    in_numerator: int


@dataclass(frozen=True, slots=True)
class NewestRows:
    """A page of one part of an explanation's rows, the latest first, and how many there are of each."""

    totals: Sequence[PartTotal]
    rows: Sequence[Mapping[str, Any]]


def newest_rows(
    cursor: duckdb.DuckDBPyConnection,
    execution: QueryExecution,
    name: str,
    part: Part,
    *,
    limit: int,
    passed_over: int = 0,
) -> NewestRows:
    """The latest rows of a part, after so many of them."""
    explained = _Explained(cursor, execution, name)
    totals = explained.totals("explained_parts")
    window = {"part": part.value, "most": limit, "passed_over": passed_over}
    page = explained.named("explained_newest", window, _NEWEST_FIRST)
    return NewestRows([PartTotal(*total) for total in totals], _displayed(page, execution).to_pylist())


def rows_about(
    cursor: duckdb.DuckDBPyConnection, execution: QueryExecution, name: str, deployment_id: str
) -> list[dict[str, Any]]:
    """The rows of the explanation that are about one deployment, as columns by name."""
    return _Explained(cursor, execution, name).about(deployment_id)


class _Explained:
    """All rows of a metric's explanation, of which each question reads no more than it needs."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, execution: QueryExecution, name: str) -> None:
        execution.prepare(CATALOG[name])
        self._cursor = cursor
        self._rows, self._bound = execution.worked_out.statement(_ordered(name), execution.bound())

    def totals(self, counted: str) -> list[tuple[Any, ...]]:
        """What `metrics/sql/queries/<counted>.sql` counts."""
        return self._cursor.execute(self._of_them(counted), self._bound).fetchall()

    def named(self, some: str, bound: Mapping[str, Any], order: Sequence[str]) -> pa.Table:
        """The rows of `metrics/sql/queries/<some>.sql`, in an order, with what people know them by."""
        named = read_sql("queries", "explained_named").replace(
            "from some_rows_explained", f"from ({self._of_them(some)})"
        )
        return self._read(f"{named} order by {', '.join(order)}", bound)

    def about(self, deployment_id: str) -> list[dict[str, Any]]:
        about_it = f"select * from ({self._rows}) where deployment_id = $deployment_id"
        rows: list[dict[str, Any]] = self._read(about_it, {"deployment_id": deployment_id}).to_pylist()
        return rows

    def _of_them(self, statement: str) -> str:
        """A statement on `explained`, which are these rows."""
        return read_sql("queries", statement).replace("from explained", f"from ({self._rows})")

    def _read(self, statement: str, bound: Mapping[str, Any]) -> pa.Table:
        return self._cursor.sql(statement, params={**self._bound, **bound}).to_arrow_table()


def _ordered(name: str) -> str:
    """The statement of all rows, with what they are ordered by."""
    return read_sql("queries", "explained").replace(
        "from rows_behind_the_metric", f"from ({CATALOG[name].explain_sql})"
    )


def _window(question: Question) -> tuple[int, int]:
    return to_microseconds(question.from_at), to_microseconds(question.to_at)


def _position(cursor: str, question: Question, name: str) -> Sequence[int | str]:
    """Where the page begins. Raises `ParameterError` where the cursor is of another window or metric."""
    position = _read(cursor)
    if tuple(position[:3]) != (*_window(question), name):
        raise ParameterError([("cursor", "is of another window or metric")])
    return position[3:]


def window_end(cursor: str) -> datetime:
    """The end of the window that a cursor was given for. Raises `ParameterError`."""
    end = int(_read(cursor)[1])
    if not 0 <= end <= _LATEST:
        raise ParameterError([("cursor", "is of another window or metric")])
    return from_microseconds(end)


def _read(cursor: str) -> Sequence[int | str]:
    return read_cursor(cursor, int, int, str, int, int, str, str, str)


def _displayed(page: pa.Table, execution: QueryExecution) -> pa.Table:
    """The rows with repositories and groups by the names that people know them by."""
    names = execution.repository_names
    shown = {
        "repository": [names.get(key, key) for key in page["repository_key"].to_pylist()],
        "group": execution.displayed(page["group_name"].to_pylist()),
    }
    for old, new in (("repository_key", "repository"), ("group_name", "group")):
        page = page.set_column(page.column_names.index(old), new, pa.array(shown[new], pa.string()))
    hidden = {"rank", "order_us", "order_id"} | ({"group"} if execution.question.group_by is None else set())
    return page.drop_columns(sorted(hidden))
