"""Binds a question to the SQL files and runs them on the store."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any

import duckdb

from metrics.definitions.base import Definition, MetricName, MetricRow, Note, Profile, SignalUse
from metrics.definitions.profiles import RULES, search_path
from metrics.definitions.statistics import WeekCounts
from metrics.domain.errors import ParameterError
from metrics.domain.instants import MICROSECOND
from metrics.domain.repositories import RepositoryIdentity, matches_any
from metrics.domain.vocabulary import FailureSignal, name_key
from metrics.queries.calendar import Window, buckets, local_days, whole_weeks
from metrics.queries.notes import (
    RecordedSpan,
    longest_pause,
    note_of_estimates,
    note_of_groups,
    notes_of_commits,
    notes_of_names,
    notes_of_span,
    recorded_span,
)
from metrics.queries.question import Answer, Dimension, Group, Point, Previous, Question
from metrics.queries.views import keep_selection
from metrics.queries.worked_out import WorkedOut
from metrics.sql import read_sql


@contextmanager
def executing(cursor: duckdb.DuckDBPyConnection, question: Question) -> Iterator["QueryExecution"]:
    """A question, as long as the cursor follows the rules that it is to be answered by."""
    if question.profile is Profile.DEFAULT:
        yield QueryExecution(cursor, question)
        return
    cursor.execute(f"set search_path = '{search_path(question.profile)}'")
    try:
        yield QueryExecution(cursor, question)
    finally:
        # After an error the transaction takes no statement any more, and the cursor is closed.
        with suppress(duckdb.Error):
            cursor.execute(f"set search_path = '{search_path(Profile.DEFAULT)}'")


class QueryExecution:
    """One question on one state of the records, with every default resolved."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, question: Question) -> None:
        settings = question.settings
        signals = settings.failure_signals if question.signals is None else question.signals
        self._cursor = cursor
        self.question = question
        self._rules = RULES[question.profile]
        self.worked_out = WorkedOut(cursor, question.profile)
        self._rework_signals = [signal for signal in FailureSignal if signal in signals]
        self._signals = self._rework_signals if self._rules.signals is None else self._rules.signals
        self._production, self._environments = self._resolved_environments()
        asked = _repository_keys(cursor, question.organization, question.repositories)
        # Who reaches a repository reaches what is recorded under its aliases; who reaches an alias, no more.
        self.visible_keys = _repository_keys(cursor, question.organization, question.visible, own=True)
        self._repositories = _intersect(asked, self.visible_keys)
        self._notes: Sequence[Note] | None = None
        self._span: tuple[RecordedSpan | None, ...] = ()
        self._production_groups: list[str] = []
        self._estimates: Sequence[Note] | None = None
        self._groups_left = 0
        self._selected: Definition[Any] | None = None
        self._series = self._buckets()
        self._groups = self._group_names()

    def bound(self) -> dict[str, Any]:
        """What a statement about the whole window is given."""
        question = self.question
        return {"question": self._bound_question(*self._bounds(question.window), question.group_by)}

    def bound_to(self, definition: Definition[Any]) -> dict[str, Any]:
        """What a metric's statement is given for the whole window."""
        return self._bind(definition, [self.question.window], [None], None)

    def answer(self, definition: Definition[Any]) -> Answer:
        """The metric's value, with the series, groups and comparison that are asked for."""
        question = self.question
        self.prepare(definition)
        # The groups first: the whole is made of the same rows, whatever their group.
        groups = self._parts(definition, self._groups, question.group_by)
        (whole,) = self._parts(definition, [None], None)
        return Answer(
            metric=definition.name,
            unit=definition.unit,
            question=question,
            row=whole.row,
            series=whole.series,
            groups=[
                replace(group, name=name)
                for name, group in zip(self.displayed(self._groups), groups, strict=True)
            ],
            groups_left=self._groups_left,
            notes=[
                *self._record_notes(),
                *(self._commits_notes() if definition.name is MetricName.LEAD_TIME_FOR_CHANGES else ()),
                *(self._estimates_note() if definition.is_about_failures else ()),
                *note_of_groups(len(self._groups), self._groups_left),
            ],
            recorded_from=None if (span := self.recorded_span()) is None else span.first_at,
            previous=whole.previous,
        )

    def prepare(self, definition: Definition[Any]) -> None:
        """Work out what a metric's statements are about, where that is chosen. Raises `DefinitionError`."""
        if definition.selection is not None and self._selected is not definition:
            keep_selection(self._cursor, definition, definition.selection, self.question.organization)
            self._selected = definition

    def rows_of(self, statement: str, bound: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every row of a statement about the question, by the names of its columns."""
        return rows_of(self._cursor, *self.worked_out.statement(statement, bound))

    def recorded_span(self) -> RecordedSpan | None:
        """The span of all that the question is about, whatever its window."""
        if not self._span:
            self._span = (recorded_span(self._cursor, self.bound()),)
        return self._span[0]

    def _record_notes(self) -> Sequence[Note]:
        """What is to be known of the records, the same for every metric."""
        if self._notes is None:
            self._notes = [
                *notes_of_names(self._cursor, self.question, self._known_repositories, self.visible_keys),
                *notes_of_span(self.recorded_span(), self.question, self._longest_pause),
            ]
        return self._notes

    def _known_repositories(self) -> list[RepositoryIdentity]:
        """Those that may be seen."""
        return [
            identity
            for key, identity in _repositories(self._cursor, self.question.organization)
            if self.visible_keys is None or key in self.visible_keys
        ]

    def _longest_pause(self) -> timedelta:
        return longest_pause(self._cursor, self.bound())

    def _commits_notes(self) -> Iterator[Note]:
        (lists,) = self.rows_of(read_sql("queries", "commit_lists"), self._bound_to_window())
        return notes_of_commits(**lists)

    def _estimates_note(self) -> Sequence[Note]:
        """The same for every metric about failures."""
        if self._estimates is None:
            (counts,) = self.rows_of(read_sql("queries", "estimates"), self._bound_to_window())
            self._estimates = note_of_estimates(**counts)
        return self._estimates

    def _bound_to_window(self) -> dict[str, Any]:
        """What a statement is given that is about the window alone, of all that is answered for."""
        from_at, to_at = self._bounds(self.question.window)
        return {
            "question": self._bound_question(*self._span_of_windows(), self.question.group_by),
            "asked_window": {"window_index": 0, "from_at": from_at, "to_at": to_at},
        }

    def _parts(
        self, definition: Definition[Any], group_names: Sequence[str | None], group_by: Dimension | None
    ) -> list[Group]:
        """Of each group its row, its series, and what it is compared with, as far as these are asked for."""
        question, before = self.question, self.question.previous_window
        windows = [question.window, *self._series]
        weeks: list[Window] = []
        if question.compares:
            windows.append(before)
            weeks = [*whole_weeks(before, question.zone), *whole_weeks(question.window, question.zone)]
        by_rows = weeks if definition.week is not None else []
        grouped = self._cells(definition, [*windows, *by_rows], group_names, group_by)
        weekly = self._weekly(definition, weeks, grouped, group_names, group_by)
        parts = []
        for name, rows, counts in zip(group_names, grouped, weekly, strict=True):
            points = [
                Point(window, row) for window, row in zip(windows[1:], rows[1 : len(windows)], strict=True)
            ]
            previous = None
            if question.compares:
                split = len(whole_weeks(before, question.zone)) if counts else 0
                previous = Previous(
                    before, points.pop().row, weeks=counts[split:], weeks_before=counts[:split]
                )
            parts.append(Group(name, rows[0], points, previous))
        return parts

    def _weekly(
        self,
        definition: Definition[Any],
        weeks: Sequence[Window],
        grouped: Sequence[Sequence[MetricRow]],
        group_names: Sequence[str | None],
        group_by: Dimension | None,
    ) -> list[list[WeekCounts]]:
        """Of each group what each week has counted; nothing where the metric does not say."""
        if definition.week is not None:
            return [[definition.week(row) for row in rows[len(rows) - len(weeks) :]] for rows in grouped]
        if definition.weeks_sql is None or not weeks or not group_names:
            return [[] for _ in group_names]
        bound = self._bind(definition, weeks, group_names, group_by)
        found = [
            WeekCounts(row["counted"], row["of_all"]) for row in self.rows_of(definition.weeks_sql, bound)
        ]
        return [found[index :: len(group_names)] for index in range(len(group_names))]

    def _buckets(self) -> list[Window]:
        question = self.question
        if question.interval is None:
            return []
        series = buckets(question.from_at, question.to_at, question.interval, question.zone)
        found = list(islice(series, _MOST_BUCKETS + 1))
        if len(found) > _MOST_BUCKETS:
            raise ParameterError([("interval", f"must give at most {_MOST_BUCKETS} buckets in the window")])
        return found

    def _cells(
        self,
        definition: Definition[Any],
        windows: Sequence[Window],
        group_names: Sequence[str | None],
        group_by: Dimension | None,
    ) -> list[list[MetricRow]]:
        """Return for each group its row for each window, in the order of both."""
        if not group_names:
            return []
        bound = self._bind(definition, windows, group_names, group_by)
        found = self.rows_of(definition.sql, bound)
        for row in found:
            del row["cell_index"]
        assert len(found) == len(windows) * len(group_names), "every metric gives one row for each cell"
        is_rework = definition.signal_use is SignalUse.REWORK
        signals = [signal.value for signal in (self._rework_signals if is_rework else self._signals)]
        rows = [definition.read(row, signals) for row in found]
        return [rows[index :: len(group_names)] for index in range(len(group_names))]

    def _bind(
        self,
        definition: Definition[Any],
        windows: Sequence[Window],
        group_names: Sequence[str | None],
        group_by: Dimension | None,
    ) -> dict[str, Any]:
        bounds = [self._bounds(window) for window in windows]
        bound: dict[str, Any] = {
            "question": self._bound_question(*self._span_of_windows(), group_by),
            "windows": [
                {"window_index": index, "from_at": start, "to_at": end}
                for index, (start, end) in enumerate(bounds)
            ],
            "groups": list(group_names),
        }
        if "days" in definition.parameters:
            from_at, to_at = min(start for start, _ in bounds), max(end for _, end in bounds)
            days = list(local_days(from_at, to_at, self.question.zone))
            bound["days"] = {
                "first_day": days[0].day,
                "midnights": [*(day.starts_at for day in days), days[-1].ends_at],
            }
        return bound

    def _span_of_windows(self) -> tuple[datetime, datetime]:
        """From the beginning of the earliest window that is answered for to the end of the latest: for all
        metrics the same, so that what lies in it is worked out once.
        """
        question = self.question
        from_at, to_at = self._bounds(question.window)
        if question.compares:
            from_at = min(from_at, self._bounds(question.previous_window)[0])
        return from_at, to_at

    def _bounds(self, window: Window) -> tuple[datetime, datetime]:
        """The window, half-open. One that holds its last instant ends a microsecond later, as no record is
        finer; its buckets but the last do not.
        """
        ends = (self.question.to_at, self.question.previous_window.to_at)
        if self._rules.closes_window and window.to_at in ends:
            return window.from_at, window.to_at + MICROSECOND
        return window.from_at, window.to_at

    def _bound_question(
        self, from_at: datetime, to_at: datetime, group_by: Dimension | None
    ) -> dict[str, Any]:
        question = self.question
        return {
            "organization": question.organization,
            "from_at": from_at,
            "to_at": to_at,
            "environments": self._environments,
            "production_environments": self._production,
            "repository_keys": self._repositories,
            "visible_keys": self.visible_keys,
            "services": _keys(question.services),
            "teams": _keys(question.teams),
            "labels": [asdict(label) for label in question.labels] or None,
            "group_by": None if group_by is None else group_by.value,
            "production_groups": self._production_groups if group_by is Dimension.ENVIRONMENT else [],
            "signals": [signal.value for signal in self._signals],
            "rework_signals": [signal.value for signal in self._rework_signals],
        }

    def _resolved_environments(self) -> tuple[Sequence[str], Sequence[str]]:
        """The production environments, and those that are asked for, whatever patterns they are named by."""
        question, about = self.question, {"organization": self.question.organization}
        in_force = self._cursor.execute(read_sql("queries", "production_environments"), about).fetchall()
        # Of an organization without records nothing is in force.
        production = in_force[0][0] if in_force else None
        production = production or [
            name for name in question.settings.production_environments if "*" not in name
        ]
        if question.environments is None:
            return production, production
        named = {"names": _keys(question.environments)}
        found = self._cursor.execute(read_sql("queries", "environments"), about | named).fetchall()
        return production, [environment for (environment,) in found]

    def _group_names(self) -> list[str | None]:
        """The names in the dimension asked for that the window knows, in order, "none" last."""
        question = self.question
        if question.group_by is None:
            return []
        found = self.rows_of(read_sql("queries", "group_names"), self.bound())
        names = self._bounded([row["group_name"] for row in found])
        if question.group_by is Dimension.ENVIRONMENT and question.profile is Profile.DEFAULT:
            self._production_groups = [
                name for name in names if name is not None and name in self._production
            ]
        # An incident without an environment is of these, and where there are any of no group without a name.
        return [name for name in names if name is not None or not self._production_groups]

    def _bounded(self, names: Sequence[str | None]) -> list[str | None]:
        """As many of the names, the most deployed first, as an answer holds; in order, "none" last."""
        question = self.question
        windows = 1 + len(self._series)
        if question.compares:
            both = (question.previous_window, question.window)
            windows += 1 + sum(len(whole_weeks(window, question.zone)) for window in both)
        most = max(min(_MOST_GROUPS, _MOST_CELLS // windows), 1)
        self._groups_left = max(len(names) - most, 0)
        return sorted(names[:most], key=lambda name: (name is None, name or ""))

    def displayed(self, group_names: Sequence[str | None]) -> list[str | None]:
        """Return the names that groups are shown by: of a repository its own, else as it was first sent."""
        match self.question.group_by:
            case Dimension.REPOSITORY:
                names = self.repository_names
            case Dimension.SERVICE | Dimension.TEAM | Dimension.ENVIRONMENT as dimension:
                names = self._first_sent(dimension, group_names)
            case _:
                names = {}
        return [None if key is None else names.get(key, key) for key in group_names]

    def _first_sent(self, dimension: Dimension, keys: Sequence[str | None]) -> Mapping[str, str]:
        """How names were first sent, by what they are compared by."""
        found = self._cursor.execute(
            read_sql("queries", f"{dimension}_names"),
            {"organization": self.question.organization, "keys": [key for key in keys if key is not None]},
        ).fetchall()
        return dict(found)

    @cached_property
    def repository_names(self) -> Mapping[str, str]:
        """For every repository key its path, with the host where two hosts have the same path."""
        known = [
            identity
            for key, identity in _repositories(self._cursor, self.question.organization)
            if identity.key == key
        ]
        counts = Counter(name_key(one.path) for one in known)
        return {one.key: one.shown if counts[name_key(one.path)] == 1 else one.key for one in known}


def _keys(names: Sequence[str] | None) -> list[str] | None:
    """Names as they are compared; None where there are none."""
    return None if names is None else [name_key(name) for name in names]


_MOST_BUCKETS = 5_000
_MOST_GROUPS = 1_000
# Rows of groups, each with its series and weeks: beyond, an answer takes seconds and many megabytes.
_MOST_CELLS = 25_000


def _repository_keys(
    cursor: duckdb.DuckDBPyConnection,
    organization: str,
    patterns: Sequence[str] | None,
    *,
    own: bool = False,
) -> list[str] | None:
    """The repositories that the patterns mean, by their `own` identity alone or by an alias too.

    None where there are no patterns.
    """
    if patterns is None:
        return None
    meant = {
        key
        for key, identity in _repositories(cursor, organization)
        if matches_any(patterns, identity) and (identity.key == key or not own)
    }
    return sorted(meant)


def _repositories(
    cursor: duckdb.DuckDBPyConnection, organization: str
) -> list[tuple[str, RepositoryIdentity]]:
    """Every identity that a record has named, with the key of the repository that it belongs to."""
    found = cursor.execute(read_sql("queries", "repositories"), {"organization": organization}).fetchall()
    return [(key, RepositoryIdentity(host, path, "")) for key, _, host, path in found]


def _intersect(asked: list[str] | None, visible: list[str] | None) -> list[str] | None:
    """Return what is both asked for and visible; None where neither limits."""
    if visible is None:
        return asked
    return visible if asked is None else [key for key in asked if key in visible]


def rows_of(
    cursor: duckdb.DuckDBPyConnection, statement: str, bound: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Every row of the statement, by the names of its columns.

    All of them: a result that is not fetched to its end is in the way of the cursor's next question.
    """
    cursor.execute(statement, bound)
    assert cursor.description is not None
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
