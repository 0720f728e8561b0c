"""What an organization sets, as clients send it and as it is answered."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from metrics.definitions.dora import report_years
from metrics.domain.vocabulary import FailureSignal, OrganizationSettings, environment_key
from tracker.web.schemas import Body, Name

_DEFAULTS = asdict(OrganizationSettings())


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("zone", "must be an IANA time zone, as in Europe/Berlin") from None
    return name


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

    def changes(self) -> dict[str, Any]:
        """The settings that the patch names, in the form in which they are kept."""
        named = self.model_fields_set & SettingsChange.model_fields.keys()
        given: dict[str, Any] = {name: getattr(self, name) for name in named}
        cleared = {name: _DEFAULTS[name] for name, value in given.items() if value is None}
        if self.production_environments is not None:
            keys = (environment_key(name) for name in self.production_environments)
            given["production_environments"] = tuple(dict.fromkeys(keys))
        if self.failure_signals is not None:
            signals = set(self.failure_signals)
            given["failure_signals"] = tuple(signal for signal in FailureSignal if signal in signals)
        return given | cleared


@dataclass(frozen=True, slots=True)
class SettingsAnswer:
    """An organization's settings, defaults included."""

    timezone: str
    production_environments: Sequence[str]
    failure_signals: Sequence[FailureSignal]
    attribution_gap_days: int
    benchmark: int

    @classmethod
    def of(cls, settings: OrganizationSettings) -> Self:
        return cls(**asdict(settings))


class RepositoryChange(Body):
    """A merge patch of a repository, or of one of its services."""

    team: Name | None = Field(
        None, description="The team that it belongs to where a record names none; null: to none."
    )
