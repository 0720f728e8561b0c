"""The database applies the same rule to repository names as Python does."""

from pathlib import Path

import pytest
from sqlalchemy import select

from metrics.records import RepositoryIdentity, matches_repository
from tests.conftest import Book
from tracker.lists import names_repository
from tracker.models import REPOSITORIES

URLS = [
    "https://github.com/acme/shop", "https://github.com/Acme/shop-api", "https://gitlab.com/acme/shop",
    "https://gitlab.com/group/acme/shop", "https://github.com/a_me/shop", "https://github.com/100%/x",
]  # fmt: skip
PATTERNS = [
    "acme/shop", "ACME/*", "acme/shop*", "github.com/acme/shop", "gitlab.com/*", "*", "shop", "a_me/*", "100%/*", "%",
    "group/acme/shop", "",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_the_same_in_sql_and_in_python(book: Book, pattern: str) -> None:
    for url in URLS:
        book.deploy(repository_url=url)
    with book.engine.connect() as connection:
        found = set(
            connection.scalars(
                select(REPOSITORIES.c.repository_url).where(names_repository(REPOSITORIES, [pattern]))
            )
        )
    assert found == {url for url in URLS if matches_repository(pattern, RepositoryIdentity.parse(url))}


def test_the_migrated_schema_is_the_one_of_the_models(tmp_path: Path) -> None:
    """Tables, columns and the definitions of all indexes, predicates included."""
    from sqlmodel import SQLModel

    from tracker.database import connect, migrate

    migrated, modelled = (connect(f"sqlite:///{tmp_path / name}.db") for name in ("migrated", "modelled"))
    migrate(migrated)
    SQLModel.metadata.create_all(modelled)

    def definitions(engine: object) -> tuple[set[str], dict[str, list[tuple[object, ...]]]]:
        with engine.connect() as connection:  # type: ignore[attr-defined]
            indexes = connection.exec_driver_sql(
                "select sql from sqlite_master where type = 'index' and sql <> ''"
            )
            tables = connection.exec_driver_sql(
                "select name from sqlite_master where type = 'table' and name <> 'alembic_version' order by name"
            ).scalars()
            columns = {
                name: sorted(
                    tuple(row)[1:] for row in connection.exec_driver_sql(f"pragma table_info({name})")
                )
                for name in tables
            }
            return {sql.replace('"', "") for (sql,) in indexes}, columns

    assert definitions(migrated) == definitions(modelled)
