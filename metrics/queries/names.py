"""What can be asked for: the names that records have given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from metrics.queries.execution import QueryExecution
from metrics.queries.question import Dimension
from metrics.sql import read_sql


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Names by dimension, in order; without `branch`, of which there is no end."""

    names: Mapping[Dimension, Sequence[str]]

    def of(self, dimension: Dimension) -> Sequence[str]:
        return self.names.get(dimension, ())


def known_names(cursor: duckdb.DuckDBPyConnection, execution: QueryExecution) -> KnownNames:
    """The names of all records that the question may see, whatever it asks for."""
    found: dict[Dimension, list[str]] = {}
    bound = {"organization": execution.question.organization, "visible_keys": execution.visible_keys}
    for dimension, key, name in cursor.execute(read_sql("queries", "known_names"), bound).fetchall():
        if key:
            found.setdefault(Dimension(dimension), []).append(name)
    shown = execution.repository_names
    visible = execution.visible_keys
    found[Dimension.REPOSITORY] = sorted(
        name for key, name in shown.items() if visible is None or key in visible
    )
    return KnownNames(found)
