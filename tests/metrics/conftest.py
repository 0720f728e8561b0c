"""Figures are worked out of what was pulled: from which database makes a difference to what pulls alone."""

import pytest

# The tests of these modules run on each kind of database; those of the others on SQLite, unless they are marked.
ON_EACH_DATABASE = (
    "test_as_of",
    "test_details",
    "test_files",
    "test_known_answers",
    "test_lake",
    "test_library",
    "test_organization_stores",
    "test_store",
)
_SCOPES = {"database_url": "function", "shared_book": "module"}


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let the fixtures that give a database give the one."""
    module = metafunc.module.__name__.rpartition(".")[2]
    if module in ON_EACH_DATABASE or metafunc.definition.get_closest_marker("on_each_database"):
        return
    for fixture in _SCOPES.keys() & set(metafunc.fixturenames):
        alone = pytest.mark.parametrize(fixture, ["sqlite"], indirect=True, scope=_SCOPES[fixture])
        metafunc.definition.add_marker(alone)
