"""Parameters as Python has them, in the names and the text that the interface has."""

from collections.abc import Mapping
from typing import Any


def named_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by the names that the interface has for them, dates and instants as text."""
    named = {key.removesuffix("_"): value for key, value in given.items()}
    return {name: _value(name, value) for name, value in named.items()}


def _value(name: str, value: Any) -> Any:
    """Dates, instants and lists as the text that parameters are written in."""
    if name == "failure_signals" and isinstance(value, list | tuple):
        return ",".join(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
