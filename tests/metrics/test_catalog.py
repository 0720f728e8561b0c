"""The catalog and the SQL files say the same."""

import re
from importlib.resources import files

import pytest

from metrics.definitions.base import Definition, MetricName
from metrics.definitions.catalog import CATALOG
from metrics.engine.store import Store
from tests.conftest import Book


def test_every_file_has_an_entry_and_every_entry_a_file() -> None:
    found = {path.name for path in files("metrics.definitions").iterdir() if path.name.endswith(".sql")}
    ending = {name: {"sql", "explain.sql"} for name in MetricName}
    ending[MetricName.LEAD_TIME_FOR_CHANGES].add("weeks.sql")
    assert found == {f"{name}.{one}" for name, endings in ending.items() for one in endings}
    assert set(CATALOG) == set(MetricName)


@pytest.mark.parametrize("definition", CATALOG.values(), ids=CATALOG.keys())
def test_an_entry_binds_and_gives_what_its_file_does(definition: Definition, book: Book) -> None:
    assert set(re.findall(r"\$(\w+)", definition.sql)) == set(definition.parameters)
    described = _columns(book.store, definition)
    assert described == ["cell_index", *definition.columns]


@pytest.mark.parametrize("definition", CATALOG.values(), ids=CATALOG.keys())
def test_a_file_begins_with_its_unit_window_and_empty_case(definition: Definition) -> None:
    header = definition.sql.split("with\n")[0]
    assert header.startswith(f"-- {definition.name}: ")
    for word in ("unit", "window", "empty"):
        assert re.search(rf"^-- {word}: \S", header, re.MULTILINE), word


def _columns(store: Store, definition: Definition) -> list[str]:
    given = {"question": None, "windows": [], "groups": [], "days": {"first_day": None, "midnights": []}}
    with store.snapshot() as cursor:
        cursor.execute(definition.sql, {name: given[name] for name in definition.parameters})
        assert cursor.description is not None
        return [column[0] for column in cursor.description]
