"""`tracker import` and `tracker export`: history from a file and into one."""

import csv
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, cast

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection

from metrics.wire.table_files import TableFormat, write_table
from tracker.cli.common import (
    CommandFailed,
    migrated_database,
    open_database,
    organization_option,
    require_organization,
)
from tracker.deployments.queries import DeploymentFilter, select_deployments
from tracker.incidents.queries import IncidentFilter, select_incidents
from tracker.records.ledger import Author
from tracker.records.migrations import migrate
from tracker.records.recorder import Recorder
from tracker.settings import Settings
from tracker.transfer.csv_lines import csv_lines, is_csv
from tracker.transfer.export import export_lines
from tracker.transfer.ndjson import CHUNK_LINES, InputError, LineReader, Tally, read_chunk, read_either
from tracker.transfer.replay import Replay, is_exported, read_exported
from tracker.transfer.tables import DEPLOYMENT_TABLE, INCIDENT_TABLE

_PIECE_BYTES = 1 << 18
_MOST_ERRORS_SHOWN = 20
_GZIP_MAGIC = b"\x1f\x8b"


def import_records(file: Path, organization: str) -> None:
    """Record the lines of a file, or of standard input. Raises `CommandFailed` where some are wrong."""
    engine = open_database(Settings())
    migrate(engine)
    recorder, author, tally = Recorder(engine), Author(organization, "import"), Tally()
    recorder.record_now(lambda ledger: ledger.ensure_organization(organization))
    replay = Replay(organization, tally)

    def record(lines: list[tuple[int, bytes]]) -> None:
        if not lines:
            return
        if replay.has_begun or is_exported(lines[0][1]):
            read = read_exported(lines)
            recorder.record_now(lambda ledger: replay.record(ledger, read))
            return
        chunk = read_chunk(lines, "import", read_either, check=lambda _: None)
        chunk.count(recorder.record_now(lambda ledger: chunk.record(ledger, author)), tally)

    with click.open_file(str(file), "rb") as stream, _progress(file) as progress:
        _read_all(stream, record, tally, progress)
    for error in tally.errors[:_MOST_ERRORS_SHOWN]:
        click.echo(f"line {error.line}: {error.detail}", err=True)
    if tally.failed > _MOST_ERRORS_SHOWN:
        click.echo(f"… and {tally.failed - _MOST_ERRORS_SHOWN} more", err=True)
    click.echo(f"{tally.recorded} recorded, {tally.repeated} repeated, {tally.failed} failed")
    if tally.failed:
        raise CommandFailed(f"not everything was recorded: {tally.failed} of the lines are wrong")


_NDJSON = "ndjson"
_FORMATS = (_NDJSON, *(one.value for one in TableFormat))


@click.command("export")
@organization_option
@click.option("--all-versions", is_flag=True, help="The whole history, in place of what is current.")
@click.option(
    "--format",
    "named_format",
    type=click.Choice(_FORMATS),
    help="Default: by the ending of the FILE, else ndjson.",
)
@click.option("--incidents", is_flag=True, help="In a table: incidents, in place of deployments.")
@click.option(
    "--output",
    "-o",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; default: standard output.",
)
def export_records(
    organization: str, all_versions: bool, named_format: str | None, incidents: bool, file: Path | None
) -> None:
    """Write what an organization has recorded: to import again, or as a table for analysis.

    NDJSON has deployments, incidents, teams and settings, one a line; [b]tracker import[/b] takes it in
    again, with the same ids and the same answers. A FILE whose name ends in .gz is compressed. CSV,
    Parquet and Arrow are one table: the deployments, or the incidents.
    """
    table_format = _table_format(named_format, file)
    if table_format is None and incidents:
        raise click.UsageError("--incidents is for a table: NDJSON holds the incidents anyway")
    if table_format is not None and all_versions:
        raise click.UsageError("--all-versions is for NDJSON: a table holds what is current")
    engine = migrated_database(Settings())
    with engine.connect() as connection:
        require_organization(connection, organization)
    with engine.connect() as connection, _output(file) as stream:
        if table_format is None:
            pieces = export_lines(connection, organization, all_versions=all_versions)
        else:
            pieces = _table(connection, organization, table_format, incidents=incidents)
        stream.writelines(pieces)
    if file is not None:
        click.echo(f"exported to {file}", err=True)


