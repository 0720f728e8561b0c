"""What every metric's definition says, and the words that definitions are written in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from metrics.definitions.statistics import WeekCounts, Weeks


class Unit(StrEnum):
    """What a value is counted in."""

    PER_DAY = "per day"
    RATIO = "ratio"
    SECONDS = "seconds"


class MetricName(StrEnum):
    """The metrics, in the order in which a summary shows them."""

    DEPLOYMENT_FREQUENCY = "deployment_frequency"
    LEAD_TIME_FOR_CHANGES = "lead_time_for_changes"
    CHANGE_FAILURE_RATE = "change_failure_rate"
    MEAN_TIME_TO_RECOVER = "mean_time_to_recover"
    DEPLOYMENT_REWORK_RATE = "deployment_rework_rate"


class Reason(StrEnum):
    """Why a value cannot be computed; the first that holds."""

    NO_DEPLOYMENTS = "no_deployments"
    NO_FAILURES = "no_failures"
    NONE_RECOVERED = "none_recovered"
    NO_COMMITS = "no_commits"


class Profile(StrEnum):
    """A set of rules to answer by: this service's own, or another system's."""

    DEFAULT = "default"
    DEVLAKE = "devlake"
    MIDDLEWARE = "middleware"


class Part(StrEnum):
    """Which rows of an explanation a page shows."""

    NUMERATOR = "numerator"
    COUNTED = "counted"
    FAILED = "failed"
    """Those that recovered, and those that are open."""
    LEFT_OUT = "left_out"


class SignalUse(StrEnum):
    """What the signals of an answer say of a deployment: that it failed, or that it was a repair."""

    FAILURE = "failure"
    REWORK = "rework"


class MetricRow(Protocol):
    """What a metric answers for one window: a frozen dataclass, each rate with its counts."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def value(self) -> float | None: ...
    @property
    def reason(self) -> Reason | None: ...


Row = TypeVar("Row", bound=MetricRow)
Columns = Mapping[str, Any]
"""One row of a metric's SQL file, by column."""


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on a number that it is misread without: a code for programs and a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A row as people see it: the figure and its unit, two lines of what it rests on, and these in short."""

    figure: str
    unit: str
    basis: Sequence[str]
    count: str


Select = Callable[[Mapping[str, Any]], Any]
"""What gives rows out of the library's views, which it is given by name as Polars frames."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which deployments a metric is about, and the column that says what it wants to know of each."""

    rows: str | Select
    """A DuckDB query over the library's views, or a function of them: `id` and the column, once for each."""
    column: str
    kind: str
    """The column's type, as DuckDB calls it."""


