"""A file of which clients ask for parts: a reader of Parquet reads its end first, and then what it needs."""

import hashlib
import os
import re
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from litestar import Request, Response
from litestar.response import Stream

from tracker.errors import BeingMade

_PIECE_BYTES = 1 << 18
_MOST_BYTES = 1 << 30
_SECONDS = 300.0
# One part: who asks for several gets the whole, as RFC 9110, section 14.2 allows.
_PART = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


class File:
    """A file on disk that has no name, and goes when nobody reads it any more."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """Written whole before the first byte is sent: a reader that is slow holds a file and no connection,
        and a database that fails in the middle is answered as such.
        """
        digest, self.size = hashlib.sha256(), 0
        with tempfile.TemporaryFile() as stream:
            for piece in pieces:
                stream.write(piece)
                digest.update(piece)
                self.size += len(piece)
            stream.flush()
            self._descriptor = os.dup(stream.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self.tag = f'"{digest.hexdigest()[:32]}"'

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from one to before another, whoever reads elsewhere in it."""
        while start < end:
            piece = os.pread(self._descriptor, min(_PIECE_BYTES, end - start), start)
            yield piece
            start += len(piece)


class KeptFiles:
    """The files of which parts were asked for last, so that a part does not make the whole again."""

    def __init__(self, most_bytes: int = _MOST_BYTES, seconds: float = _SECONDS) -> None:
        """Up to so many bytes, each for so long after it was asked for, as long as anybody asks at all."""
        self._most_bytes, self._seconds = most_bytes, seconds
        self._lock = threading.Lock()
        # None is being made; the one that was not asked for longest comes first.
        self._files: OrderedDict[Hashable, tuple[float, File | None]] = OrderedDict()

    def answer(
        self, request: Request[Any, Any, Any], key: Hashable, pieces: Callable[[], Iterator[bytes]]
    ) -> Response[Any]:
        """The part of the file that a request asks for, else the whole. The key says all that it depends on;
        None has no parts: the next time the file may be another.

        Raises `BeingMade` while another request has it made.
        """
        if key is None or "Range" not in request.headers:
            return _whole(File(pieces()), accepts="none" if key is None else "bytes")
        file = self._take(key) or self._make(key, pieces)
        # A client that has begun with another file starts again.
        is_same = request.headers.get("If-Range", file.tag) == file.tag
        span = _span(request.headers["Range"], file.size) if is_same else None
        return _whole(file, accepts="bytes") if span is None else _part(file, *span)

    def _take(self, key: Hashable) -> File | None:
        """The file that is kept; else None, and whoever asks is to make it."""
        now = time.monotonic()
        with self._lock:
            for old in [one for one, (at, file) in self._files.items() if file and at < now - self._seconds]:
                del self._files[old]
            is_known = key in self._files
            _, file = self._files.get(key, (now, None))
            if is_known and file is None:
                raise BeingMade("Another request has this file made: ask again for its parts.")
            self._files[key] = now, file
            self._files.move_to_end(key)
        return file

    def _make(self, key: Hashable, pieces: Callable[[], Iterator[bytes]]) -> File:
        try:
            file = File(pieces())
        except BaseException:
            with self._lock:
                del self._files[key]
            raise
        with self._lock:
            self._files[key] = time.monotonic(), file
            kept = 0
            for one, (_, other) in reversed(list(self._files.items())):
                kept += 0 if other is None else other.size
                if other is not None and kept > self._most_bytes:
                    del self._files[one]
        return file


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
