"""Figures are worked out of what was pulled: from which database makes a difference to what pulls alone."""

import pytest

# The tests of these modules run on each kind of database; those of the others on one, unless they are marked.
ON_EACH_DATABASE = (
    "test_as_of",
    "test_details",
    "test_files",
    "test_known_answers",
    "test_lake",
    "test_library",
    "test_organization_stores",
    "test_snapshots",
    "test_store",
)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    module = metafunc.module.__name__.rpartition(".")[2]
    if module not in ON_EACH_DATABASE and not metafunc.definition.get_closest_marker("on_each_database"):
        metafunc.definition.add_marker("on_one_database")
