"""CSV with a header, as lines of JSON that are recorded like any others."""

import csv
import io
from collections.abc import Iterator

import msgspec

from metrics.domain.fields import without_byte_order_mark
from metrics.wire.csv_rows import csv_rows, delimiter_of

_TELLING = frozenset({"repository_url", "started_at", "finished_at"})
# What an answer adds to a record, and an export has for columns.
_ANSWERED = frozenset({"id", "organization", "repository", "triggered_by", "created_at", "updated_at"})


def is_csv(beginning: bytes) -> bool:
    """Whether an input that begins so is CSV: its first line names columns of a record."""
    first = without_byte_order_mark(beginning).split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    if first.startswith("{"):
        return False
    names = next(csv.reader([first], delimiter=delimiter_of(first)), [])
    return bool(_TELLING & {name.strip() for name in names})


def csv_lines(text: io.TextIOBase) -> Iterator[tuple[int, bytes]]:
    """Each row as a JSON object, with the number of its last line. An empty cell says nothing."""
    for number, row in csv_rows(text):
        yield number, msgspec.json.encode({name: one for name, one in row.items() if name not in _ANSWERED})
