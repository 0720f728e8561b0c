"""A metric's page: its trend, what it breaks down into, why it is what it is, and the rows behind it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect

from metrics.definitions.base import Definition, Note, Part, Profile
from metrics.definitions.catalog import CATALOG, own_metrics
from metrics.definitions.dora import level_of, score_of
from metrics.definitions.profiles import difference
from metrics.definitions.words import count, say, say_interval, span
from metrics.output.notes import notes_on
from metrics.queries.calendar import Interval
from metrics.queries.explanation import Explanation, NewestRows
from metrics.queries.question import Answer, Dimension
from metrics.queries.settings_impact import SettingImpact
from tracker.auth.tokens import Scope
from tracker.errors import NotFound
from tracker.pages.frame.access import PAGE, signed_in
from tracker.pages.frame.address import MOST_PAGES, Address, page_number
from tracker.pages.frame.asking import Asked, together, window_with_records
from tracker.pages.frame.controls import Controls, controls_of
from tracker.pages.frame.live import live_page
from tracker.pages.frame.words import no_break
from tracker.pages.parts.drawing import Trend, share_bar, trend_of
from tracker.pages.parts.figures import Card, card_of
from tracker.pages.parts.groups import Breakdown, breakdown_of, grouped_answer
from tracker.pages.parts.rows import BehindRow, behind_rows
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

_ROWS = 25
_PROFILE_NAMES = {
    Profile.DEFAULT: "This service",
    Profile.DEVLAKE: "Apache DevLake",
    Profile.MIDDLEWARE: "Middleware",
}


@dataclass(frozen=True, slots=True)
class Signal:
    name: str
    count: int
    bar: Any


@dataclass(frozen=True, slots=True)
class OtherRules:
    """The metric by another system's rules."""

    name: str
    figure: str
    basis: str
    interval: str
    difference: str


@dataclass(frozen=True, slots=True)
class Impact:
    """A change of a setting, and the figure that there would be without it."""

    impact: SettingImpact
    figure_before: str


@dataclass(frozen=True, slots=True)
class Tab:
    """Which rows are shown."""

    part: Part
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class MetricPage:
    """What the page shows."""

    asked: Asked
    controls: Controls
    definition: Definition[Any]
    own: Sequence[Definition[Any]]
    """The metrics that are registered beside the five."""
    answer: Answer
    card: Card
    trend: Trend | None
    intervals: Sequence[Interval]
    facts: Sequence[tuple[str, str]]
    notes: Sequence[Note]
    breakdowns: Sequence[Breakdown]
    signals: Sequence[Signal]
    impacts: Sequence[Impact]
    rules: Sequence[OtherRules]
    tabs: Sequence[Tab]
    part: Part
    rows: Sequence[BehindRow]
    left_out: Sequence[tuple[str, int]]
    """Why rows are left out, and how many for each reason."""
    page: int
    pages: int
    total: int
    elsewhere: str | None


@get(
    "/metric/{name:str}",
    include_in_schema=False,
    opt=PAGE,
    guards=[signed_in(Scope.METRICS_READ)],
    sync_to_thread=True,
)
def metric_page(name: FromPath[str], request: CallerRequest, service: Service) -> Response[bytes] | Redirect:
    """One metric, and why it is what it is."""
    if name not in CATALOG:
        raise NotFound(f"There is no metric {name}.")
    return live_page(request, service, "metric", lambda asked: _metric(asked, name))


