"""Clients that send records as a pipeline does: the product's own, with a key for each record."""

import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from tests.server import deployment
from tracker.client.service import DEPLOYMENTS_PATH, Away, Refused, Service, encoded

_ANSWER_SECONDS = 10.0
# What one call offers a record for; then a later one takes it up, as `tracker record` does.
_PATIENCE_SECONDS = 10.0
# What is tried is what becomes of records, not how many there can be.
_PAUSE_SECONDS = 0.02


@dataclass
class Tally:
    """What clients have seen, over all of them."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """The commit of each record that was acknowledged, with the id that it was given."""
    refused: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    requests: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_request(self, _: object = None) -> None:
        with self._lock:
            self.requests += 1


@dataclass(frozen=True, slots=True)
class _CountingService(Service):
    """The client of a pipeline, whose requests are counted."""

    count: Callable[[object], None] = lambda _: None

    def _client(self) -> httpx.Client:
        # Certificates are not what is tried here, and take longer to read than a record to post.
        return httpx.Client(timeout=_ANSWER_SECONDS, verify=False, event_hooks={"request": [self.count]})


class Clients:
    """Threads that each post one record after the other until they are told to stop."""

    def __init__(self, url: str, token: str, tally: Tally, count: int, prefix: str = "client") -> None:
        self._tally = tally
        self._service = _CountingService(url, lambda: token, _PATIENCE_SECONDS, tally.count_request)
        self._stopped = threading.Event()
        self._last_chance = float("inf")
        self._threads = [
            threading.Thread(target=self._post_on, args=(f"{prefix}-{number}",), daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, within_seconds: float) -> None:
        """Let each bring home the record that it has in hand."""
        self._last_chance = time.monotonic() + within_seconds
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _post_on(self, name: str) -> None:
        for number in itertools.count():
            self._post(f"{name}-{number}")
            if self._stopped.wait(_PAUSE_SECONDS):
                return

    def _post(self, key: str) -> None:
        # The commit is what tells it from others: of a deployment_node_id there would be one anyway.
        record = deployment(commit_id=hashlib.sha1(key.encode()).hexdigest())
        while time.monotonic() < self._last_chance:
            try:
                posted = self._service.post(DEPLOYMENTS_PATH, encoded(record), key)
            except Away:
                continue
            except Refused as refused:
                self._tally.refused.append(str(refused))
                return
            self._tally.acknowledged[record["commit_id"]] = str(posted.record["id"])
            return
        self._tally.given_up.append(key)


class Reader:
    """Asks for a figure again and again, and holds it against what was acknowledged before."""

    def __init__(self, url: str, token: str, tally: Tally, window: Mapping[str, str]) -> None:
        self.answers = 0
        self.behind: list[str] = []
        self.failures: list[int] = []
        self._tally, self._window = tally, window
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, args=(url, token), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _ask_on(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=_ANSWER_SECONDS) as client:
            while not self._stopped.wait(0.5):
                known = len(self._tally.acknowledged)
                try:
                    answered = client.get("/api/v1/metrics/deployment_frequency", params=self._window)
                except httpx.TransportError:
                    continue
                if answered.status_code != 200:
                    self.failures.append(answered.status_code)
                    continue
                self.answers += 1
                if (counted := answered.json()["deployments"]) < known:
                    self.behind.append(f"{counted} of {known}")
