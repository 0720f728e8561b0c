"""CSV with a header, as rows of JSON values: each with the fields of a POST, or the columns of an export."""

import csv
import io
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from metrics.domain.deployments import NewDeployment
from metrics.domain.incidents import NewIncident
from metrics.wire.table_files import without_quote

LONGEST_CELL_CHARACTERS = 10_000_000
_DELIMITERS = ",;\t"
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_FIELDS = {**NewDeployment.model_fields, **NewIncident.model_fields}
# `deleted` is an export's own.
_BOOLEANS = frozenset(name for name, field in _FIELDS.items() if bool in get_args(field.annotation)) | {
    "deleted"
}
_NUMBERS = frozenset({"duration_seconds", "commits_count", "pull_request_number"})
_NESTED = frozenset({"commits", "labels", "aliases"})


def csv_rows(text: io.TextIOBase) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row with the number of its last line. An empty cell says nothing.

    A cell that has no column is named `cell N`. Raises `csv.Error`.
    """
    header = text.readline()
    delimiter = delimiter_of(header)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    csv.field_size_limit(LONGEST_CELL_CHARACTERS)
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    for row in rows:
        if any(cell.strip() for cell in row):
            named = [*names, *(f"cell {number}" for number in range(len(names) + 1, len(row) + 1))]
            cells = zip(named, map(str.strip, row), strict=False)
            yield rows.line_num + 1, {name: cell_value(name, cell) for name, cell in cells if cell}


def delimiter_of(header: str) -> str:
    """What stands between the names of a header."""
    return max(_DELIMITERS, key=header.count)


def cell_value(name: str, cell: str) -> Any:
    """A cell as what its field holds; one that is not is left, to be refused with its name."""
    cell = without_quote(cell)
    if name in _BOOLEANS:
        return _FLAGS.get(cell.lower(), cell)
    if name in _NUMBERS:
        try:
            return int(cell) if cell.lstrip("-").isdecimal() else float(cell)
        except ValueError:
            return cell
    if name in _NESTED:
        try:
            return msgspec.json.decode(cell)
        except msgspec.DecodeError:
            return cell
    return cell
