"""Tables as bytes: CSV, Parquet or an Arrow stream, written piece by piece."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq


class TableFormat(StrEnum):
    """How a table is written. `csv` has a header, instants as ISO 8601
    and nested values as JSON; a text that a spreadsheet would run is made harmless."""

    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    TableFormat.CSV: "text/csv",
    TableFormat.PARQUET: "application/vnd.apache.parquet",
    TableFormat.ARROW: "application/vnd.apache.arrow.stream",
}


def write_table(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], table_format: TableFormat
) -> Iterator[bytes]:
    """The pieces of one file, of which no more than a batch is held at once."""
    if table_format is TableFormat.CSV:
        return _csv(schema, batches)
    return _binary(schema, batches, table_format)


class _Writer(Protocol):
    def write_batch(self, batch: pa.RecordBatch) -> None: ...
    def close(self) -> None: ...


def _binary(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], table_format: TableFormat
) -> Iterator[bytes]:
    sink = _Sink()
    with closing(pa.PythonFile(sink, "w")) as file, closing(_writer(file, schema, table_format)) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield sink.drain()
    yield sink.drain()


def _writer(file: pa.NativeFile, schema: pa.Schema, table_format: TableFormat) -> _Writer:
    opens: Callable[[pa.NativeFile, pa.Schema], _Writer] = pa.ipc.new_stream
    if table_format is TableFormat.PARQUET:
        opens = pq.ParquetWriter
    return opens(file, schema)


class _Sink(io.RawIOBase):
    """Holds what was written until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self._length += len(self._pieces[-1])
        return len(self._pieces[-1])

    def drain(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(schema.names)
    for batch in batches:
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            writer.writerow([_cell(value) for value in row.values()])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _cell(value: object) -> object:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list() | dict():
            return msgspec.json.encode(value).decode()
        case str():
            return with_quote(value)
    return value


_FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula; a single quote before it makes it a text.

OWASP, CSV Injection.
"""


def with_quote(text: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_BEGINNINGS) else text


def without_quote(cell: str) -> str:
    """A cell of such a file as it was before it was made harmless."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_BEGINNINGS) else cell
