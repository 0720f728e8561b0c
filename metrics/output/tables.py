"""Answers as tables: one row for each window of each group, with columns of the same type every time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC
from typing import get_type_hints

import pyarrow as pa

from metrics.definitions.base import MetricRow
from metrics.definitions.dora import level_of, score_of
from metrics.domain.vocabulary import FailureSignal
from metrics.output.notes import is_settling
from metrics.queries.calendar import Window
from metrics.queries.question import Answer, Group, Point

_INSTANT = pa.timestamp("us", "UTC")
_WINDOW_COLUMNS = {"from": _INSTANT, "to": _INSTANT, "partial": pa.bool_(), "settling": pa.bool_()}
_JUDGEMENT_COLUMNS = {"level": pa.string(), "score": pa.float64()}
_TYPES: Mapping[type, pa.DataType] = {int: pa.int64(), float: pa.float64()}

Row = Mapping[str, object]


def answer_table(answer: Answer) -> pa.Table:
    """The group's column where groups are asked for, the window's, then the answer's fields.

    The window's are `from`, `to`, `partial` and `settling`. `by_signal` is a column for each signal,
    an interval two; `level` and `score` come last. Without an interval the window is one row; where
    neither it nor groups are asked for, a comparison puts the window before in a row above.
    """
    fields_of_row = _columns(type(answer.row))
    schema = {**_dimension(answer), **_WINDOW_COLUMNS, **fields_of_row, **_JUDGEMENT_COLUMNS}
    return pa.Table.from_pylist(list(_rows(answer)), schema=pa.schema(list(schema.items())))


def summary_table(answers: Sequence[Answer]) -> pa.Table:
    """The tables of several metrics as one: `metric` and `unit` first, null where a metric lacks a column."""
    return _together(answers, lambda answer: {"metric": answer.metric, "unit": answer.unit})


def profiles_table(answers: Sequence[Answer]) -> pa.Table:
    """The tables of one metric under several profiles as one, `profile` first."""
    return _together(answers, lambda answer: {"profile": answer.question.profile})


def _together(answers: Sequence[Answer], told_apart_by: Callable[[Answer], Mapping[str, str]]) -> pa.Table:
    """Put tables below each other, each with columns before its own that tell it from the others."""
    tables = []
    for answer in answers:
        table = answer_table(answer)
        for index, (name, text) in enumerate(told_apart_by(answer).items()):
            table = table.add_column(index, name, pa.array([str(text)] * table.num_rows, pa.string()))
        tables.append(table)
    return pa.concat_tables(tables, promote_options="default")


def _dimension(answer: Answer) -> dict[str, pa.DataType]:
    group_by = answer.question.group_by
    return {} if group_by is None else {group_by.value: pa.string()}


def _columns(row: type[MetricRow]) -> Mapping[str, pa.DataType]:
    columns: dict[str, pa.DataType] = {}
    types = get_type_hints(row)
    for field in fields(row):
        if field.name == "by_signal":
            columns |= {f"by_{signal}": pa.int64() for signal in FailureSignal}
        elif field.name.endswith("interval95"):
            columns |= {f"{field.name}_low": pa.float64(), f"{field.name}_high": pa.float64()}
        else:
            kinds = getattr(types[field.name], "__args__", (types[field.name],))
            columns[field.name] = _TYPES.get(kinds[0], pa.string())
    return columns


def _rows(answer: Answer) -> Iterator[Row]:
    group_by = answer.question.group_by
    if group_by is None:
        yield from _windows(answer, answer)
    else:
        for group in answer.groups:
            for row in _windows(answer, group):
                yield {group_by.value: group.name, **row}


def _windows(answer: Answer, part: Answer | Group) -> Iterator[Row]:
    question = answer.question
    points: Sequence[Point] = part.series
    if question.interval is None:
        points = [Point(question.window, part.row)]
        if isinstance(part, Answer) and part.previous is not None:
            points = [part.previous, *points]
    return (_row(answer, point.window, point.row) for point in points)


def _row(answer: Answer, window: Window, row: MetricRow) -> Row:
    found: dict[str, object] = {
        "from": window.from_at.astimezone(UTC),
        "to": window.to_at.astimezone(UTC),
        "partial": window.is_partial,
        "settling": is_settling(window, answer.question),
    }
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name == "by_signal":
            found |= {f"by_{signal}": count for signal, count in value.items()}
        elif field.name.endswith("interval95"):
            found[f"{field.name}_low"], found[f"{field.name}_high"] = value or (None, None)
        else:
            found[field.name] = value
    found["level"] = level_of(answer.metric, row, answer.question.benchmark).level
    found["score"] = score_of(answer.metric, row).score
    return found
