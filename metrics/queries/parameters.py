"""What a metric can be asked for, and the question that it makes."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from metrics.definitions.base import Profile
from metrics.domain.benchmarks import report_years
from metrics.domain.errors import ParameterError
from metrics.domain.instants import InstantError, midnight, read_date_or_instant, read_instant, read_zone
from metrics.domain.settings import OrganizationSettings
from metrics.domain.vocabulary import FailureSignal
from metrics.queries.calendar import Interval, days_before, months_before
from metrics.queries.question import Dimension, Label, Question
from metrics.wire.query_parameters import QueryParameters, RepositoryText, Text, require_label

DEFAULT_WINDOW = timedelta(days=91)
LONGEST_WINDOW = timedelta(days=50 * 366)


class MetricParameters(QueryParameters):
    """What a metric can be asked for."""

    # A field's title is what its value is called on the command line.
    from_: str | None = Field(
        None,
        alias="from",
        title="DATE",
        description="Date or instant; default 91 days before the end, or the first record's day.",
    )
    to: str | None = Field(None, title="DATE", description="Date or instant, not included; default now.")
    last: str | None = Field(
        None,
        title="SPAN",
        description="For from and to: the last whole local days, weeks, months or years, 28d, 13w, 3m, 1y.",
    )
    tz: str | None = Field(
        None,
        title="ZONE",
        description="IANA time zone in which dates are local midnights; default the organization's, UTC.",
    )
    environment: tuple[Text, ...] = Field(
        (),
        title="NAME",
        description="A * stands for any characters; default the production environments; repeatable.",
    )
    repository: tuple[RepositoryText, ...] = Field(
        (),
        title="PATTERN",
        description="name, owner/name or host/owner/name, each with a * at the end or none; repeatable.",
    )
    service: tuple[str, ...] = Field((), title="NAME", description="Repeatable.")
    team: tuple[Text, ...] = Field(
        (), title="NAME", description="Of the record, else of its service or repository; repeatable."
    )
    label: tuple[Annotated[str, AfterValidator(require_label)], ...] = Field(
        (), title="KEY:VALUE", description="Labels that a deployment must have, all of them; repeatable."
    )
    interval: Interval | None = Field(
        None, title="SPAN", description="Adds a series: day, week, month or quarter."
    )
    group_by: Dimension | None = Field(
        None,
        title="DIMENSION",
        description="Adds groups: by repository, service, team, environment or branch.",
    )
    compare: bool = Field(False, description="Adds the window before, with the same weekdays.")
    failure_signals: str | None = Field(
        None, title="LIST", description="Comma-separated, of incident, rollback, hotfix, fix, status."
    )
    profile: Profile = Field(
        Profile.DEFAULT,
        title="NAME",
        description="Whose counting rules: default (this service's), devlake or middleware.",
    )
    as_of: str | None = Field(
        None, title="INSTANT", description="Answers as it would have been answered at this instant."
    )
    benchmark: int | None = Field(
        None,
        title="YEAR",
        description="Year of the DORA report that levels are taken from; default the organization's.",
    )

    def known_at(self) -> datetime | None:
        """The instant whose records are asked for; None for all there are. Raises `ParameterError`."""
        if self.as_of is None:
            return None
        try:
            return read_instant(self.as_of)
        except InstantError as error:
            raise ParameterError([("as_of", str(error))]) from None

    @property
    def begins_by_default(self) -> bool:
        """Whether nothing says where the window begins: then no earlier than the first record asked for."""
        return self.from_ is None and self.last is None

    def _last(self, text: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The last whole days, weeks, months or years before now. Raises `ParameterError`."""
        if self.from_ is not None or self.to is not None:
            raise ParameterError([("last", "stands in place of from and to")])
        match = _LAST.fullmatch(text)
        if match is None:
            raise ParameterError([("last", "must be days, weeks, months or years, as in 28d, 13w, 3m or 1y")])
        count, unit = int(match[1]), match[2]
        today = now.astimezone(zone).date()
        try:
            match unit:
                case "d":
                    end, start = today, today - timedelta(days=count)
                case "w":
                    end = Interval.WEEK.start(today)
                    start = end - timedelta(weeks=count)
                case _:
                    end = today.replace(day=1) if unit == "m" else today.replace(month=1, day=1)
                    start = months_before(end, count if unit == "m" else 12 * count)
        except (ValueError, OverflowError):
            raise ParameterError([("last", "must not reach back so far")]) from None
        return midnight(start, zone), midnight(end, zone)

    def question(
        self,
        organization: str,
        settings: OrganizationSettings,
        *,
        now: datetime,
        visible: Sequence[str] | None = None,
    ) -> Question:
        """The question that the parameters ask of an organization. Raises `ParameterError`."""
        now = self.known_at() or now
        zone = _zone(settings.timezone if self.tz is None else self.tz)
        if self.last is None:
            to_at = now if self.to is None else _instant("to", self.to, zone)
            from_at = (
                days_before(to_at, DEFAULT_WINDOW, zone)
                if self.from_ is None
                else _instant("from", self.from_, zone)
            )
        else:
            from_at, to_at = self._last(self.last, now, zone)
        if from_at >= to_at:
            raise ParameterError([("from", f"must be before to ({to_at.isoformat()})")])
        if to_at - from_at > LONGEST_WINDOW:
            raise ParameterError([("from", "must not be more than 50 years before to")])
        return Question(
            organization=organization,
            settings=settings,
            from_at=from_at,
            to_at=to_at,
            zone=zone,
            asked_at=now,
            environments=self.environment or None,
            repositories=self.repository or None,
            services=self.service or None,
            teams=self.team or None,
            labels=[Label.read(text) for text in self.label],
            interval=self.interval,
            group_by=self.group_by,
            compares=self.compare,
            benchmark=settings.benchmark if self.benchmark is None else _year(self.benchmark),
            signals=None if self.failure_signals is None else _signals(self.failure_signals),
            visible=visible,
            as_of=self.known_at(),
            profile=self.profile,
        )


_LAST = re.compile(r"([1-9][0-9]{0,3})([dwmy])", re.ASCII)


def _year(year: int) -> int:
    known = report_years()
    if year not in known:
        raise ParameterError([("benchmark", f"must be a year from {known[0]} to {known[-1]}")])
    return year


def _zone(name: str) -> ZoneInfo:
    try:
        return read_zone(name)
    except InstantError as error:
        raise ParameterError([("tz", str(error))]) from None


def _instant(name: str, text: str, zone: ZoneInfo) -> datetime:
    try:
        return read_date_or_instant(text, zone)
    except InstantError as error:
        raise ParameterError([(name, str(error))]) from None


def _signals(text: str) -> tuple[FailureSignal, ...]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in set(FailureSignal)]
    if unknown:
        raise ParameterError([("failure_signals", f"must be one or more of {', '.join(FailureSignal)}")])
    return tuple(FailureSignal(name) for name in names)
