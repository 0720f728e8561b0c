"""Teams, repositories or services beside each other: their five figures, and what has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from metrics.definitions.base import MetricName
from metrics.definitions.catalog import CATALOG
from metrics.definitions.words import say, say_interval
from metrics.output.comparison import compare
from metrics.queries.question import Answer, Dimension, Group
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.words import Shift, no_break, shift_of
from tracker.pages.parts.drawing import interval_bar, sparkline

MOST_ROWS = 20
MOST_OF_ALL = 500


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a group."""

    metric: str
    title: str
    figure: str
    basis: str
    shift: Shift


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group in a table of all metrics."""

    name: str | None
    url: str
    cells: Sequence[Cell]
    moved: Sequence[tuple[str, Shift]]
    """The short titles of the metrics that changed by more than chance."""
    spark: Markup


@dataclass(frozen=True, slots=True)
class GroupTable:
    """The groups of a dimension; `total` says of how many the rows are."""

    dimension: Dimension
    rows: Sequence[GroupRow]
    total: int
    chosen: str
    sort: str


def group_answers(asked: Asked, dimension: Dimension, chosen: str) -> Sequence[Answer]:
    """The five metrics by group with comparison, the chosen one with a series.

    Of very many groups over very long windows without either.
    """
    compared = _compared_answers(asked, dimension, chosen)
    if not any(answer.groups_left for answer in compared):
        return compared
    return asked.session.answers(asked.parameters(group_by=dimension.value), list(MetricName))


def grouped_answer(asked: Asked, dimension: Dimension, metric: str) -> Answer:
    """One metric by group with comparison; without it where the groups are very many."""
    (compared,) = asked.session.answers(asked.parameters(group_by=dimension.value, compare="true"), [metric])
    if not compared.groups_left:
        return compared
    (plain,) = asked.session.answers(asked.parameters(group_by=dimension.value), [metric])
    return plain


def _compared_answers(asked: Asked, dimension: Dimension, chosen: str) -> Sequence[Answer]:
    shared = {"group_by": dimension.value, "compare": "true"}
    others = [name for name in MetricName if name is not chosen]
    plain = asked.session.answers(asked.parameters(**shared), others)
    (drawn,) = asked.session.answers(asked.parameters(**shared, interval=asked.interval.value), [chosen])
    by_name = {answer.metric: answer for answer in [*plain, drawn]}
    return [by_name[name] for name in MetricName]


def group_table(
    asked: Asked,
    dimension: Dimension,
    answers: Sequence[Answer],
    chosen: str,
    *,
    sort: str = "",
    everything: bool = False,
) -> GroupTable:
    """The groups, worst first by the chosen metric, or by what `sort` names; those without a name last.

    Of many the first, and all that moved beyond chance.
    """
    by_metric = {answer.metric: {group.name: group for group in answer.groups} for answer in answers}
    drawn = next(answer for answer in answers if answer.metric is chosen)
    most = _most(drawn)
    rows = []
    for name in dict.fromkeys(group.name for answer in answers for group in answer.groups):
        groups = {metric: groups[name] for metric, groups in by_metric.items() if name in groups}
        if not any(CATALOG[metric].size(group.row) for metric, group in groups.items()):
            continue
        rows.append(_row(asked, dimension, name, groups, answers, chosen, most))
    rows.sort(key=lambda row: _order(row, by_metric, chosen, sort))
    total = len(rows) + max(answer.groups_left for answer in answers)
    if not everything and len(rows) > MOST_ROWS:
        rows = [*rows[:MOST_ROWS], *[row for row in rows[MOST_ROWS:] if row.moved][:MOST_ROWS]]
    return GroupTable(dimension, rows[:MOST_OF_ALL], total, chosen, sort or chosen)


def _most(answer: Answer) -> float | None:
    """Where the small series of all groups end, so that they compare."""
    typical = CATALOG[answer.metric].typical
    values = [typical(point.row) for group in answer.groups for point in group.series]
    known = sorted(value for value in values if value is not None)
    # One bucket of one group must not press all others flat.
    return known[int(0.95 * (len(known) - 1))] * 1.3 or None if known else None


def _row(
    asked: Asked,
    dimension: Dimension,
    name: str | None,
    groups: Mapping[str, Group],
    answers: Sequence[Answer],
    chosen: str,
    most: float | None,
) -> GroupRow:
    cells, moved = [], []
    for answer in answers:
        definition, group = CATALOG[answer.metric], groups.get(answer.metric)
        if group is None:
            cells.append(Cell(answer.metric, definition.short_title, "–", "", Shift("", "")))
            continue
        previous = None if group.previous is None else group.previous.row
        shift = shift_of(definition, group.row, previous, compare(answer, group))
        figure = say(definition.unit, definition.typical(group.row))
        basis = definition.shown(group.row).count
        cells.append(Cell(answer.metric, definition.short_title, no_break(figure), basis, shift))
        if shift.told:
            moved.append((definition.short_title, shift))
    drawn = groups.get(chosen)
    spark = Markup("")
    if drawn is not None:
        spark = sparkline(drawn.series, CATALOG[chosen], answers[0].question, width=88, height=20, most=most)
    chosen_names = {dimension.value: name} if name is not None else {}
    return GroupRow(name, str(asked.address.at("/", **chosen_names)), cells, moved, spark)


def _order(
    row: GroupRow,
    by_metric: Mapping[str, Mapping[str | None, Group]],
    chosen: str,
    sort: str,
) -> tuple[bool, float, str]:
    """What rows are sorted by: no name last, then the worst value, those without one after the others."""
    name = (row.name or "").casefold()
    if sort == "name":
        return row.name is None, 0.0, name
    metric = MetricName(sort) if sort in set(MetricName) else chosen
    definition, group = CATALOG[metric], by_metric[metric].get(row.name)
    value = None if group is None else definition.typical(group.row)
    if value is None:
        return row.name is None, float("inf"), name
    return row.name is None, value if definition.more_is_better else -value, name


@dataclass(frozen=True, slots=True)
class Bar:
    """A group's value of one metric, with its interval."""

    name: str | None
    url: str
    figure: str
    basis: str
    interval: str
    shift: Shift
    drawing: Markup


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One metric by one dimension."""

    dimension: Dimension
    bars: Sequence[Bar]
    total: int


def breakdown_of(asked: Asked, answer: Answer, *, everything: bool = False) -> Breakdown:
    """The groups of an answer that have a value, worst first."""
    definition, dimension = CATALOG[answer.metric], answer.question.group_by
    assert dimension is not None
    groups = [group for group in answer.groups if definition.typical(group.row) is not None]
    groups.sort(key=lambda group: definition.typical(group.row) or 0, reverse=not definition.more_is_better)
    shown = groups[: MOST_OF_ALL if everything else MOST_ROWS]
    values = [definition.typical(group.row) or 0 for group in shown]
    highs = [pair[1] for group in shown if (pair := definition.typical_interval(group.row))]
    # An interval that reaches far is cut off.
    top = min(3 * max(values, default=1), max([*highs, *values], default=1)) or 1
    overall = definition.typical(answer.row)
    bars = []
    for group in shown:
        value, interval = definition.typical(group.row), definition.typical_interval(group.row)
        previous = None if group.previous is None else group.previous.row
        chosen = {dimension.value: group.name} if group.name is not None else {}
        bars.append(
            Bar(
                name=group.name,
                url=str(asked.address.at(asked.address.path, **chosen)),
                figure=no_break(say(definition.unit, value)),
                basis=definition.shown(group.row).count,
                interval=no_break(say_interval(definition.unit, interval)) if interval else "",
                shift=shift_of(definition, group.row, previous, compare(answer, group)),
                drawing=interval_bar(value, interval, top, overall),
            )
        )
    return Breakdown(dimension, bars, len(groups) + answer.groups_left)
