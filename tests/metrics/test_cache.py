"""What is worked out once for many: by whom, and for how long it is kept."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from metrics.api.cache import Cache


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


def test_who_has_waited_for_one_that_failed_makes_their_own() -> None:
    cache, begun, may_end = Cache[str](), threading.Event(), threading.Event()

    def leave() -> str:
        begun.set()
        assert may_end.wait(10)
        raise ConnectionError("Nobody waits any more.")

    with ThreadPoolExecutor() as others:
        first = others.submit(cache.get, "key", leave)
        assert begun.wait(10)
        second = others.submit(cache.get, "key", lambda: "own")
        may_end.set()
        with pytest.raises(ConnectionError):
            first.result(10)
        assert second.result(10) == "own"
    assert cache.get("key", lambda: "another") == "own"


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
