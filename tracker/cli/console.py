"""Words in the terminal: what is recorded is others' text, and nothing that a terminal obeys."""

from typing import Any

from rich.console import Console
from rich.table import Table

_SHOWN_INSTEAD = "\ufffd"


def printable(text: str) -> str:
    """The text without control characters, and without those that turn the order of others around."""
    return "".join(one if one.isprintable() or one == "\n" else _SHOWN_INSTEAD for one in text)


class Terminal(Console):
    """A console that prints texts as they are."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(markup=False, emoji=False, stderr=stderr)

    def print(self, *objects: Any, **options: Any) -> None:
        shown = (printable(one) if isinstance(one, str) else one for one in objects)
        super().print(*shown, **options)


class DataTable(Table):
    """A table whose cells are data."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        shown = (printable(one) if isinstance(one, str) else one for one in cells)
        super().add_row(*shown, **options)
