"""What a page asks: the address as a question, what was wrong with it, and the controls that change it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import available_timezones

from metrics.domain.errors import ParameterError
from metrics.queries.calendar import Interval
from metrics.queries.names import KnownNames
from metrics.queries.notes import RecordedSpan
from metrics.queries.parameters import MetricParameters
from metrics.queries.question import Dimension, Question
from metrics.queries.session import Session
from tracker.auth.callers import Caller
from tracker.pages.address import WINDOW, Address, metric_pairs, read_parameters, without_wrong
from tracker.pages.words import Clock
from tracker.web.state import Service

T = TypeVar("T")
WEEKS = (4, 13, 26, 52)
DEFAULT_LAST = "13w"
_MOST_WRONG = 10
_MOST_CHOICES = 60
"""Of a list to choose from; of more names one is typed, with the first of them suggested."""
_MOST_SUGGESTED = 200
_LENGTHS = {Interval.DAY: 1, Interval.WEEK: 7, Interval.MONTH: 30, Interval.QUARTER: 91}
_MOST_BUCKETS = 400
_FILTERS = (Dimension.ENVIRONMENT, Dimension.TEAM, Dimension.REPOSITORY, Dimension.SERVICE)
# DuckDB plans a question on one thread, and pages ask several.
_AT_ONCE = ThreadPoolExecutor(4, thread_name_prefix="page")


def together(*calls: Callable[[], Any]) -> list[Any]:
    """What each call gives, run at the same time. Raises what the first of them raises."""
    return [future.result() for future in [_AT_ONCE.submit(call) for call in calls]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A page's question: `address` is as it was sent, but for what was wrong in it."""

    caller: Caller
    service: Service
    session: Session
    address: Address
    question: Question
    notices: Sequence[str]
    names: KnownNames
    span: RecordedSpan | None
    clock: Clock
    pairs: Sequence[tuple[str, str]] = field(repr=False)
    """What metrics are asked with."""

    def parameters(self, **more: str) -> MetricParameters:
        """The parameters of the question, with more."""
        return read_parameters([pair for pair in self.pairs if pair[0] not in more], **more)

    def query(self, **more: str) -> str:
        """The query with which the interface answers the same, with more."""
        return str(Address("", tuple(self.pairs)).having(**more))

    @property
    def interval(self) -> Interval:
        """The buckets that suit the window, or those that the address names."""
        named = self.address.first("interval")
        if named is not None and named in self.intervals:
            return Interval(named)
        days = (self.question.to_at - self.question.from_at).days
        if days <= 21:
            return Interval.DAY
        return Interval.WEEK if days <= 400 else Interval.MONTH if days <= 2_400 else Interval.QUARTER

    @property
    def intervals(self) -> Sequence[Interval]:
        """The buckets of which the window has few enough to be read."""
        days = (self.question.to_at - self.question.from_at).days
        return [one for one, length in _LENGTHS.items() if days / length <= _MOST_BUCKETS]

    @property
    def last_day(self) -> date:
        """The last day of the window."""
        return self.clock.local(self.question.to_at - timedelta(microseconds=1)).date()

    @property
    def first_day(self) -> date:
        return self.clock.local(self.question.from_at).date()


def ask(service: Service, caller: Caller, address: Address, now: datetime) -> Asked:
    """Read the address; what is wrong in it is passed over, and said. Raises `RecordsUnavailable`."""
    session = Session(service.store, caller.organization, caller.repositories)
    notices: list[str] = []
    for _ in range(_MOST_WRONG):
        try:
            question, span, pairs = _question(session, address)
            break
        except ParameterError as error:
            address, said = without_wrong(address, error)
            notices += said
    else:
        address = Address(address.path)
        question, span, pairs = _question(session, address)
    return Asked(
        caller,
        service,
        session,
        address,
        question,
        notices,
        session.names(),
        span,
        Clock(question.zone, now, question.asked_at),
        pairs,
    )


def _question(
    session: Session, address: Address
) -> tuple[Question, RecordedSpan | None, list[tuple[str, str]]]:
    """The question of an address: the last whole weeks where it says nothing of a window.

    Where nothing was recorded before the end of these, as on a first day, all up to now.
    """
    pairs = metric_pairs(address)
    span = session.recorded_span(read_parameters(address.only(_NO_WINDOW).pairs))
    if address.given(*WINDOW):
        return session.question(read_parameters(pairs)), span, pairs
    weeks = [*pairs, ("last", DEFAULT_LAST)]
    question = session.question(read_parameters(weeks))
    if span is not None and span.first_at < question.to_at:
        return question, span, weeks
    return session.question(read_parameters(pairs)), span, pairs


