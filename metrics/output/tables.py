"""Answers as tables: one row for each window of each group, with columns of the same type every time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC
from typing import get_type_hints

import msgspec
import pyarrow as pa

from metrics.definitions.base import MetricRow
from metrics.definitions.dora import level_of, score_of
from metrics.domain.vocabulary import FailureSignal
from metrics.output.comparison import compare
from metrics.output.notes import is_settling, notes_on
from metrics.queries.calendar import Window
from metrics.queries.question import Answer, Group, Point

_JUDGEMENT_COLUMNS = {
    "level": pa.string(),
    "levels_possible": pa.string(),
    "level_certain": pa.bool_(),
    "score": pa.float64(),
}
_COMPARISON_COLUMNS = {"distinguishable": pa.bool_(), "comparison": pa.string()}
_TYPES: Mapping[type, pa.DataType] = {int: pa.int64(), float: pa.float64()}

Row = Mapping[str, object]


def answer_table(answer: Answer) -> pa.Table:
    """The group's column where groups are asked for, the window's, the answer's fields, what is said of them.

    The window's are `from`, `to`, local times in the zone asked for, `tz`, which names it, `partial` and
    `settling`. `by_signal` is a column for each signal, an interval two. `level`, `levels_possible`,
    `level_certain` and `score` judge the whole window, and are null in the rows of a series. Where a
    comparison is asked for, `previous_` stands before each of the columns of the window before, and
    `distinguishable` and `comparison` say whether it changed. `notes` come last, and in the metadata.
    """
    fields_of_row = _columns(type(answer.row))
    schema = {
        **_dimension(answer),
        **_window_columns(answer),
        **fields_of_row,
        **_JUDGEMENT_COLUMNS,
        **_previous_columns(answer, fields_of_row),
        "notes": pa.string(),
    }
    metadata = {"tz": answer.question.zone.key, "notes": _json(notes_on(answer))}
    comparison = compare(answer)
    if comparison is not None:
        metadata["comparison"] = _json(comparison)
    return pa.Table.from_pylist(list(_rows(answer)), schema=pa.schema(list(schema.items()), metadata))


def summary_table(answers: Sequence[Answer]) -> pa.Table:
    """The tables of several metrics as one: `metric` and `unit` first, null where a metric lacks a column."""
    return _together(answers, lambda answer: {"metric": answer.metric, "unit": answer.unit})


def profiles_table(answers: Sequence[Answer]) -> pa.Table:
    """The tables of one metric under several profiles as one, `profile` first."""
    return _together(answers, lambda answer: {"profile": answer.question.profile})


def _together(answers: Sequence[Answer], told_apart_by: Callable[[Answer], Mapping[str, str]]) -> pa.Table:
    """Put tables below each other, each with columns before its own that tell it from the others."""
    tables, metadata = [], {"tz": answers[0].question.zone.key}
    for answer in answers:
        table, named = answer_table(answer), told_apart_by(answer)
        for name, text in table.schema.metadata.items():
            if name != b"tz":
                metadata[f"{next(iter(named.values()))}.{name.decode()}"] = text.decode()
        for index, (name, text) in enumerate(named.items()):
            table = table.add_column(index, name, pa.array([str(text)] * table.num_rows, pa.string()))
        tables.append(table)
    return pa.concat_tables(tables, promote_options="default").replace_schema_metadata(metadata)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _dimension(answer: Answer) -> dict[str, pa.DataType]:
    group_by = answer.question.group_by
    return {} if group_by is None else {group_by.value: pa.string()}


def _window_columns(answer: Answer) -> dict[str, pa.DataType]:
    instant = pa.timestamp("us", answer.question.zone.key)
    flags = {"partial": pa.bool_(), "settling": pa.bool_()}
    return {"from": instant, "to": instant, "tz": pa.string(), **flags}


def _previous_columns(answer: Answer, fields_of_row: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    if answer.previous is None:
        return {}
    instant = pa.timestamp("us", answer.question.zone.key)
    before = {"from": instant, "to": instant, **fields_of_row}
    return {f"previous_{name}": kind for name, kind in before.items()} | _COMPARISON_COLUMNS


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
    said: dict[str, object] = {"notes": "\n".join(note.detail for note in notes_on(answer)) or None}
    comparison = compare(answer, part)
    if part.previous is not None and comparison is not None:
        before = {**_bounds(part.previous.window), **_fields(part.previous.row)}
        said |= {f"previous_{name}": value for name, value in before.items()}
        said |= {"distinguishable": comparison.distinguishable, "comparison": comparison.detail}
    if question.interval is None:
        points = [Point(question.window, part.row)]
        level = level_of(answer.metric, part.row, question.benchmark)
        said |= {
            "level": level.level,
            "levels_possible": ", ".join(level.possible) or None,
            "level_certain": level.certain,
            "score": score_of(answer.metric, part.row).score,
        }
    return (_row(answer, point.window, point.row) | said for point in points)


def _row(answer: Answer, window: Window, row: MetricRow) -> dict[str, object]:
    return {
        **_bounds(window),
        "tz": answer.question.zone.key,
        "partial": window.is_partial,
        "settling": is_settling(window, answer.question),
        **_fields(row),
    }


def _bounds(window: Window) -> dict[str, object]:
    return {"from": window.from_at.astimezone(UTC), "to": window.to_at.astimezone(UTC)}


def _fields(row: MetricRow) -> dict[str, object]:
    """The columns of a row, for `_columns`."""
    found: dict[str, object] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name == "by_signal":
            found |= {f"by_{signal}": count for signal, count in value.items()}
        elif field.name.endswith("interval95"):
            found[f"{field.name}_low"], found[f"{field.name}_high"] = value or (None, None)
        else:
            found[field.name] = value
    return found