def _table_format(named: str | None, file: Path | None) -> TableFormat | None:
    """The format that is named, else by the ending of the file; None is NDJSON."""
    endings = [] if file is None else [suffix.removeprefix(".") for suffix in file.suffixes]
    found = named or next((name for name in _FORMATS if name in endings), _NDJSON)
    return None if found == _NDJSON else TableFormat(found)


def _table(
    connection: Connection, organization: str, table_format: TableFormat, *, incidents: bool
) -> Iterator[bytes]:
    if incidents:
        table, query = INCIDENT_TABLE, select_incidents(IncidentFilter(organization=organization))
    else:
        table, query = DEPLOYMENT_TABLE, select_deployments(DeploymentFilter(organization=organization))
    return write_table(table.schema, table.batches(connection, query), table_format)


@contextmanager
def _output(file: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that is there only when it is whole."""
    if file is None:
        yield click.get_binary_stream("stdout")  # type: ignore[operator]  # untyped in rich-click
        return
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with gzip.open(draft, "wb") if file.suffix == ".gz" else draft.open("wb") as stream:
            yield cast(IO[bytes], stream)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _read_all(
    stream: IO[bytes],
    record: Callable[[list[tuple[int, bytes]]], None],
    tally: Tally,
    advance: Callable[[int], None],
) -> None:
    piece = stream.read(_PIECE_BYTES)
    is_gzip = piece.startswith(_GZIP_MAGIC)
    if is_csv(_inflated(piece) if is_gzip else piece):
        _read_csv(_Rest(piece, stream, advance), is_gzip, record, tally)
        return
    reader = LineReader(gzip=is_gzip)
    try:
        while piece:
            for lines in reader.feed(piece):
                record(lines)
            advance(len(piece))
            piece = stream.read(_PIECE_BYTES)
        record(reader.close())
    except InputError as error:
        record(reader.complete_lines())
        tally.fail(reader.line_number + 1, str(error))


def _inflated(piece: bytes) -> bytes:
    """What a piece of gzip data begins with; nothing where it is damaged."""
    try:
        return zlib.decompressobj(wbits=31).decompress(piece, _PIECE_BYTES)
    except zlib.error:
        return b""


def _read_csv(
    stream: "_Rest", is_gzip: bool, record: Callable[[list[tuple[int, bytes]]], None], tally: Tally
) -> None:
    """Record the rows of a CSV file. Where it cannot be read on, that is one more failed line."""
    inflated = gzip.GzipFile(fileobj=io.BufferedReader(stream)) if is_gzip else io.BufferedReader(stream)
    chunk: list[tuple[int, bytes]] = []
    last = 1
    try:
        with io.TextIOWrapper(cast(IO[bytes], inflated), encoding="utf-8-sig", newline="") as text:
            for row in csv_lines(text):
                last = row[0]
                chunk.append(row)
                if len(chunk) == CHUNK_LINES:
                    record(chunk)
                    chunk = []
    except (UnicodeDecodeError, OSError, EOFError, zlib.error, csv.Error) as error:
        record(chunk)
        tally.fail(last + 1, f"the CSV cannot be read on: {error}")
    else:
        record(chunk)


class _Rest(io.RawIOBase):
    """A stream of which the first piece has been read already."""

    def __init__(self, first: bytes, stream: IO[bytes], advance: Callable[[int], None]) -> None:
        self._first, self._stream, self._advance = io.BytesIO(first), stream, advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._first.read(len(buffer)) or self._stream.read(len(buffer))
        self._advance(len(piece))
        buffer[: len(piece)] = piece
        return len(piece)


def _progress(file: Path) -> AbstractContextManager[Callable[[int], None]]:
    """A bar on standard error where a person watches; nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext(lambda _: None)
    return _Bar(console, None if str(file) == "-" else file.stat().st_size)


class _Bar(AbstractContextManager[Callable[[int], None]]):
    def __init__(self, console: Console, total: int | None) -> None:
        self._progress = Progress(
            TextColumn("recording"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console
        )
        self._task = self._progress.add_task("recording", total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._progress.start()
        return lambda count: self._progress.advance(self._task, count)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
