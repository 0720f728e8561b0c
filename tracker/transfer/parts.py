"""A file of which clients ask for parts: a reader of Parquet reads its end first, and then what it needs."""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Self

from litestar import Request, Response
from litestar.response import Stream

from tracker.web.cache import Cache

_PIECE_BYTES = 1 << 18
_MOST_KEPT = 8
# One part: who asks for several gets the whole, as RFC 9110, section 14.2 allows.
_PART = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class File:
    """A file on disk that has no name, and goes when nobody reads it any more."""

    stream: IO[bytes]
    size: int
    tag: str

    @classmethod
    def of(cls, pieces: Iterator[bytes]) -> Self:
        """Written whole before the first byte is sent: a reader that is slow holds a file and no connection,
        and a database that fails in the middle is answered as such.
        """
        stream = tempfile.TemporaryFile()  # noqa: SIM115  # It is closed with the last that holds it.
        digest, size = hashlib.sha256(), 0
        for piece in pieces:
            stream.write(piece)
            digest.update(piece)
            size += len(piece)
        stream.flush()
        return cls(stream, size, f'"{digest.hexdigest()[:32]}"')

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from one to before another, whoever reads elsewhere in it."""
        while start < end:
            piece = os.pread(self.stream.fileno(), min(_PIECE_BYTES, end - start), start)
            yield piece
            start += len(piece)


class KeptFiles:
    """The files of which parts were asked for last, so that a part does not make the whole again."""

    def __init__(self) -> None:
        self._files = Cache(_MOST_KEPT)

    def answer(
        self, request: Request[Any, Any, Any], key: Hashable, pieces: Callable[[], Iterator[bytes]]
    ) -> Response[Any]:
        """The part of the file that a request asks for, else the whole. The key says all that it depends on;
        None has no parts: the next time the file may be another.
        """
        if key is None or "Range" not in request.headers:
            return _whole(File.of(pieces()), accepts="none" if key is None else "bytes")
        file = self._files.get(key, lambda: File.of(pieces()))
        # A client that has begun with another file starts again.
        is_same = request.headers.get("If-Range", file.tag) == file.tag
        span = _span(request.headers["Range"], file.size) if is_same else None
        return _whole(file, accepts="bytes") if span is None else _part(file, *span)


def _whole(file: File, *, accepts: str) -> Response[Any]:
    headers = {"Accept-Ranges": accepts, "ETag": file.tag, "Content-Length": str(file.size)}
    return Stream(file.read(0, file.size), headers=headers)


def _part(file: File, start: int, end: int) -> Response[Any]:
    headers = {"Accept-Ranges": "bytes", "ETag": file.tag}
    if start >= end:
        return Response(b"", status_code=416, headers=headers | {"Content-Range": f"bytes */{file.size}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    headers["Content-Length"] = str(end - start)
    return Stream(file.read(start, end), status_code=206, headers=headers)


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """From which byte to before which; empty where the file has none of them, None where all are meant."""
    part = _PART.fullmatch(asked.strip())
    if part is None or part.groups() == ("", ""):
        return None
    first, last = part.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size
