"""Answers as bodies: the JSON that the interface promises, or a table in another format."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
from litestar import Request, Response

from metrics.definitions.base import MetricRow, Profile
from metrics.definitions.dora import attribution, level_of, overall_score, score_of
from metrics.definitions.profiles import difference
from metrics.domain.instants import midnight
from metrics.output.comparison import compare
from metrics.output.notes import is_settling, notes_on
from metrics.queries.calendar import Window
from metrics.queries.explanation import Explanation
from metrics.queries.question import Answer, Group, Point, Question
from metrics.queries.settings_impact import SettingImpact
from metrics.wire.table_files import TableFormat, write_table

Body = Mapping[str, object]


_JSON = "application/json"
_FORMATS: Mapping[str, TableFormat | None] = {_JSON: None, **{one.media_type: one for one in TableFormat}}
FormatName = Literal["json"] | TableFormat
"""How an answer can be written, as a parameter says it."""


def asked_format(request: Request[Any, Any, Any], named: FormatName | None) -> TableFormat | None:
    """The format that is named, else what `Accept` prefers; None is JSON."""
    if named is not None:
        return None if named == "json" else TableFormat(named)
    return _FORMATS[request.accept.best_match(list(_FORMATS), default=_JSON) or _JSON]


def table_response(table: pa.Table, name: str, table_format: TableFormat) -> Response[bytes]:
    """A table as a file to download."""
    return Response(
        b"".join(write_table(table.schema, table.to_batches(), table_format)),
        media_type=table_format.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{table_format}"', "Vary": "Accept"},
    )


def answer_body(answer: Answer) -> dict[str, object]:
    """An answer in the shape that the interface promises."""
    question = answer.question
    body: dict[str, object] = {
        "metric": answer.metric,
        "unit": answer.unit,
        **_instants(question.window),
        "tz": question.zone.key,
        **_fields(answer.row),
        **_judgement(answer.metric, answer.row, question),
        "notes": [asdict(note) for note in notes_on(answer)],
    }
    if question.profile is not Profile.DEFAULT:
        body["profile"] = question.profile
    if question.as_of is not None:
        body["as_of"] = question.as_of.astimezone(UTC)
    if question.interval is not None:
        body["series"] = _series(answer.series, question)
    if question.group_by is not None:
        body["groups"] = [_group(group, answer) for group in answer.groups]
    return body | _compared(answer, answer)


def explanation_body(explanation: Explanation) -> Body:
    """The answer, its totals, a page of its rows, and the SQL."""
    rows: list[dict[str, Any]] = explanation.rows.to_pylist()
    return {
        "answer": answer_body(explanation.answer),
        "moved_by": [_move(move) for move in explanation.moved_by],
        "totals": [asdict(total) for total in explanation.totals],
        "counted": [_without(row, "counted", "reason") for row in rows if row["counted"]],
        "left_out": [_without(row, "counted") for row in rows if not row["counted"]],
        "next_cursor": explanation.next_cursor,
        "sql": asdict(explanation.statements),
    }


def _move(move: SettingImpact) -> Body:
    return {**asdict(move.change), "answer_before": _fields(move.row_before)}


def profiles_body(answers: Sequence[Answer]) -> Body:
    """One metric under the rules of each profile, with a sentence on what differs."""
    question, metric = answers[0].question, answers[0].metric
    profiles = [
        {
            "profile": answer.question.profile,
            "difference": difference(answer.question.profile, metric),
            **_without(answer_body(answer), "metric", "unit", "from", "to", "tz", "as_of", "profile"),
        }
        for answer in answers
    ]
    as_of = {} if question.as_of is None else {"as_of": question.as_of.astimezone(UTC)}
    return {
        "metric": metric,
        "unit": answers[0].unit,
        **_instants(question.window),
        "tz": question.zone.key,
        **as_of,
        "profiles": profiles,
    }


def _without(row: Mapping[str, object], *names: str) -> Body:
    return {name: value for name, value in row.items() if name not in names}


def summary_body(answers: Sequence[Answer]) -> Body:
    """Several metrics, the score over all of them, and whose levels and scores these are."""
    overall = overall_score([score_of(answer.metric, answer.row) for answer in answers])
    return {
        "metrics": {answer.metric: answer_body(answer) for answer in answers},
        "score": asdict(overall),
        "attribution": attribution(),
    }


def _judgement(name: str, row: MetricRow, question: Question) -> Body:
    return {
        "level": asdict(level_of(name, row, question.benchmark)),
        "score": asdict(score_of(name, row)),
    }


def _group(group: Group, answer: Answer) -> dict[str, object]:
    question = answer.question
    assert question.group_by is not None
    body = {
        question.group_by.value: group.name,
        **_fields(group.row),
        **_judgement(answer.metric, group.row, question),
    }
    if question.interval is not None:
        body["series"] = _series(group.series, question)
    return body | _compared(answer, group)


def _compared(answer: Answer, part: Answer | Group) -> dict[str, object]:
    """The window before, and whether the change is more than chance; nothing where that is not asked for."""
    if part.previous is None:
        return {}
    previous = _instants(part.previous.window) | _fields(part.previous.row)
    return {"previous": previous, "comparison": compare(answer, part)}


def _series(points: Sequence[Point], question: Question) -> list[dict[str, object]]:
    return [
        {
            "from": _edge(point.window.from_at, question.zone),
            "to": _edge(point.window.to_at, question.zone),
            "partial": point.window.is_partial,
            "settling": is_settling(point.window, question),
            **_fields(point.row),
        }
        for point in points
    ]


def _edge(instant: datetime, zone: ZoneInfo) -> date | datetime:
    """A date where a local day begins, else the instant."""
    local = instant.astimezone(zone)
    # Where clocks leap over midnight the day begins later, and where they go back its first hour comes twice.
    for day in (local.date(), local.date() + timedelta(days=1)):
        if midnight(day, zone) == instant:
            return day
    return instant.astimezone(UTC)


def _instants(window: Window) -> dict[str, object]:
    return {"from": window.from_at.astimezone(UTC), "to": window.to_at.astimezone(UTC)}


def _fields(row: MetricRow) -> dict[str, object]:
    return {field.name: getattr(row, field.name) for field in fields(row)}
