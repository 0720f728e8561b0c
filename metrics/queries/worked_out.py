"""What a question is about, worked out once: tables that take the place of the macros which give it.

A statement stands alone, as an explanation shows it: it calls `asked_deployments($question::question)`.
DuckDB plans such a macro for longer than it runs, and five metrics call the same; so its rows are kept as
long as the question is answered, and the statement reads those.
"""

import re
from collections.abc import Mapping
from itertools import count
from typing import Any

import duckdb

from metrics.definitions.base import Profile
from metrics.definitions.profiles import macros

# Those whose rows are kept.
_KEPT = (
    "asked_cells",
    "days_of",
    "asked_deployments",
    "asked_commits",
    "asked_incidents",
    "deployments_left_out",
    "causes_judged",
)
# Those that are planned in no time once they read what is kept.
_BUILT_ON_THEM = (
    "grouped_incidents",
    "recoveries",
    "recoveries_explained",
    "causes_left_out",
    "deployments_without_success",
    "group_names",
)
_NAMES = "|".join((*_KEPT, *_BUILT_ON_THEM))
_CALL = re.compile(rf"\b({_NAMES})\(((?:\$\w+::[\w\[\]]+(?:, )?)+)\)")
_CALL_IN_MACRO = re.compile(rf"\b({_NAMES})\(question\)(?! as table)")
_PARAMETER = re.compile(r"\$(\w+)")
# A question differs by these from the same one with groups; its rows by their group's name.
_NO_GROUPS: Mapping[str, object] = {"group_by": None, "production_groups": []}
# Several questions are answered on one cursor, one after the other or within each other.
_numbers = count()


class WorkedOut:
    """The tables of one question, on one cursor: they go when its transaction ends."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, profile: Profile) -> None:
        self._cursor, self._profile = cursor, profile
        self._known: list[tuple[str, Mapping[str, Any], str]] = []

    def statement(self, sql: str, bound: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The statement on the tables, with what is still bound to it."""
        sql = _CALL.sub(lambda call: self._instead(call[1], call[2], bound), sql)
        return sql, _bound_in(sql, bound)

    def _instead(self, macro: str, arguments: str, bound: Mapping[str, Any]) -> str:
        """What stands in a statement for the call of a macro."""
        given = _bound_in(arguments, bound)
        callee = self._table_or_macro(macro, arguments, given)
        return callee if macro in _KEPT else f"{callee}({arguments})"

    def _table_or_macro(self, macro: str, arguments: str, given: Mapping[str, Any]) -> str:
        """The name of what gives the macro's rows."""
        for known, values, name in self._known:
            if known == macro and values == given:
                return name
        name = self._of_no_group(macro, given) or self._made(macro, arguments, given)
        self._known.append((macro, given, name))
        return name

    def _made(self, macro: str, arguments: str, given: Mapping[str, Any]) -> str:
        name = self._macro_on_tables(macro, arguments, given)
        if macro not in _KEPT:
            return name
        rows, name = f"{name}({arguments})", f"{macro}_rows_{next(_numbers)}"
        self._cursor.execute(f"create temp table {name} as select * from {rows}", given)
        return name

    def _of_no_group(self, macro: str, given: Mapping[str, Any]) -> str | None:
        """The rows of a question without groups, where the same with groups has been asked."""
        if macro not in _KEPT or "question" not in given:
            return None
        for known, values, grouped in self._known:
            if known == macro and values["question"] | _NO_GROUPS == given["question"]:
                name = f"{macro}_rows_{next(_numbers)}"
                self._cursor.execute(
                    f"create temp view {name} as "
                    f"select * replace (null::varchar as group_name) from {grouped}"
                )
                return name
        return None

    def _macro_on_tables(self, macro: str, arguments: str, given: Mapping[str, Any]) -> str:
        """The macro, or where it is made of others that stand here, one of the same on their tables."""

        def instead(call: re.Match[str]) -> str:
            callee = self._table_or_macro(call[1], arguments, given)
            return callee if call[1] in _KEPT else f"{callee}(question)"

        text = macros(self._profile)[macro]
        on_tables = _CALL_IN_MACRO.sub(instead, text)
        if on_tables == text:
            return macro
        name = f"{macro}_{next(_numbers)}"
        beginning = f"create or replace macro {macro}("
        self._cursor.execute(on_tables.replace(beginning, f"create temp macro {name}("))
        return name


def _bound_in(sql: str, bound: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is bound that which the text names."""
    named = set(_PARAMETER.findall(sql))
    return {name: value for name, value in bound.items() if name in named}
