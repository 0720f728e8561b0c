"""What a filter answers is what the group of that name does: for every metric, field and dimension."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metrics.definitions.base import MetricName
from metrics.queries.question import Dimension
from tests.conftest import Book
from tests.metrics.changes import ROUNDS, WINDOW, Changes, changes

DIMENSIONS = (Dimension.REPOSITORY, Dimension.SERVICE, Dimension.TEAM, Dimension.ENVIRONMENT)


@ROUNDS
@given(made=st.lists(changes, min_size=6, max_size=30), dimension=st.sampled_from(DIMENSIONS))
def test_filter_and_group_agree_on_every_field(
    book: Book, made: list[tuple[str, Any]], dimension: Dimension
) -> None:
    organization = Changes(book)
    for kind, what in made:
        organization.make(kind, what)
    asked = {**WINDOW, "org": organization.org}
    whole = book.ask(**asked)
    grouped = book.ask(**asked, group_by=dimension)
    for name, answer in grouped.items():
        assert answer.row == whole[name].row
    for index, group in enumerate(grouped[MetricName.MEAN_TIME_TO_RECOVER].groups):
        if group.name is not None:
            alone = book.ask(**asked, **{dimension.value: (group.name,)})
            for name, answer in grouped.items():
                assert answer.groups[index].row == alone[name].row, (group.name, name)
