"""What an organization sets, as clients send it and as it is answered."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

from pydantic import Field

from metrics.domain.fields import Body, Name
from metrics.domain.settings import OrganizationSettings
from metrics.domain.vocabulary import FailureSignal


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
