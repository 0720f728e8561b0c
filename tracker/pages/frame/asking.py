"""What a page asks: the address as a question, what was wrong with it, and the controls that change it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from metrics.domain.errors import ParameterError
from metrics.queries.calendar import Interval
from metrics.queries.names import KnownNames
from metrics.queries.notes import RecordedSpan
from metrics.queries.parameters import MetricParameters
from metrics.queries.question import Question
from metrics.queries.session import Session
from tracker.auth.callers import Caller
from tracker.pages.frame.address import WINDOW, Address, metric_pairs, read_parameters, without_wrong
from tracker.pages.frame.words import Clock
from tracker.web.state import Service

T = TypeVar("T")
DEFAULT_LAST = "13w"
_MOST_WRONG = 10
_LENGTHS = {Interval.DAY: 1, Interval.WEEK: 7, Interval.MONTH: 30, Interval.QUARTER: 91}
_MOST_BUCKETS = 400
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
    session = service.session(caller.organization, caller.repositories)
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


def window_with_records(asked: Asked) -> str | None:
    """Where the window holds nothing, the address of the thirteen weeks that end with the last record."""
    span, question = asked.span, asked.question
    if span is None or (question.from_at <= span.last_at and span.first_at < question.to_at):
        return None
    last = asked.clock.local(span.last_at).date()
    end = Interval.WEEK.next(Interval.WEEK.start(last))
    start = end - timedelta(weeks=13)
    return str(asked.address.having(last=None, from_=start.isoformat(), to=end.isoformat()))
