"""How much of a table somebody has already, so that only the rest is sent.

Rows are in order of time and few of them change, mostly late ones. So an answer names checkpoints: numbers
of rows, each with a digest of so many; all, all but one, but two, but four and so on. Whoever shows them is
sent at most twice as many rows as there are from the first that is other.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import duckdb
import pyarrow as pa

HEADER, KEPT_HEADER = "Tracker-Checkpoints", "Tracker-Rows-Kept"
"""Where both sides name checkpoints, and where an answer says how many of the rows are left out."""
_BYTES = 8
_CHECKPOINT = re.compile(r"(\d{1,18}):([0-9a-f]{32})")


class Checkpoints:
    """The digests of a table's beginnings."""

    def __init__(self, hashes: bytes, columns: str = "") -> None:
        """`hashes` has eight bytes for each row, `columns` says what the rows are of."""
        self._hashes, self._columns = hashes, columns

    @classmethod
    def of(cls, table: pa.Table) -> Self:
        """Those of a table: the same for the same rows in every process of one version of DuckDB.

        An empty list and a missing one are the same here, so no column may have both.
        """
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            connection.register("rows_of_it", table)
            hashes = connection.execute("select hash(rows_of_it) as one from rows_of_it").fetchnumpy()["one"]
        return cls(hashes.tobytes(), str(table.schema.remove_metadata()))

    def __str__(self) -> str:
        """As the header says them."""
        return ",".join(f"{rows}:{digest}" for rows, digest in self._digests(self._places()).items())

    def kept(self, shown: str) -> int:
        """How many of the first rows somebody has who shows these checkpoints; 0 where they are none."""
        known = {int(rows): digest for rows, digest in _CHECKPOINT.findall(shown)}
        digests = self._digests(rows for rows in known if rows <= self._rows)
        return max((rows for rows, digest in digests.items() if known[rows] == digest), default=0)

    @property
    def _rows(self) -> int:
        return len(self._hashes) // _BYTES

    def _places(self) -> Iterator[int]:
        left_out = 0
        while left_out < self._rows:
            yield self._rows - left_out
            left_out = max(1, 2 * left_out)

    def _digests(self, places: Iterable[int]) -> Mapping[int, str]:
        found, digest, begun = {}, hashlib.sha256(self._columns.encode()), 0
        for rows in sorted(places):
            digest.update(memoryview(self._hashes)[begun * _BYTES : rows * _BYTES])
            found[rows], begun = digest.hexdigest()[:32], rows
        return found
