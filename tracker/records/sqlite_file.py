"""The file of a SQLite record database: used as long as it is the one that was opened, and no other."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from metrics.engine.opened_file import FileGone, OpenedFile


class SqliteFile:
    """Watches over the file of one engine: before it is opened, before each use, and before each commit."""

    def __init__(self, file: Path) -> None:
        self._file = OpenedFile(file)

    def open(self, timeout: float) -> sqlite3.Connection:
        """A connection to the file; none is made. Raises `OperationalError`."""
        self.require()
        uri = f"{self._file.path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=False)

    def watch(self, engine: Engine) -> None:
        """Refuse every use of the engine while the file is not the one that was opened first."""
        event.listen(engine, "checkout", lambda *_: self.require())
        event.listen(engine, "commit", lambda _: self.require())

    def require(self) -> None:
        """Raises `OperationalError` where the path leads to no file, or to another one."""
        try:
            self._file.require()
        except FileGone as gone:
            cause: Any = sqlite3.OperationalError(str(gone))
            raise OperationalError("", None, cause) from None
