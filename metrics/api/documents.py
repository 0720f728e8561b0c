"""Query parameters in the OpenAPI document, out of the models that read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema
from pydantic.fields import FieldInfo

from metrics.wire.query_parameters import QueryParameters


def documents(model: type[QueryParameters], **choices: Callable[[], Sequence[str]]) -> type[Operation]:
    """The OpenAPI operation of a route that reads its query with this model.

    `choices` say what a parameter of the path can be, when the document is made.
    """
    described = model.model_json_schema(by_alias=False)["properties"]
    parameters = [_document(name, field, described[name]) for name, field in model.model_fields.items()]

    @dataclass
    class DocumentedOperation(Operation):
        def __post_init__(self) -> None:
            for parameter in self.parameters or []:
                if isinstance(parameter, Parameter) and parameter.name in choices:
                    parameter.schema = Schema(type=OpenAPIType.STRING, enum=list(choices[parameter.name]()))
            self.parameters = [*(self.parameters or []), *parameters]

    return DocumentedOperation


def _document(name: str, field: FieldInfo, described: dict[str, Any]) -> Parameter:
    choices = next(option for option in described.get("anyOf", [described]) if option.get("type") != "null")
    items = choices.get("items", {})
    return Parameter(
        name=field.alias or name,
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
