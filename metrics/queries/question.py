"""What can be asked of an organization's records, and the shape of what is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from metrics.definitions.base import MetricRow, Note, Profile, Unit
from metrics.definitions.statistics import Weeks
from metrics.domain.settings import DEFAULT_SETTINGS, OrganizationSettings
from metrics.domain.vocabulary import FailureSignal
from metrics.queries.calendar import Interval, Window, window_before


class Dimension(StrEnum):
    """What an answer can be grouped by."""

    REPOSITORY = "repository"
    SERVICE = "service"
    TEAM = "team"
    ENVIRONMENT = "environment"
    BRANCH = "branch"


@dataclass(frozen=True, slots=True)
class Label:
    """A label that a deployment must have, with this text."""

    name: str
    text: str

    @classmethod
    def read(cls, text: str) -> "Label":
        """Read `key:value`."""
        name, _, value = text.partition(":")
        return cls(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, at `asked_at`. The window is half-open, in aware instants; None: "not limited by this".

    `settings` are the organization's; `environments` None means its production environments, `signals`
    None the signals that it has set. `visible` are the repository patterns that a token is limited to,
    `benchmark` the year of the report that levels are taken from. `as_of` is the instant whose records are
    asked; the store that is asked has no later ones. `profile` says by whose rules.
    """

    organization: str
    settings: OrganizationSettings
    from_at: datetime
    to_at: datetime
    zone: ZoneInfo
    asked_at: datetime
    environments: Sequence[str] | None = None
    repositories: Sequence[str] | None = None
    services: Sequence[str] | None = None
    teams: Sequence[str] | None = None
    labels: Sequence[Label] = ()
    signals: Sequence[FailureSignal] | None = None
    visible: Sequence[str] | None = None
    interval: Interval | None = None
    group_by: Dimension | None = None
    compares: bool = False
    as_of: datetime | None = None
    benchmark: int = DEFAULT_SETTINGS.benchmark
    profile: Profile = Profile.DEFAULT

    @property
    def window(self) -> Window:
        return Window(self.from_at, self.to_at)

    @property
    def previous_window(self) -> Window:
        """The window that this one is compared with: before it, with the same weekdays."""
        return window_before(self.window, self.zone)


@dataclass(frozen=True, slots=True)
class Point:
    """A metric's value for one window."""

    window: Window
    row: MetricRow


@dataclass(frozen=True, slots=True)
class Group:
    """A metric's value for what has one name in the dimension asked for; None is what has none there."""

    name: str | None
    row: MetricRow
    series: Sequence[Point]
    previous: "Previous | None" = None


@dataclass(frozen=True, slots=True)
class Previous(Point):
    """The value for the window before, with what each whole week of both windows has counted."""

    weeks: Weeks
    weeks_before: Weeks


@dataclass(frozen=True, slots=True)
class Answer:
    """A metric's value for a question, with everything that goes with it."""

    metric: str
    unit: Unit
    question: Question
    row: MetricRow
    series: Sequence[Point]
    groups: Sequence[Group]
    groups_left: int
    """How many more groups there are than an answer holds."""
    notes: Sequence[Note]
    recorded_from: datetime | None
    """When the first deployment asked for finished, whatever the window; None where there is none."""
    previous: Previous | None
