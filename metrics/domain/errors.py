"""What can go wrong with a question or its records."""

from collections.abc import Iterable


class ParameterError(ValueError):
    """Parameters that cannot be understood. `errors` pairs each parameter's name with what would be right."""

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in self.errors))


class RecordsUnavailable(Exception):
    """The record database cannot be read just now."""


class InvalidRecords(ValueError):
    """Rows of a file or a frame that are wrong; the message names the first of them and what is wrong."""
