"""Query parameters as pydantic models: read from a request, and documented in the OpenAPI document.

One model says what a route takes. A parameter it does not know is refused, and so is one that is
given twice where one value is asked for; every error names its parameter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_origin

from litestar.openapi.spec import Operation, Parameter, Schema
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

Model = TypeVar("Model", bound="QueryParameters")


class ParameterError(ValueError):
    """Parameters that cannot be understood. `errors` pairs each parameter's name with what would be right."""

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in self.errors))


class QueryParameters(BaseModel):
    """The base of every route's parameters. A field that is a tuple may be given several times."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @classmethod
    def read(cls: type[Model], pairs: Iterable[tuple[str, str]]) -> Model:
        """The parameters of a query string, as decoded pairs. Raises `ParameterError`."""
        repeatable = {_alias(name, field): _is_repeatable(field) for name, field in cls.model_fields.items()}
        given: dict[str, str | list[str]] = {}
        for name, text in pairs:
            if repeatable.get(name):
                values = given.setdefault(name, [])
                assert isinstance(values, list)
                values.append(text)
            elif name in given:
                raise ParameterError([(name, "may be given once only")])
            else:
                given[name] = text
        return cls.of(given)

    @classmethod
    def of(cls: type[Model], given: Mapping[str, Any]) -> Model:
        """The parameters from values by name. Raises `ParameterError`."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ParameterError(
                (str(detail["loc"][0]) if detail["loc"] else "query", _wording(detail["type"], detail["msg"]))
                for detail in error.errors(include_url=False)
            ) from None


def _wording(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a parameter that is known here"
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _alias(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _is_repeatable(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def documents(model: type[QueryParameters]) -> type[Operation]:
    """The OpenAPI operation of a route that reads its query with this model."""
    parameters = [_document(name, field, model) for name, field in model.model_fields.items()]

    @dataclass
    class DocumentedOperation(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or []), *parameters]

    return DocumentedOperation


def _document(name: str, field: FieldInfo, model: type[BaseModel]) -> Parameter:
    described: dict[str, Any] = model.model_json_schema(by_alias=False)["properties"][name]
    choices = next(option for option in described.get("anyOf", [described]) if option.get("type") != "null")
    items = choices.get("items", {})
    return Parameter(
        name=_alias(name, field),
        param_in="query",
        required=field.is_required(),
        description=field.description,
        schema=Schema(
            type=choices.get("type", "string"),
            items=Schema(type=items.get("type", "string")) if items else None,
            minimum=choices.get("minimum"),
            maximum=choices.get("maximum"),
        ),
    )
