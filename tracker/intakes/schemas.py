"""What an intake may say, and how it is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from metrics.domain.errors import InvalidInput
from metrics.domain.fields import Body, Name, RepositoryUrl, ServiceName, ShortText
from metrics.domain.repositories import PatternError, RepositoryPattern
from metrics.domain.vocabulary import name_key
from tracker.intakes.sources import EventSource
from tracker.intakes.store import Intake, new_secret


def _repository(text: str) -> str:
    try:
        RepositoryPattern.parse(text)
    except PatternError as error:
        raise PydanticCustomError("repository_pattern", "{reason}", {"reason": str(error)}) from None
    return text


MOST_NAMES = 2_000
Secret = Annotated[str, Field(min_length=8, max_length=500, pattern=r"^[!-~]+$")]
Patterns = Annotated[list[Annotated[Name, AfterValidator(_repository)]], Field(min_length=1, max_length=200)]


class Filling(Body):
    """What a record says where the event does not."""

    repository_url: RepositoryUrl | None = None
    service: ServiceName | None = None
    environment: Name | None = None
    team: Name | None = None

    def said(self) -> dict[str, str]:
        return {name: value for name, value in self.model_dump().items() if value is not None}


class NewIntake(Body):
    """Where one system's events are to come in."""

    source: Name = Field(description="github, gitlab, pagerduty …")
    secret: Secret | None = Field(
        None, description="A secret that the sender has made. Default: one is made and told this once."
    )
    repositories: Patterns | None = Field(
        None, description="Which repositories its events may tell of. Default: all."
    )
    defaults: Filling | None = Field(None, description="What a record says where the event does not.")
    production: Annotated[list[Name], Field(max_length=50)] | None = Field(
        None, description="Patterns of environments that are production, whatever their name."
    )
    names: Annotated[dict[Name, Filling], Field(max_length=MOST_NAMES)] | None = Field(
        None, description="By the sender's name of a service what a record says for it."
    )
    options: Annotated[dict[Name, ShortText], Field(max_length=20)] | None = Field(
        None, description="What the source can be told, as its page says."
    )

    def intake(self, organization: str, created_by: str, sources: Mapping[str, EventSource]) -> Intake:
        """The intake to add. Raises `InvalidInput`."""
        if self.source not in sources:
            raise InvalidInput.field("source", f"must be one of {', '.join(sorted(sources))}")
        options = dict(self.options or {})
        require_known(sources[self.source], options)
        return Intake(
            id="",
            organization=organization,
            source=self.source,
            secrets=[self.secret or new_secret()],
            repositories=self.repositories,
            defaults={} if self.defaults is None else self.defaults.said(),
            production=self.production or [],
            names={name: filling.said() for name, filling in (self.names or {}).items()},
            options=options,
            created_at=datetime.now(UTC),
            created_by=created_by,
        )


class IntakeChange(Body):
    """A merge patch of an intake (RFC 7396): what is absent stays, null clears or removes."""

    repositories: Patterns | None = Field(None, description="Null: all.")
    defaults: Filling | None = Field(None, description="A null within clears one of them.")
    production: Annotated[list[Name], Field(max_length=50)] | None = None
    names: Annotated[dict[Name, Filling | None], Field(max_length=MOST_NAMES)] | None = Field(
        None, description="By the sender's name of a service; null removes one, others stay."
    )
    options: dict[Name, ShortText | None] | None = None

    def applied(self, intake: Intake, source: EventSource) -> Intake:
        """The intake as it is from now on. Raises `InvalidInput`."""
        changed = {name: getattr(self, name) for name in self.model_fields_set}
        if "defaults" in changed:
            changed["defaults"] = self._defaults(intake)
        if "production" in changed:
            changed["production"] = self.production or []
        if "names" in changed:
            changed["names"] = with_names(intake.names, self.names)
        if "options" in changed:
            merged = {} if self.options is None else {**intake.options, **self.options}
            changed["options"] = {name: text for name, text in merged.items() if text is not None}
            require_known(source, changed["options"])
        return replace(intake, **changed)

    def _defaults(self, intake: Intake) -> dict[str, str]:
        if self.defaults is None:
            return {}
        given = {name: getattr(self.defaults, name) for name in self.defaults.model_fields_set}
        return {name: text for name, text in {**intake.defaults, **given}.items() if text is not None}


def with_names(
    known: Mapping[str, Mapping[str, str]], changes: Mapping[str, Filling | None] | None
) -> dict[str, Mapping[str, str]]:
    """The names with the changes; None removes one, or all. Raises `InvalidInput` where they are too many."""
    if changes is None:
        return {}
    changed = {name_key(name) for name in changes}
    kept = {name: filling for name, filling in known.items() if name_key(name) not in changed}
    said = {name: filling.said() for name, filling in changes.items() if filling is not None}
    merged = {**kept, **{name: filling for name, filling in said.items() if filling}}
    if len(merged) > MOST_NAMES:
        raise InvalidInput.field("names", f"an intake knows at most {MOST_NAMES} of them")
    return merged


def require_known(source: EventSource, options: Mapping[str, str]) -> None:
    """Raises `InvalidInput` where an option is not one of the source's."""
    known = {option.name: option for option in source.options}
    for name, text in options.items():
        if name not in known:
            named = ", ".join(known) or "none"
            raise InvalidInput.field(f"options/{name}", f"is no option of {source.name}: it has {named}")
        if known[name].choices and text not in known[name].choices:
            raise InvalidInput.field(f"options/{name}", f"must be one of {', '.join(known[name].choices)}")


@dataclass(frozen=True, slots=True)
class IntakeAnswer:
    """An intake as its organization's admins see it; `secret` is told once."""

    id: str
    source: str
    url: str
    repositories: Sequence[str] | None
    defaults: Mapping[str, str]
    production: Sequence[str]
    names: Mapping[str, Mapping[str, str]]
    options: Mapping[str, str]
    secrets_count: int
    created_at: datetime
    created_by: str
    secret: str | None = None
    hint: str | None = None
    unmapped: Sequence[str] | None = None
    """Told of one alone: the sender's names of services, of the last thirty days, that have no repository."""

    @classmethod
    def of(cls, intake: Intake, base: str, **told: Any) -> Self:
        names = (
            "id",
            "source",
            "repositories",
            "defaults",
            "production",
            "names",
            "options",
            "created_at",
            "created_by",
        )
        return cls(
            **{name: getattr(intake, name) for name in names},
            url=f"{base}/api/v1/events/{intake.source}/{intake.id}",
            secrets_count=len(intake.secrets),
            **told,
        )
