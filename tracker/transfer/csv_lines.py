"""CSV with a header, as lines of JSON: each row with the fields of a POST, or the columns of an export."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import msgspec

from metrics.domain.deployments import NewDeployment
from metrics.domain.fields import without_byte_order_mark
from metrics.domain.incidents import NewIncident
from metrics.wire.table_files import without_quote
from tracker.transfer.ndjson import LONGEST_LINE_BYTES

_DELIMITERS = ",;\t"
_TELLING = frozenset({"repository_url", "started_at", "finished_at"})
# What an answer adds to a record, and an export has for columns.
_ANSWERED = frozenset({"id", "organization", "repository", "triggered_by", "created_at", "updated_at"})
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


_FIELDS = {**NewDeployment.model_fields, **NewIncident.model_fields}
_BOOLEANS = frozenset(name for name, field in _FIELDS.items() if bool in get_args(field.annotation))
_NUMBERS = frozenset({"duration_seconds", "commits_count", "pull_request_number"})
_NESTED = frozenset({"commits", "labels"})


def is_csv(beginning: bytes) -> bool:
    """Whether an input that begins so is CSV: its first line names columns of a record."""
    first = without_byte_order_mark(beginning).split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    if first.startswith("{"):
        return False
    names = next(csv.reader([first], delimiter=delimiter_of(first)), [])
    return bool(_TELLING & {name.strip() for name in names})


def delimiter_of(header: str) -> str:
    """What stands between the names of a header."""
    return max(_DELIMITERS, key=header.count)


def csv_lines(text: io.TextIOBase) -> Iterator[tuple[int, bytes]]:
    """Each row as a JSON object, with the number of its last line. An empty cell says nothing."""
    header = text.readline()
    delimiter = delimiter_of(header)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    csv.field_size_limit(LONGEST_LINE_BYTES)
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    for row in rows:
        if any(cell.strip() for cell in row):
            yield rows.line_num + 1, _line(names, row)


def _line(names: Sequence[str], row: Sequence[str]) -> bytes:
    # A cell that has no column is no field, and is refused by this name.
    named = [*names, *(f"cell {number}" for number in range(len(names) + 1, len(row) + 1))]
    given = {
        name: cell_value(name, cell.strip())
        for name, cell in zip(named, row, strict=False)
        if cell.strip() and name not in _ANSWERED
    }
    return msgspec.json.encode(given)


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
