"""Parameters by name, from a query string or a command line: which a route takes, and what each must be.

One model says what a route takes. A parameter it does not know is refused, and so is one that is
given twice where one value is asked for; every error names its parameter.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from metrics.domain.errors import ParameterError, wording
from metrics.domain.repositories import RepositoryPattern

Model = TypeVar("Model", bound="QueryParameters")
# In a query string, a plus that was not escaped arrives as a space: that of an instant's zone is put back.
_PLUS_LOST = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:?\d\d)", re.ASCII)


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
            if lost := _PLUS_LOST.fullmatch(text):
                text = f"{lost[1]}+{lost[2]}"
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
                (str(detail["loc"][0]) if detail["loc"] else "query", wording(detail, "parameter"))
                for detail in error.errors(include_url=False)
            ) from None


def _is_repeatable(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def require_label(text: str) -> str:
    if not text.partition(":")[0] or ":" not in text:
        raise ValueError("must be key:value")
    return text


def require_repository(text: str) -> str:
    RepositoryPattern.parse(text)
    return text


def require_text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


RepositoryText = Annotated[str, AfterValidator(require_repository)]
"""A pattern of repositories: name, owner/name or host/owner/name, each with a * at the end or none."""


Text = Annotated[str, AfterValidator(require_text)]
