"""The database applies the same rule to repository names as Python does."""

import pytest
from sqlalchemy import select

from metrics.domain.repositories import RepositoryIdentity, matches_any
from tests.conftest import Book
from tracker.records.pages import names_repository
from tracker.records.tables import REPOSITORIES

URLS = [
    "https://github.com/acme/shop", "https://github.com/Acme/shop-api", "https://gitlab.com/acme/shop",
    "https://gitlab.com/group/acme/shop", "https://github.com/a_me/shop", "https://github.com/100%25/x",
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
    assert found == {url for url in URLS if matches_any([pattern], RepositoryIdentity.parse(url))}