_NO_WINDOW = ("environment", "team", "repository", "service", "label", "tz", "as_of")


@dataclass(frozen=True, slots=True)
class Choice:
    url: str
    text: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A control for one dimension: what is chosen, with the address without it, and what else there is."""

    name: str
    label: str
    nothing: str
    chosen: Sequence[tuple[str, str]]
    choices: Sequence[str]
    is_typed: bool


@dataclass(frozen=True, slots=True)
class Controls:
    """What changes the question of a page, as links and a form."""

    windows: Sequence[Choice]
    is_custom: bool
    first_day: date
    last_day: date
    filters: Sequence[Filter]
    zone: str
    zones: Sequence[str]
    kept: Sequence[tuple[str, str]]
    """What a form sends along."""
    path: str


def controls_of(asked: Asked, *kept: str, is_list: bool = False) -> Controls:
    """The controls of a page; `kept` are the parameters of its own that go along.

    A list has all that there is where the address says nothing of a window or an environment.
    """
    address, question = asked.address.without(["until"]), asked.question
    last, is_custom = address.first("last"), address.given("from", "to")
    by_default = None if is_list else dict(asked.pairs).get("last")
    windows = []
    if is_list:
        windows.append(
            Choice(str(address.having(last=None, from_=None, to=None)), "All", not address.given(*WINDOW))
        )
    windows += [
        Choice(
            str(address.having(last=f"{weeks}w", from_=None, to=None)),
            f"{weeks} weeks",
            (last or by_default) == f"{weeks}w",
        )
        for weeks in WEEKS
    ]
    up_to_now = address.having(last=None, to=None, from_=_thirteen_weeks_before(asked.clock))
    is_up_to_now = (is_custom and not address.given("to")) or not (last or by_default or is_custom or is_list)
    windows.append(Choice(str(up_to_now), "Up to now", is_up_to_now))
    custom = address.having(
        last=None, from_=asked.first_day.isoformat(), to=(asked.last_day + timedelta(days=1)).isoformat()
    )
    is_dated = is_custom and address.given("to")
    windows.append(Choice(str(custom), "Custom…", is_dated))
    # What a form's own fields say is not said twice.
    own = {"tz", "environment", "team", "repository", "service"}
    names = {*WINDOW, "label", "as_of", *kept} - ({"from", "to", "last"} if is_dated else set())
    chosen = [pair for pair in address.pairs if pair[0] in names or pair[0] in own - {"tz"}]
    return Controls(
        windows=windows,
        is_custom=is_dated,
        first_day=asked.first_day,
        last_day=asked.last_day,
        filters=[_filter(asked, address, dimension, is_list=is_list) for dimension in _FILTERS],
        zone=question.zone.key,
        zones=time_zones(),
        kept=chosen,
        path=address.path,
    )


def _thirteen_weeks_before(clock: Clock) -> str:
    return (clock.local(clock.now).date() - timedelta(days=90)).isoformat()


def _filter(asked: Asked, address: Address, dimension: Dimension, *, is_list: bool) -> Filter:
    name = dimension.value
    given = address.every(name)
    chosen = [
        (text, str(address.having(**{name: [other for other in given if other != text]}))) for text in given
    ]
    known = [text for text in asked.names.of(dimension) if text not in given]
    production = dimension is Dimension.ENVIRONMENT and not is_list
    return Filter(
        name=name,
        label=name.capitalize(),
        nothing="add…" if given else "production" if production else "all",
        chosen=chosen,
        choices=known[:_MOST_SUGGESTED],
        is_typed=len(known) > _MOST_CHOICES,
    )


def time_zones() -> Sequence[str]:
    areas = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    return ["UTC", *sorted(zone for zone in available_timezones() if zone.split("/")[0] in areas)]


def window_with_records(asked: Asked) -> str | None:
    """Where the window holds nothing, the address of the thirteen weeks that end with the last record."""
    span, question = asked.span, asked.question
    if span is None or (question.from_at <= span.last_at and span.first_at < question.to_at):
        return None
    last = asked.clock.local(span.last_at).date()
    end = Interval.WEEK.next(Interval.WEEK.start(last))
    start = end - timedelta(weeks=13)
    return str(asked.address.having(last=None, from_=start.isoformat(), to=end.isoformat()))
