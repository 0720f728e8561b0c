"""What pages have worked out, kept while the records stay as they are: many look at the same page."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
_MOST_KEPT = 200


class Cache:
    """The latest results by key. Whoever asks while one is being worked out waits for it."""

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under the key, else what `make` gives; of what raises nothing is kept."""
        with self._lock:
            future = self._kept.get(key)
            is_first = future is None
            if future is None:
                future = self._kept[key] = Future()
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        if is_first:
            try:
                future.set_result(make())
            except BaseException as failure:
                with self._lock:
                    self._kept.pop(key, None)
                future.set_exception(failure)
                raise
        found: T = future.result()
        return found
