"""What records say for a sender's names of services, as a CSV file that people fill in."""

import csv
from collections.abc import Iterable, Mapping
from typing import IO

import msgspec

from metrics.domain.errors import InvalidInput
from metrics.domain.vocabulary import name_key
from metrics.wire.table_files import with_quote, without_quote
from tracker.intakes.schemas import Filling

_NAME = "name"
COLUMNS = (_NAME, *Filling.model_fields)


def read_names(file: IO[str]) -> dict[str, Filling | None]:
    """The rows of a CSV file by the sender's name; None for one that is mapped to nothing.

    Raises `InvalidInput`, which names the line.
    """
    reader = csv.DictReader(file, restval="", strict=True)
    names: dict[str, Filling | None] = {}
    if not {_NAME} < set(reader.fieldnames or ()) <= set(COLUMNS):
        raise InvalidInput(f"the first line must name the columns, of {','.join(COLUMNS)}")
    try:
        for row in reader:
            _add(names, row, reader.line_num)
    except csv.Error as error:
        raise InvalidInput(f"line {reader.line_num + 1} is no CSV: {error}") from None
    return names


def _add(names: dict[str, Filling | None], row: Mapping[str | None, str], line: int) -> None:
    if None in row:
        raise InvalidInput(f"line {line} has more values than the header has columns")
    cells = {column: without_quote(text.strip()) for column, text in row.items()}
    name = cells.pop(_NAME)
    if not name:
        raise InvalidInput(f"line {line} names no service of the sender's")
    if name_key(name) in {name_key(one) for one in names}:
        raise InvalidInput(f"line {line} names {name} again")
    said = {column: text for column, text in cells.items() if text}
    try:
        names[name] = Filling.parse(msgspec.json.encode(said)) if said else None
    except InvalidInput as error:
        raise InvalidInput(f"line {line}: {error.detail}") from None


def write_names(file: IO[str], names: Mapping[str, Mapping[str, str]], unmapped: Iterable[str]) -> None:
    """Write the names, and those that are still to be mapped, as the file that `read_names` takes."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, filling in (*names.items(), *((one, {}) for one in unmapped)):
        writer.writerow(with_quote({_NAME: name, **filling}.get(column, "")) for column in COLUMNS)