@dataclass(frozen=True)
class Definition(Generic[Row]):
    """A metric. Of the SQL files of its package `<name>.sql` counts, and `<name>.explain.sql` shows the rows.

    `read` makes a row of one line of the SQL, given the signals that count. `typical` is the value that a
    change or a level goes by; `differ` is None where there is too little to tell.
    """

    name: str
    title: str
    short_title: str
    means: str
    """The definition in plain words, for people who have never heard of the metric."""
    unit: Unit
    row: type[Row]
    parameters: Sequence[str]
    columns: Sequence[str]
    read: Callable[[Columns, Sequence[str]], Row]
    typical: Callable[[Row], float | None]
    differ: Callable[[Row, Row, Weeks, Weeks], bool | None]
    """Whether two rows differ by more than chance, given what the whole weeks of both have counted."""
    detail: Callable[[Row], str]
    """The counts behind the value, in a few words."""
    shown: Callable[[Row], Shown]
    size: Callable[[Row], int]
    """How much a row rests on: of many groups the largest are shown."""
    parts: Mapping[Part, str]
    """The parts of its explanation that are worth a look, with their titles, the first one first."""
    score: Callable[[float], float] | None = None
    """The Quick Check's score, 0 to 10, of what `judged` gives; None where the check does not ask for it."""
    differences: Mapping[Profile, str] = field(default_factory=dict)
    """What differs by another profile's rules, a sentence each."""
    package: str = "metrics.definitions"
    """The package that its SQL files are in."""
    sql_name: str = ""
    """What they are called, where that is not the name."""
    selection: "Selection | None" = None
    """What chooses the rows of `selected_rows`, where its statements read such a table."""
    seconds_title: str = ""
    """What `seconds` are in its explanation, where it has any."""
    week: Callable[[Row], WeekCounts] | None = None
    """What the row of a whole week has counted; None where `<name>.weeks.sql` says it, or nothing does."""
    bounds: Callable[[Row], tuple[float, float] | None] = field(default=lambda _: None)
    """The 95 % interval of what levels and scores go by, the lower bound first."""
    typical_title: str | None = None
    """How `typical` is called where it is not the value."""
    judged: Callable[[Row], float | None] | None = None
    """What levels and scores go by, where it is not `typical`."""
    meets: Callable[[float, Any], bool] = field(
        default=lambda judged, bound: bound is None or judged <= bound
    )
    """Whether what is judged is within a tier's bound."""
    judged_as: Callable[[Row], str] = field(default=lambda _: "")
    """What levels go by, in words, where the interval of the typical value does not say it."""
    more_is_better: bool = False
    directions: tuple[str, str] = ("higher", "lower")
    """How a rise and a fall are called."""
    judges_in_steps: bool = False
    """Whether what levels go by is one of a few whole numbers."""
    signal_use: SignalUse = SignalUse.FAILURE
    is_about_failures: bool = False
    """Whether a window that ended just now can still change much, as failures take time to show."""
    names_causes: bool = False
    """Whether its explanation names what each failed deployment has failed by."""
    notes: Callable[[Row], Sequence[Note]] = field(default=lambda _: ())

    def judge(self, row: Row) -> float | None:
        """Return the figure that levels and scores are taken from."""
        return self.typical(row) if self.judged is None else self.judged(row)

    def typical_interval(self, row: Row) -> tuple[float, float] | None:
        """Return the 95 % interval of the typical value; None where there is none."""
        return None if self.judges_in_steps else self.bounds(row)

    @cached_property
    def sql(self) -> str:
        """The statement that counts, for each cell: a window of a group."""
        return self._file("sql").read_text(encoding="utf-8")

    @cached_property
    def weeks_sql(self) -> str | None:
        """The statement that says what each whole week has counted, where the rows of weeks do not."""
        file = self._file("weeks.sql")
        return file.read_text(encoding="utf-8") if file.is_file() else None

    @cached_property
    def explain_sql(self) -> str:
        """The statement that gives the rows behind the count."""
        return self._file("explain.sql").read_text(encoding="utf-8")

    def _file(self, ending: str) -> Traversable:
        return files(self.package).joinpath(f"{self.sql_name or self.name}.{ending}")


def bounds_of(found: list[float] | None) -> tuple[float, float] | None:
    """Return the interval that a list of two bounds."""
    return None if found is None else (found[0], found[1])


_HOUR, _DAY, _WEEK = 3_600, 86_400, 7 * 86_400
_MONTH = 365.25 * _DAY / 12
# The Quick Check's answers for a time, from six down to two.
_TIME_ANSWERS = (_HOUR, _DAY, _WEEK, _MONTH, 6 * _MONTH)


def score_of_answer(answer: int) -> float:
    """The Quick Check's score of its answers, 1 the worst to 6 the best."""
    return (answer - 1) / 5 * 10


def score_of_time(seconds: float) -> float:
    """The Quick Check's score of a time."""
    return score_of_answer(6 - sum(seconds >= bound for bound in _TIME_ANSWERS))


def score_of_share(share: float) -> float:
    """The Quick Check's score of a rate: the less the better."""
    return 10 - 10 * min(max(share, 0), 1)
