"""What an organization sets: the settings with their defaults and their bounds, stated here alone."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from metrics.domain.benchmarks import report_years
from metrics.domain.fields import Body, Name
from metrics.domain.fix_patterns import parse_fix_pattern
from metrics.domain.instants import InstantError, read_zone
from metrics.domain.vocabulary import FailureSignal, name_key


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """What an organization has set; a new one has the defaults."""

    timezone: str = "UTC"
    """IANA name; in it dates are local midnights where a question names no other."""
    production_environments: tuple[str, ...] = ("production", "prod", "live")
    """Case-folded: what metrics look at where a question names no environment."""
    failure_signals: tuple[FailureSignal, ...] = (
        FailureSignal.INCIDENT,
        FailureSignal.ROLLBACK,
        FailureSignal.HOTFIX,
        FailureSignal.FIX,
    )
    attribution_gap_days: int = 30
    """How far back a failure without a link may look for the deployment that caused it, in days."""
    # The last report whose levels are monotone.
    benchmark: int = 2023
    """The year of the DORA report that levels are taken from."""
    fix_patterns: tuple[str, ...] = ()
    """What pipelines take for a sign of a fix or a hotfix: `metrics.domain.fix_patterns`."""


DEFAULT_SETTINGS = OrganizationSettings()
SETTING_NAMES = tuple(setting.name for setting in fields(OrganizationSettings))
# Levels depend on the benchmark alone, and patterns hold for what is recorded from then on.
FIGURES_DEPEND_ON = tuple(name for name in SETTING_NAMES if name not in ("benchmark", "fix_patterns"))
_SETTINGS: TypeAdapter[OrganizationSettings] = TypeAdapter(OrganizationSettings)


def settings_from(columns: Mapping[Any, Any]) -> OrganizationSettings:
    """The settings that columns hold, among others; the default where there is no column."""
    return _SETTINGS.validate_python({name: columns[name] for name in SETTING_NAMES if name in columns})


def settings_columns(settings: OrganizationSettings) -> dict[str, Any]:
    """The columns that hold settings, as lists, texts and numbers; the inverse of `settings_from`."""
    columns: dict[str, Any] = _SETTINGS.dump_python(settings, mode="json")
    return columns


# Those that links and culprits depend on; the others only decide what is asked.
LINKS_DEPEND_ON = ("production_environments", "attribution_gap_days")


def bound_for_links(settings: OrganizationSettings) -> dict[str, Any]:
    """What links depend on of the settings, as SQL binds it."""
    columns = settings_columns(settings)
    return {name: columns[name] for name in LINKS_DEPEND_ON}


def _zone(name: str) -> str:
    try:
        read_zone(name)
    except InstantError as error:
        raise PydanticCustomError("zone", "{reason}", {"reason": str(error)}) from None
    return name


def _fix_pattern(text: str) -> str:
    try:
        parse_fix_pattern(text)
    except ValueError as error:
        raise PydanticCustomError("fix_pattern", "{reason}", {"reason": str(error)}) from None
    return text


class SettingsChange(Body):
    """A merge patch of an organization's settings: what is absent stays, null brings the default back."""

    timezone: Annotated[str, AfterValidator(_zone)] | None = Field(
        None, description="IANA name: the zone of a metric's dates where the question names none."
    )
    production_environments: Annotated[list[Name], Field(min_length=1, max_length=50)] | None = Field(
        None, description="What metrics look at where the question names no environment."
    )
    failure_signals: (
        Annotated[list[Annotated[FailureSignal, Field(strict=False)]], Field(min_length=1)] | None
    ) = Field(None, description="What says that a deployment failed.")
    attribution_gap_days: Annotated[int, Field(ge=1, le=3_650)] | None = Field(
        None, description="How far back a failure without a link may look for its deployment, in days."
    )
    benchmark: Annotated[int, Field(ge=report_years()[0], le=report_years()[-1])] | None = Field(
        None, description="Year of the DORA report that levels are taken from."
    )
    fix_patterns: (
        Annotated[list[Annotated[Name, AfterValidator(_fix_pattern)]], Field(max_length=50)] | None
    ) = Field(
        None,
        description="What `tracker record` takes for a fix or a hotfix, as in hotfix:branch:hotfix/*, "
        "hotfix:label:urgent or fix:commit:fix.",
    )

    def changes(self) -> dict[str, Any]:
        """The settings that the patch names, in the form in which they are kept."""
        named = self.model_fields_set & SettingsChange.model_fields.keys()
        given: dict[str, Any] = {name: getattr(self, name) for name in named}
        cleared = {name: getattr(DEFAULT_SETTINGS, name) for name, value in given.items() if value is None}
        if self.production_environments is not None:
            keys = (name_key(name) for name in self.production_environments)
            given["production_environments"] = tuple(dict.fromkeys(keys))
        if self.failure_signals is not None:
            signals = set(self.failure_signals)
            given["failure_signals"] = tuple(signal for signal in FailureSignal if signal in signals)
        if self.fix_patterns is not None:
            given["fix_patterns"] = tuple(dict.fromkeys(self.fix_patterns))
        return given | cleared
