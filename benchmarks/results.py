"""What a run has measured: as a table for whoever watches, as JSON for whoever compares."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

_WRITTEN: list["Results"] = []


@dataclass(slots=True)
class Results:
    """Rows of text under headings."""

    title: str
    headings: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def add_row(self, *cells: str) -> None:
        self.rows.append(cells)

    def show(self) -> None:
        """Print the table; with `BENCH_JSON` write all tables that were shown into that file too."""
        table = Table(*self.headings, title=self.title, title_justify="left")
        for row in self.rows:
            table.add_row(*row)
        Console().print(table)
        _WRITTEN.append(self)
        if file := os.environ.get("BENCH_JSON"):
            written = {
                one.title: [dict(zip(one.headings, row, strict=True)) for row in one.rows] for one in _WRITTEN
            }
            Path(file).write_text(json.dumps(written, indent=1) + "\n")
