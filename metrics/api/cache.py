"""What was worked out, kept while the records stay as they are: many ask the same."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from metrics.domain.errors import AskerLeft
from metrics.engine.askers import ASKER

T = TypeVar("T")
_MOST_KEPT = 200
# Who waits looks this often whether their own client still does.
_WAIT_SECONDS = 0.2


class Cache(Generic[T]):
    """The latest results by key. Whoever asks while one is being worked out waits for it.

    `is_kept` says of a result whether it stays at hand for those who ask afterwards.
    """

    def __init__(self, most: int = _MOST_KEPT, is_kept: Callable[[T], bool] = lambda _: True) -> None:
        self._most, self._is_kept = most, is_kept
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Future[T]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under the key, else what `make` gives; of what raises nothing is kept.

        Who has waited for one whose asker left makes their own. Raises what `make` does, and `AskerLeft`.
        """
        while True:
            own: Future[T] = Future()
            with self._lock:
                future = self._kept.setdefault(key, own)
                self._kept.move_to_end(key)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            if future is own:
                return self._made(key, own, make)
            if not isinstance(_awaited(future), AskerLeft):
                return future.result()

    def _made(self, key: Hashable, future: Future[T], make: Callable[[], T]) -> T:
        try:
            found = make()
        except BaseException as failure:
            self._forget(key, future)
            future.set_exception(failure)
            raise
        if not self._is_kept(found):
            self._forget(key, future)
        future.set_result(found)
        return found

    def _forget(self, key: Hashable, future: Future[T]) -> None:
        with self._lock:
            if self._kept.get(key) is future:
                del self._kept[key]


def _awaited(future: Future[T]) -> BaseException | None:
    """What the work on it has raised, once it has ended. Raises `AskerLeft`."""
    while True:
        try:
            return future.exception(timeout=_WAIT_SECONDS)
        except TimeoutError:
            if (asker := ASKER.get()) is not None:
                asker.require_waiting()
