"""What is worked out once for many: by whom, and for how long it is kept."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from metrics.api.cache import Cache
from metrics.domain.errors import AskerLeft, ParameterError
from metrics.engine.askers import ASKER, Asker


def test_who_asks_while_one_is_worked_out_gets_the_same() -> None:
    cache, begun, may_end, made = Cache[list[int]](), threading.Event(), threading.Event(), []

    def make() -> list[int]:
        made.append(1)
        begun.set()
        assert may_end.wait(10)
        return [1]

    with ThreadPoolExecutor() as others:
        first = others.submit(cache.get, "key", make)
        assert begun.wait(10)
        second = others.submit(cache.get, "key", make)
        may_end.set()
        assert first.result(10) is second.result(10)
    assert made == [1]


class Key:
    """One that tells when it is looked for, which is while nothing can be forgotten."""

    def __init__(self) -> None:
        self.was_looked_for = threading.Event()

    def __hash__(self) -> int:
        self.was_looked_for.set()
        return 1


@pytest.mark.parametrize(
    ("failure", "is_told"), [(AskerLeft(), False), (ParameterError([("to", "x")]), True)]
)
def test_who_has_waited_for_one_whose_asker_left_makes_their_own(failure: Exception, is_told: bool) -> None:
    """What is wrong with the question is wrong for both."""
    cache, begun, may_end, key = Cache[str](), threading.Event(), threading.Event(), Key()

    def fail() -> str:
        begun.set()
        assert may_end.wait(10)
        raise failure

    with ThreadPoolExecutor() as others:
        first = others.submit(cache.get, key, fail)
        assert begun.wait(10)
        key.was_looked_for.clear()
        second = others.submit(cache.get, key, lambda: "own")
        assert key.was_looked_for.wait(10)
        may_end.set()
        assert first.exception(10) is failure
        assert (second.exception(10) is failure) is is_told
    assert cache.get(key, lambda: "another") == ("another" if is_told else "own")


def test_who_leaves_waits_no_longer() -> None:
    cache, begun, may_end, asker = Cache[str](), threading.Event(), threading.Event(), Asker()

    def make() -> str:
        begun.set()
        assert may_end.wait(30)
        return "made"

    def wait() -> str:
        ASKER.set(asker)
        return cache.get("key", lambda: "own")

    with ThreadPoolExecutor() as others:
        first = others.submit(cache.get, "key", make)
        assert begun.wait(10)
        second = others.submit(copy_context().run, wait)
        asker.leave()
        assert isinstance(second.exception(10), AskerLeft)
        assert not first.done()
        may_end.set()
        assert first.result(10) == "made"


def test_the_latest_are_kept_and_what_is_too_large_is_not() -> None:
    cache = Cache[str](most=2, is_kept=lambda text: len(text) < 5)
    assert [cache.get(key, lambda key=key: f"{key}1") for key in "abca"] == ["a1", "b1", "c1", "a1"]  # type: ignore[misc]
    assert [cache.get(key, lambda key=key: f"{key}2") for key in "cb"] == ["c1", "b2"]  # type: ignore[misc]
    assert [cache.get("d", lambda text=text: text) for text in ("large", "small", "ok", "no")] == [
        "large",
        "small",
        "ok",
        "ok",
    ]  # type: ignore[misc]
