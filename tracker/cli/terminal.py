"""Metrics in the terminal: tables, with small bars for a series."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from metrics.definitions.base import MetricRow, Unit
from metrics.definitions.catalog import CATALOG
from metrics.definitions.dora import Level, attribution, level_of
from metrics.definitions.profiles import difference
from metrics.definitions.words import span
from metrics.output.comparison import compare
from metrics.output.notes import notes_on
from metrics.queries.explanation import Explanation
from metrics.queries.question import Answer, Group, Point
from metrics.queries.settings_impact import SettingImpact
from tracker.cli.console import DataTable, Terminal


def print_answers(organization: str, answers: Sequence[Answer]) -> None:
    window, zone = answers[0].question.window, answers[0].question.zone
    table = DataTable(
        title=f"{organization}: {window.from_at.astimezone(zone):%Y-%m-%d %H:%M} to "
        f"{window.to_at.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})",
        title_justify="left",
    )
    table.add_column("metric")
    table.add_column("value", justify="right")
    if answers[0].previous is not None:
        table.add_column("before", justify="right")
    table.add_column(f"level {answers[0].question.benchmark}")
    table.add_column("out of")
    for one in answers:
        previous = [] if one.previous is None else [_value(one.previous.row, one.unit)]
        level = level_of(one.metric, one.row, one.question.benchmark)
        cells = [_value(one.row, one.unit), *previous, _level_text(level), _detail(one)]
        table.add_row(CATALOG[one.metric].title, *cells)
    Terminal().print(table)
    Terminal().print(attribution(), style="dim")
    for comparison in filter(None, map(compare, answers)):
        Terminal().print(comparison.detail)
    for note in _notes(answers):
        Terminal().print(f"Note: {note}", style="dim")
    question = answers[0].question
    if question.interval is not None:
        _print_series(answers, f"by {question.interval}", [one.series for one in answers])
    if question.group_by is not None:
        _print_groups(answers)


def _level_text(level: Level) -> str:
    """The level; where its interval allows others, the best of them to the worst."""
    if level.level is None:
        return "-"
    if len(level.possible) < 2:
        return level.level
    return f"{level.possible[0]} to {level.possible[-1]}"


def _notes(answers: Sequence[Answer]) -> list[str]:
    """Return the remarks on the answers, each once."""
    return list(dict.fromkeys(note.detail for one in answers for note in notes_on(one)))


def _print_groups(answers: Sequence[Answer]) -> None:
    """A table with a row for each group and a column for each metric."""
    dimension = answers[0].question.group_by
    assert dimension is not None
    table = DataTable(title=f"by {dimension}", title_justify="left")
    table.add_column(dimension.value, overflow="fold", min_width=10)
    for one in answers:
        table.add_column(
            "a day" if one.unit is Unit.PER_DAY else CATALOG[one.metric].short_title, justify="right"
        )
    for groups in zip(*(one.groups for one in answers), strict=True):
        values = [
            "-"
            if group.row.value is None
            else _value(group.row, one.unit).removesuffix(" a day") + _direction(one, group)
            for group, one in zip(groups, answers, strict=True)
        ]
        table.add_row(groups[0].name or "(none)", *values)
    Terminal().print(table)
    interval = answers[0].question.interval
    if interval is not None:
        for groups in zip(*(one.groups for one in answers), strict=True):
            title = f"{dimension} {groups[0].name or '(none)'} by {interval}"
            _print_series(answers, title, [group.series for group in groups])


def _direction(answer: Answer, group: Group) -> str:
    """An arrow where a group changed by more than chance brings about."""
    comparison = compare(answer, group)
    if comparison is None or not comparison.distinguishable:
        return ""
    return " ↑" if comparison.rose else " ↓"


def _print_series(answers: Sequence[Answer], title: str, series: Sequence[Sequence[Point]]) -> None:
    """A table with a row for each bucket and a column with a bar for each metric."""
    zone = answers[0].question.zone
    table = DataTable(title=title, title_justify="left")
    table.add_column("from")
    for one in answers:
        table.add_column(CATALOG[one.metric].short_title)
    for points in zip(*series, strict=True):
        start = f"{points[0].window.from_at.astimezone(zone):%Y-%m-%d}"
        cells = [_bar(point, one) for point, one in zip(points, answers, strict=True)]
        table.add_row(start + (" …" if points[0].window.is_partial else ""), *cells)
    Terminal().print(table)


def _bar(point: Point, answer: Answer) -> str:
    """A value with a bar of its share of the largest in any series of the answer."""
    value = point.row.value
    every = [*answer.series, *(one for group in answer.groups for one in group.series)]
    largest = max((one.row.value or 0 for one in every), default=0)
    length = 0 if value is None or not largest else round(value / largest * _LONGEST_BAR)
    return f"{_value(point.row, answer.unit)}\n{'▇' * length}"


_LONGEST_BAR = 8


def _value(row: MetricRow, unit: Unit) -> str:
    value = row.value
    if value is None:
        return str(row.reason).replace("_", " ")
    match unit:
        case Unit.PER_DAY:
            return f"{value:.2f} a day"
        case Unit.RATIO:
            return f"{value:.1%}"
        case Unit.SECONDS:
            return span(value)


def _detail(answer: Answer) -> str:
    detail: str = CATALOG[answer.metric].detail(answer.row)
    return detail


def print_explanation(organization: str, explained: Explanation) -> None:
    """The answer, how many rows are counted and left out, and the rows."""
    print_answers(organization, [explained.answer])
    console, zone = Terminal(), explained.answer.question.zone
    for move in explained.moved_by:
        console.print(_move_line(move, explained.answer))
    totals = DataTable(title="rows", title_justify="left")
    for column in ("", "what", "reason"):
        totals.add_column(column)
    totals.add_column("how many", justify="right")
    for total in explained.totals:
        verdict = "counted" if total.reason is None else "left out"
        totals.add_row(verdict, total.kind, _words(total.reason), str(total.rows))
    console.print(totals)
    table = DataTable()
    for column in ("", "when", "what", "took", "because"):
        table.add_column(column, overflow="fold", no_wrap=column == "when")
    for row in explained.rows.to_pylist():
        table.add_row(*_explained_cells(row, zone))
    console.print(table)
    if explained.next_cursor is not None:
        shown, known = explained.rows.num_rows, sum(total.rows for total in explained.totals)
        console.print(f"{shown} of {known} rows: --limit shows more, --left-out only what is left out.")


def print_profiles(answers: Sequence[Answer]) -> None:
    """A metric by the rules of each profile, with a sentence on what differs."""
    table = DataTable(title=CATALOG[answers[0].metric].title, title_justify="left")
    table.add_column("profile")
    table.add_column("value", justify="right")
    table.add_column("out of")
    table.add_column("what differs")
    for one in answers:
        profile = one.question.profile
        table.add_row(profile, _value(one.row, one.unit), _detail(one), difference(profile, one.metric))
    Terminal().print(table)


def _move_line(move: SettingImpact, answer: Answer) -> str:
    """A change of a setting in a sentence."""
    change = move.change
    return (
        f"Moved by a setting: {change.setting} is {_setting(change.value)} since "
        f"{_local(change.since, answer.question.zone)}, set by {change.by}; under {_setting(change.before)}, "
        f"the one before, it would be {_value(move.row_before, answer.unit)}."
    )


def _setting(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _explained_cells(row: dict[str, Any], zone: ZoneInfo) -> list[str]:
    seconds, happened_at = row.get("seconds"), row["happened_at"]
    return [
        _verdict(row),
        "" if happened_at is None else _local(happened_at, zone),
        _subject(row),
        "" if seconds is None else span(seconds),
        _because(row, zone),
    ]


def _subject(row: dict[str, Any]) -> str:
    """What the row is about, and the deployment that it belongs to."""
    repository = "/".join(filter(None, (row["repository"], row["service"])))
    release = row["version"] or (row["commit_id"] or "")[:12]
    named = f"{repository} {release}".strip() or row["id"]
    match row["kind"]:
        case "deployment":
            return named
        case "commit":
            return f"{row['id'][:12]} in {named}"
    return f"{row['kind']} {named}"


def _verdict(row: dict[str, Any]) -> str:
    if not row["counted"]:
        return "-"
    return "numerator" if row.get("in_numerator") else "counted"


def _because(row: dict[str, Any], zone: ZoneInfo) -> str:
    """Return why the row is left out, or what made it count as failed or as a repair."""
    if not row["counted"] and row["reason"] != "open":
        return _words(row["reason"])
    parts = [_words(row["reason"])] if row["reason"] else []
    for cause in row.get("causes") or ():
        said = ", ".join(cause["signals"])
        parts.append(f"{said} {_local(cause['happened_at'], zone)} ({cause['method']})")
    if row.get("repairs_id"):
        parts.append(f"{', '.join(row['signals'])}: repairs {row['repairs_id']} ({row['method']})")
    elif row.get("in_numerator") and "repairs_id" in row:
        parts.append(f"{', '.join(row['signals'])}: nobody knows what it repairs")
    return "\n".join(parts)


def _words(name: str | None) -> str:
    return "" if name is None else name.replace("_", " ")


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"
