"""What an organization sets, as clients send it."""

from pydantic import Field

from metrics.domain.fields import Body, Name


class RepositoryChange(Body):
    """A merge patch of a repository, or of one of its services."""

    team: Name | None = Field(
        None, description="The team that it belongs to where a record names none; null: to none."
    )