def _metric(asked: Asked, name: str) -> MetricPage:
    definition = CATALOG[name]
    part = _part(asked.address, name)
    page = page_number(asked.address)
    dimensions = [Dimension.REPOSITORY, *([Dimension.TEAM] if asked.names.of(Dimension.TEAM) else [])]
    if len(asked.names.of(Dimension.SERVICE)) > 1:
        dimensions.append(Dimension.SERVICE)
    answers, explained, newest, profiles, *grouped = together(
        lambda: asked.session.answers(
            asked.parameters(compare="true", interval=asked.interval.value), [name]
        ),
        lambda: asked.session.explanation(asked.parameters(), name, limit=1),
        lambda: asked.session.newest_rows(
            asked.parameters(), name, part, limit=_ROWS, passed_over=(page - 1) * _ROWS
        ),
        lambda: asked.session.profiles(asked.parameters(), name),
        *[lambda dimension=dimension: grouped_answer(asked, dimension, name) for dimension in dimensions],
    )
    (answer,) = answers
    tabs = _tabs(name, newest)
    total = next((tab.count for tab in tabs if tab.part is part), 0)
    everything = asked.address.first("groups") == "all"
    return MetricPage(
        asked=asked,
        controls=controls_of(asked, "interval", "rows", "groups"),
        definition=definition,
        own=own_metrics(),
        answer=answer,
        card=card_of(answer),
        trend=trend_of(answer, asked.clock),
        intervals=asked.intervals,
        facts=_facts(definition, answer),
        notes=[note for note in notes_on(answer) if note.code != "settling"],
        breakdowns=[
            breakdown
            for one in grouped
            if len((breakdown := breakdown_of(asked, one, everything=everything)).bars) > 1
        ],
        signals=_signals(answer),
        impacts=_impacts(definition, explained),
        rules=[_other_rules(definition, one) for one in profiles],
        tabs=tabs,
        part=part,
        rows=behind_rows(asked, newest.rows),
        left_out=_reasons(newest),
        page=page,
        pages=min(max(1, -(-total // _ROWS)), MOST_PAGES),
        total=total,
        elsewhere=window_with_records(asked),
    )


def _part(address: Address, name: str) -> Part:
    """Which rows are asked for; at first those that a person looks for."""
    named, known = address.first("rows"), list(CATALOG[name].parts)
    return Part(named) if named in known else known[0]


def _tabs(name: str, newest: NewestRows) -> Sequence[Tab]:
    counts = dict.fromkeys(Part, 0)
    for total in newest.totals:
        if total.reason is None:
            counts[Part.COUNTED] += total.rows
            counts[Part.NUMERATOR] += total.in_numerator
            counts[Part.FAILED] += total.rows
        elif total.reason == "open":
            counts[Part.FAILED] += total.rows
        else:
            counts[Part.LEFT_OUT] += total.rows
    return [Tab(part, text, counts[part]) for part, text in CATALOG[name].parts.items()]


def _reasons(newest: NewestRows) -> Sequence[tuple[str, int]]:
    return [(total.reason, total.rows) for total in newest.totals if total.reason not in (None, "open")]


def _facts(definition: Definition[Any], answer: Answer) -> Sequence[tuple[str, str]]:
    """The figures beside the first one."""
    row, facts = answer.row, []
    level, score = level_of(answer.metric, row, answer.question.benchmark), score_of(answer.metric, row)
    interval = definition.typical_interval(row)
    if interval is not None:
        facts.append(("95\u202f% interval", no_break(say_interval(definition.unit, interval))))
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name in _FACTS and value is not None:
            title, kind = _FACTS[field.name]
            facts.append((title, no_break(_FACT_WORDS[kind](value))))
    if answer.previous is not None:
        before = answer.previous.row
        basis = definition.shown(before).count
        facts.append(
            ("Window before", f"{no_break(say(definition.unit, definition.typical(before)))}, {basis}")
        )
    if score.score is not None:
        allowed = ""
        if score.interval95 is not None and score.interval95[0] != score.interval95[1]:
            allowed = f" ({score.interval95[0]:.1f} to {score.interval95[1]:.1f})"
        facts.append(("Quick Check", f"{score.score:.1f} of 10{allowed}; all industries {score.benchmark:g}"))
    judged_by = definition.typical_title or definition.judged_as(row)
    if level.level is not None and judged_by:
        facts.append(("Judged by", judged_by))
    return facts


_FACTS: Mapping[str, tuple[str, str]] = {
    "mean": ("Mean", "span"),
    "median": ("Median", "span"),
    "p90": ("9 in 10 within", "span"),
    "coverage": ("Deployments with commits", "share"),
    "negative_lead_times": ("Clock errors", "count"),
    "redeployments": ("Redeployments", "count"),
    "median_days_per_week": ("Days in a typical week", "number"),
    "median_duration_seconds": ("Typical duration", "span"),
    "p90_duration_seconds": ("9 in 10 take up to", "span"),
    "incidents": ("Incidents in the window", "count"),
    "unattributed_incidents": ("Without a deployment", "count"),
    "unattributed": ("Repaired something unknown", "count"),
    "did_not_reach_production": ("Did not get through", "count"),
}
_FACT_WORDS: Mapping[str, Callable[[Any], str]] = {
    "span": span,
    "share": lambda value: f"{100 * value:.0f}\u202f%",
    "count": count,
    "number": lambda value: f"{value:g}",
}


def _signals(answer: Answer) -> Sequence[Signal]:
    """By which signals it failed, or was a repair."""
    counts: Mapping[str, int] = getattr(answer.row, "by_signal", {})
    most = max(counts.values(), default=0)
    if not most:
        return []
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return [Signal(name, count, share_bar(count / most)) for name, count in ordered]


def _impacts(definition: Definition[Any], explained: Explanation) -> Sequence[Impact]:
    return [
        Impact(
            impact,
            f"{no_break(say(definition.unit, impact.row_before.value))} "
            f"({definition.shown(impact.row_before).count})",
        )
        for impact in explained.moved_by
    ]


def _other_rules(definition: Definition[Any], answer: Answer) -> OtherRules:
    row, profile = answer.row, answer.question.profile
    interval = getattr(row, "interval95", None) or getattr(row, "median_interval95", None)
    return OtherRules(
        name=_PROFILE_NAMES[profile],
        figure=no_break(say(definition.unit, row.value)),
        basis=definition.shown(row).count,
        interval=no_break(say_interval(definition.unit, interval)) if interval else "",
        difference=definition.means if profile is Profile.DEFAULT else difference(profile, answer.metric),
    )
