"""What an organization sets of a repository, as clients send it."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from metrics.domain.fields import Body, Name
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError


def repository_named(text: str) -> RepositoryIdentity:
    """The repository that a URL or `host/owner/name` names. Raises `RepositoryUrlError`."""
    is_url = "://" in text or "@" in text
    return RepositoryIdentity.parse(text if is_url else f"https://{text}")


def _repository(text: str) -> str:
    try:
        repository_named(text)
    except RepositoryUrlError as error:
        raise PydanticCustomError("repository", "{reason}", {"reason": str(error)}) from None
    return text


RepositoryName = Annotated[Name, AfterValidator(_repository)]


class RepositoryChange(Body):
    """A merge patch of a repository, or of one of its services."""

    team: Name | None = Field(
        None, description="The team that it belongs to where a record names none; null: to none."
    )
    aliases: Annotated[list[RepositoryName], Field(max_length=50)] | None = Field(
        None,
        description="Other identities of the repository, as URL or host/owner/name, all of them; null: none.",
    )

    def alias_keys(self) -> list[str]:
        """The keys of the aliases, each once."""
        return list(dict.fromkeys(repository_named(text).key for text in self.aliases or ()))
