"""JSON as clients print it: one array, arrays back to back, arrays within arrays, or an object a line."""

import codecs
import gzip
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from tracker.intakes.sources import UnreadableEvent
from tracker.integrations.events.reading import Fields
from tracker.transfer.imports.items import Item, SourceError, Unreadable

_PIECE_BYTES = 1 << 20
_LARGEST_OBJECT = 64 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# What may stand between objects, wherever arrays begin and end.
_BETWEEN = re.compile(r"[\s\[\],]*")
_NEXT_LINE = re.compile(r"\n(?=[\[{])")
_DECODER = json.JSONDecoder()


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """A file, or standard input with `-`, plain or gzip. Raises `SourceError`."""
    try:
        stream: IO[bytes] = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115  closed below
    except OSError as failure:
        raise SourceError(f"{path} cannot be read: {failure.strerror}") from None
    with stream:
        if path != "-" and stream.read(2) == _GZIP_MAGIC:
            stream.seek(0)
            yield cast(IO[bytes], gzip.GzipFile(fileobj=stream))
            return
        if path != "-":
            stream.seek(0)
        yield stream


def texts(stream: IO[bytes]) -> Iterator[str]:
    """The text in pieces: UTF-8, or UTF-16 with its mark, as PowerShell writes. Raises `SourceError`."""
    piece = stream.read(_PIECE_BYTES)
    encoding = "utf-16" if piece.startswith(_UTF_16) else "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while piece:
            yield decoder.decode(piece)
            piece = stream.read(_PIECE_BYTES)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise SourceError(f"the text is no UTF-8: {error.reason}") from None
    except (OSError, EOFError) as error:
        raise SourceError(f"the file cannot be read on: {error}") from None


def json_objects(pieces: Iterable[str]) -> Iterator[tuple[str, dict[str, Any] | Unreadable]]:
    """Every object that is in no other one, with its place. What is no JSON is told, and the rest read."""
    source, buffer, at, number, line, wanted = iter(pieces), "", 0, 0, 1, 0
    is_over = False
    while True:
        between = _BETWEEN.match(buffer, at)
        assert between is not None
        line += between[0].count("\n")
        at = between.end()
        if not is_over and len(buffer) - at <= wanted:
            piece = next(source, None)
            is_over = piece is None
            buffer, at = buffer[at:] + (piece or ""), 0
            continue
        if at == len(buffer):
            return
        number += 1
        place = f"element {number} (line {line})"
        try:
            value, end = _DECODER.raw_decode(buffer, at)
        except (json.JSONDecodeError, RecursionError) as error:
            rest = _NEXT_LINE.search(buffer, at)
            if not is_over and rest is None and len(buffer) - at < _LARGEST_OBJECT:
                # It may go on in the next piece; each time twice as much is read, for it is read anew.
                number, wanted = number - 1, 2 * (len(buffer) - at)
                continue
            yield place, Unreadable(place, f"is not valid JSON: {getattr(error, 'msg', error)}")
            value, end = None, rest.start() if rest else len(buffer)
        wanted = 0
        line += buffer.count("\n", at, end)
        at = end
        if isinstance(value, dict):
            yield place, value
        elif value is not None:
            yield place, Unreadable(place, "must be a JSON object")


def read_objects(path: str, read: Callable[[str, Fields], Iterable[Item]]) -> Iterator[Item]:
    """What `read` finds in each object of a file; one that is not as promised is told."""
    with opened(path) as stream:
        for place, value in json_objects(texts(stream)):
            if isinstance(value, Unreadable):
                yield value
                continue
            try:
                yield from read(place, Fields(value))
            except UnreadableEvent as error:
                yield Unreadable(place, str(error))
