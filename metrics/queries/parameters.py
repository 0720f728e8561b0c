"""What a question may be asked with: parameters by name, from a query string or a command line.

One model says what a route takes. A parameter it does not know is refused, and so is one that is
given twice where one value is asked for; every error names its parameter.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, TypeVar, get_origin
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from metrics.definitions.profiles import Profile
from metrics.domain.benchmarks import report_years
from metrics.domain.errors import ParameterError
from metrics.domain.instants import midnight
from metrics.domain.settings import OrganizationSettings
from metrics.domain.vocabulary import FailureSignal
from metrics.queries.calendar import Interval
from metrics.queries.question import Dimension, Label, Question

Model = TypeVar("Model", bound="QueryParameters")


class QueryParameters(BaseModel):
    """The base of every route's parameters. A field that is a tuple may be given several times."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @classmethod
    def read(cls: type[Model], pairs: Iterable[tuple[str, str]]) -> Model:
        """The parameters of a query string, as decoded pairs. Raises `ParameterError`."""
        repeatable = cls._repeatable()
        given: dict[str, str | list[str]] = {}
        for name, text in pairs:
            if "\x00" in text:
                raise ParameterError([(name, "must not hold a NUL character")])
            if name in repeatable:
                values = given.setdefault(name, [])
                assert isinstance(values, list)
                values.append(text)
            elif name in given:
                raise ParameterError([(name, "may be given once only")])
            else:
                given[name] = text
        return cls.of(given)

    @classmethod
    def _repeatable(cls) -> frozenset[str]:
        fields = cls.model_fields.items()
        return frozenset(field.alias or name for name, field in fields if _is_repeatable(field))

    @classmethod
    def of(cls: type[Model], given: Mapping[str, Any]) -> Model:
        """The parameters from values by name; one text stands for a tuple of one. Raises `ParameterError`."""
        repeatable = cls._repeatable()
        values = {
            name: (value,) if name in repeatable and isinstance(value, str) else value
            for name, value in given.items()
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ParameterError(
                (str(detail["loc"][0]) if detail["loc"] else "query", _wording(detail["type"], detail["msg"]))
                for detail in error.errors(include_url=False)
            ) from None


def _wording(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a parameter that is known here"
    if kind == "literal_error":
        return "is not for this: all are shown"
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _is_repeatable(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def require_label(text: str) -> str:
    if not text.partition(":")[0] or ":" not in text:
        raise ValueError("must be key:value")
    return text


def require_repository(text: str) -> str:
    if ("/" not in text.strip("/") and not text.endswith("*")) or "://" in text:
        raise ValueError("must be owner/name or host/owner/name, either with a closing *")
    return text


def require_text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


RepositoryPattern = Annotated[str, AfterValidator(require_repository)]
Text = Annotated[str, AfterValidator(require_text)]


DEFAULT_WINDOW = timedelta(days=91)
LONGEST_WINDOW = timedelta(days=50 * 366)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+ -]\d\d:\d\d)")


class MetricParameters(QueryParameters):
    """What a metric can be asked for."""

    from_: str | None = Field(None, alias="from", description="Date or instant; default 91 days before `to`.")
    to: str | None = Field(None, description="Date or instant, not included; default now.")
    tz: str | None = Field(
        None,
        description="IANA time zone in which dates are local midnights; default the organization's, UTC.",
    )
    environment: tuple[Text, ...] = Field(
        (), description="Compared case-folded; default the production environments; repeatable."
    )
    repository: tuple[RepositoryPattern, ...] = Field(
        (), description="owner/name or host/owner/name, either with a closing *; repeatable."
    )
    service: tuple[str, ...] = Field((), description="Repeatable.")
    team: tuple[Text, ...] = Field(
        (), description="Of the record, else of its service or repository; repeatable."
    )
    label: tuple[Annotated[str, AfterValidator(require_label)], ...] = Field(
        (), description="key:value; repeatable, all must hold."
    )
    interval: Interval | None = Field(None, description="Adds a series: day, week, month or quarter.")
    group_by: Dimension | None = Field(
        None, description="Adds groups: by repository, service, team, environment or branch."
    )
    compare: bool = Field(False, description="Adds the window of equal length just before.")
    failure_signals: str | None = Field(
        None, description="Comma-separated, of incident, rollback, hotfix, fix, status."
    )
    profile: Profile = Field(Profile.DEFAULT, description="By whose rules: default, devlake or middleware.")
    as_of: str | None = Field(None, description="Instant: the figure as it would have been answered then.")
    benchmark: int | None = Field(
        None, description="Year of the DORA report that levels are taken from; default the organization's."
    )

    def known_at(self) -> datetime | None:
        """The instant whose records are asked for; None for all there are. Raises `ParameterError`."""
        if self.as_of is None:
            return None
        if _DATE.fullmatch(self.as_of):
            raise ParameterError([("as_of", "must be an instant with a zone, as in 2026-03-02T10:00:00Z")])
        return _instant("as_of", self.as_of, ZoneInfo("UTC"))

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
        to_at = now if self.to is None else _instant("to", self.to, zone)
        from_at = to_at - DEFAULT_WINDOW if self.from_ is None else _instant("from", self.from_, zone)
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


def _year(year: int) -> int:
    known = report_years()
    if year not in known:
        raise ParameterError([("benchmark", f"must be a year from {known[0]} to {known[-1]}")])
    return year


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ParameterError([("tz", "must be an IANA time zone, as in Europe/Berlin")]) from None


def _instant(name: str, text: str, zone: ZoneInfo) -> datetime:
    """An instant in UTC from a date, which means its local midnight, or from an instant with a zone."""
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            _require_sane_year(name, day.year)
            return midnight(day, zone)
        if _INSTANT.fullmatch(text):
            # In a query string, a plus that was not escaped arrives as a space.
            instant = datetime.fromisoformat(text.upper().replace(" ", "+"))
            _require_sane_year(name, instant.year)
            return instant.astimezone(UTC)
    except ParameterError:
        raise
    except ValueError:
        pass
    raise ParameterError(
        [(name, "must be a date or an instant with a zone, as in 2026-03-02 or 2026-03-02T10:00:00Z")]
    )


def _require_sane_year(name: str, year: int) -> None:
    if not 1970 <= year <= 9000:
        raise ParameterError([(name, "must be between the years 1970 and 9000")])


def _signals(text: str) -> tuple[FailureSignal, ...]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in set(FailureSignal)]
    if unknown:
        raise ParameterError([("failure_signals", f"must be one or more of {', '.join(FailureSignal)}")])
    return tuple(FailureSignal(name) for name in names)
