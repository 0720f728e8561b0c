"""Whoever shows the checkpoints of a table is sent what it lacks of another, and little more."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.wire.checkpoints import Checkpoints

pytestmark = pytest.mark.on_one_database


def table(numbers: list[int]) -> pa.Table:
    labels = [[("number", str(number))] if number else None for number in numbers]
    return pa.table(
        {"number": pa.array(numbers, pa.int64()), "labels": pa.array(labels, pa.map_(pa.utf8(), pa.utf8()))}
    )


def hashed(numbers: list[int]) -> Checkpoints:
    return Checkpoints(b"".join(number.to_bytes(8, "little") for number in numbers))


@given(st.lists(st.integers(0, 3), max_size=40), st.lists(st.integers(0, 3), max_size=12), st.integers(0, 40))
def test_what_is_kept_is_the_same_and_most_of_what_is(
    before: list[int], later: list[int], place: int
) -> None:
    now = [*before[:place], *later]
    common = next((n for n, pair in enumerate(zip(before, now, strict=False)) if pair[0] != pair[1]), None)
    common = min(len(before), len(now)) if common is None else common
    kept = hashed(now).kept(str(hashed(before)))
    assert kept <= common
    assert len(before) - kept <= 2 * (len(before) - common) or kept == 0


def test_the_rows_may_come_in_any_pieces() -> None:
    whole = table(list(range(5_000)))
    pieces = pa.concat_tables([whole.slice(0, 3), whole.slice(3, 4_000), whole.slice(4_003)])
    assert str(Checkpoints.of(pieces)) == str(Checkpoints.of(whole))


@pytest.mark.parametrize("shown", ["", "nonsense", "3:abc", f"2:{'0' * 32}", f"{'9' * 18}:{'0' * 32}"])
def test_who_shows_something_else_is_sent_everything(shown: str) -> None:
    assert Checkpoints.of(table([1, 2, 3])).kept(shown) == 0


def test_rows_of_other_columns_are_others() -> None:
    """After an upgrade: a column is called otherwise, or is wider."""
    before = table([1, 2, 3])
    renamed = before.rename_columns(["count", "labels"])
    wider = before.set_column(0, "number", before["number"].cast(pa.int32()))
    for other in (renamed, wider):
        assert Checkpoints.of(other).kept(str(Checkpoints.of(before))) == 0


def test_an_empty_table_has_none() -> None:
    assert str(Checkpoints.of(table([]))) == ""
    assert Checkpoints.of(table([])).kept(str(Checkpoints.of(table([1])))) == 0
