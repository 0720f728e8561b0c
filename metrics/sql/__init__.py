"""The SQL that settles what happened and judges it for a question, read by folder and name.

The two statements of a metric stand beside its definition, in `metrics/definitions/`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from graphlib import TopologicalSorter
from importlib.resources import files


@cache
def read_sql(folder: str, name: str) -> str:
    """The text of `metrics/sql/<folder>/<name>.sql`."""
    return files("metrics.sql").joinpath(folder, f"{name}.sql").read_text(encoding="utf-8")


@cache
def macros_in(folder: str) -> Mapping[str, str]:
    """Every macro of the folder's files by name, each after those that it is made of."""
    texts = {
        name: statement
        for file in sql_files(folder)
        for statement in _statements(read_sql(folder, file))
        for name in _MACRO.findall(statement)
    }
    uses = {
        name: [other for other in texts if other != name and re.search(rf"\b{other}\(", text)]
        for name, text in texts.items()
    }
    return {name: texts[name] for name in TopologicalSorter(uses).static_order()}


_MACRO = re.compile(r"^create or replace macro (\w+)", re.MULTILINE)


def _statements(text: str) -> Sequence[str]:
    """The statements of a file, each with the comment above it."""
    return [
        part.strip() + ";" for part in re.split(r";\s*\n(?=\s*(?:--|create|\Z))", text + "\n") if part.strip()
    ]


@cache
def sql_files(folder: str) -> Sequence[str]:
    """The names of the files in `metrics/sql/<folder>`, in order."""
    found = files("metrics.sql").joinpath(folder).iterdir()
    return sorted(file.name.removesuffix(".sql") for file in found if file.name.endswith(".sql"))
