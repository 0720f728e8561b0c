"""One fault under load: before, meanwhile, until the service has recovered, and what is there then."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from benchmarks.faults.load import Clients, Reader, Tally
from benchmarks.faults.site import Site, can_mount, small_disk
from tests.conftest import Postgres
from tests.server import deployment
from tests.waiting import wait_until

FREQUENCY = "/api/v1/metrics/deployment_frequency"
_DISK_MEGABYTES = 64


@dataclass(frozen=True)
class Pace:
    """How long things last, in seconds."""

    hold_seconds: float = 30
    """A fault, before its cause is taken away."""
    recovery_seconds: float = 120
    """The longest that is waited for the service to recover."""
    clients: int = 4
    records_around: int = 100
    """How many are acknowledged before the fault, and after it, at least."""
    verifies: bool = True
    """Whether `tracker verify` looks at the record database afterwards: as much work as all else."""


@dataclass
class Strike:
    """What a fault is done with, and what it notes."""

    site: Site
    pace: Pace
    expected: list[str] = field(default_factory=list)
    """Commits that were recorded beside the clients'."""
    mended_at: float | None = None
    """When the cause was taken away, monotonic; the end of the fault where it does not say."""
    afterwards: list[Callable[[], object]] = field(default_factory=list)
    """What is done once the others have recovered."""

    def hold(self, at_most: float = float("inf")) -> None:
        """Let the fault last."""
        time.sleep(min(self.pace.hold_seconds, at_most))

    def mended(self) -> None:
        """From now on the service is to recover."""
        self.mended_at = time.monotonic()


@dataclass(frozen=True)
class Fault:
    """Something that fails, while clients post."""

    name: str
    strike: Callable[[Strike], None]
    on_postgres: bool = False
    services: int = 1
    probed: int = 0
    """The service by which it is seen when the fault is over."""
    full: str = ""
    """The folder that has a small disk of its own: `records` or `stores`."""
    moves_clock: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a fault came to."""

    name: str
    requests: int
    acknowledged: int
    lost: int
    doubled: int
    recovery_seconds: float
    wrong: tuple[str, ...]
    """What else is not as promised."""


def try_fault(fault: Fault, folder: Path, postgres: Postgres | None, pace: Pace) -> Outcome:
    """Let the fault strike under load, and compare what is there with what was acknowledged.

    Raises `AssertionError` where the service does not recover.
    """
    with ExitStack() as stack:
        site = Site(folder, postgres if fault.on_postgres else None, fault.moves_clock)
        if fault.full and can_mount():
            stack.enter_context(small_disk(getattr(site, fault.full), _DISK_MEGABYTES))
        stack.callback(site.close)
        site.start(fault.services)
        token, tally = site.services[0].token(), Tally()
        urls = [service.url for service in site.services]
        window = _window()
        reader = Reader(urls[fault.probed], token, tally, window)
        stack.callback(reader.stop)
        clients = [Clients(url, token, tally, pace.clients, f"{n}") for n, url in enumerate(urls)]
        _wait_for_more(tally, pace)
        strike = Strike(site, pace)
        fault.strike(strike)
        mended_at = strike.mended_at or time.monotonic()
        recovery_seconds = _recovered(urls[fault.probed], token, mended_at, pace.recovery_seconds, window)
        for act in strike.afterwards:
            act()
        _wait_for_more(tally, pace)
        for one in clients:
            one.stop(pace.recovery_seconds)
        reader.stop()
        return _compared(fault, site, tally, reader, strike, recovery_seconds)


def _wait_for_more(tally: Tally, pace: Pace) -> None:
    goal = len(tally.acknowledged) + pace.records_around
    wait_until(lambda: len(tally.acknowledged) >= goal, pace.recovery_seconds)


def _window() -> dict[str, str]:
    """All that the clients post, also by a clock that is set back."""
    now = datetime.now(UTC)
    return {"from": (now - timedelta(days=1)).isoformat(), "to": (now + timedelta(days=1)).isoformat()}


def _recovered(url: str, token: str, since: float, within: float, window: dict[str, str]) -> float:
    """Seconds until a record is taken, a figure answered and the service ready, all in one go."""
    headers = {"Authorization": f"Bearer {token}"}
    # What the probe posts is no deployment of the clients'.
    probe = deployment(commit_id="f" * 40, repository_url="https://github.com/acme/probe")
    while time.monotonic() - since < within:
        with (
            suppress(httpx.TransportError),
            httpx.Client(base_url=url, headers=headers, timeout=10) as client,
        ):
            answers = (
                client.post("/api/v1/deployments", json=probe, headers={"Idempotency-Key": "probe"}),
                client.get(FREQUENCY, params=window),
                client.get("/readyz"),
            )
            if all(one.is_success for one in answers):
                return time.monotonic() - since
        time.sleep(0.1)
    raise AssertionError(f"not recovered within {within:g} s")


def _compared(
    fault: Fault, site: Site, tally: Tally, reader: Reader, strike: Strike, recovery_seconds: float
) -> Outcome:
    rows = site.rows()
    there, times = set(rows), Counter(commit for commit, _ in rows)
    lost = sum(acknowledged not in there for acknowledged in tally.acknowledged.items())
    lost += sum(commit not in times for commit in strike.expected)
    wrong: list[str] = []
    if sorted(site.exported()) != sorted(rows):
        wrong.append("the export differs from the record database")
    service = site.services[0]
    with service.client(service.token()) as client:
        counted = client.get(FREQUENCY, params=_window(), timeout=120).json()["deployments"]
    if counted != len(rows):
        wrong.append(f"{counted} deployments are counted, of {len(rows)}")
    if strike.pace.verifies and (verified := site.run("verify")).returncode != 0:
        wrong.append(f"verify: {verified.stdout}{verified.stderr}")
    if reader.behind:
        wrong.append(f"figures without what was acknowledged: {reader.behind[:3]}")
    if failures := set(reader.failures) - {503}:
        wrong.append(f"metrics answered {sorted(failures)}")
    if tally.refused or tally.given_up:
        wrong.append(f"not taken: {[*tally.refused, *tally.given_up][:3]}")
    doubled = sum(count - 1 for count in times.values())
    if lost or doubled:
        wrong.append(f"{lost} lost, {doubled} doubled")
    acknowledged = len(tally.acknowledged) + len(strike.expected)
    return Outcome(fault.name, tally.requests, acknowledged, lost, doubled, recovery_seconds, tuple(wrong))
