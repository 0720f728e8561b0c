"""A file that stays the one that was opened first.

An open SQLite file that is removed or replaced goes on as if nothing had happened, and whoever opens what now
has its name takes up the log of the other one: commits are lost either way.
"""

import os
from pathlib import Path


class FileGone(Exception):
    """The path leads to no file, or to another one; the message says which."""


class OpenedFile:
    """Remembers which file a path led to when it was first looked at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None

    def require(self) -> None:
        """Raises `FileGone` where the path leads to no file, or to another one than before."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise FileGone(f"{self.path} is not there: {error.strerror}") from None
        identity = (found.st_dev, found.st_ino)
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity:
            raise FileGone(
                f"{self.path} is another file than the one that was opened: put it back, or restart"
            )
