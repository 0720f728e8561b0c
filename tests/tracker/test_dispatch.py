"""Events on their way when things go wrong: order, retries over a day, restarts, several processes."""

import asyncio
import json
import socket
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.conftest import Book
from tests.server import Server, deployment
from tests.subscriber import Heard, Subscriber
from tracker.egress import is_permitted
from tracker.records.ledger import Author
from tracker.webhooks import collector
from tracker.webhooks.collector import Collector
from tracker.webhooks.deliveries import redeliver
from tracker.webhooks.dispatcher import LEASE_SECONDS, Dispatcher
from tracker.webhooks.events import EventKind, read_events
from tracker.webhooks.retry import GIVE_UP_SECONDS, SECOND, retry_seconds
from tracker.webhooks.shapes import STANDARD, WebhookShape
from tracker.webhooks.subscriptions import SubscriberKind, change_subscription, subscribe

LOOPBACK = (ip_network("127.0.0.0/8"),)
HOUR = 3_600 * SECOND


class Clock:
    """A clock that goes on when it is told to.

    It begins a minute ahead of the records' own, so that no try is dated before the event was queued.
    """

    def __init__(self) -> None:
        self.now = time.time_ns() // 1_000 + 60 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def told(book: Book, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """A book whose recorder works on its own thread; whoever looks for events need not pause between two looks."""
    monkeypatch.setattr(collector, "_COLLECT_SECONDS", 0.0)
    book.recorder.start()
    yield book
    book.recorder.stop()


def listen(book: Book, url: str, events: Sequence[EventKind] = tuple(EventKind)) -> None:
    book.recorder.record_now(
        lambda ledger: subscribe(
            ledger,
            Author("acme", "test"),
            url=url,
            kind=SubscriberKind.STANDARD,
            events=events,
            secret="whsec_" + "QUJD" * 8,
        )
    )


def dispatcher(
    book: Book, clock: Clock, allowed: Any = LOOPBACK, kind: type[Dispatcher] = Dispatcher
) -> Dispatcher:
    shapes = {SubscriberKind.STANDARD: STANDARD}
    collecting = Collector(book.engine, book.recorder, shapes, lambda: "http://127.0.0.1")
    return kind(book.engine, book.recorder, collecting, allowed, clock)


def run(act: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await act()

    asyncio.run(main())


def states(book: Book) -> dict[str, int]:
    rows = book.rows("select state, count(*) from webhook_deliveries group by state")
    return {row[0]: row[1] for row in rows}


def tries_of(book: Book) -> list[dict[str, Any]]:
    """Every try at the one event that is or was on its way."""
    ((attempts,),) = book.rows("select attempts from webhook_deliveries")
    return json.loads(attempts) if isinstance(attempts, str) else attempts


def next_attempt_at(book: Book) -> int:
    ((instant,),) = book.rows("select next_attempt_at from webhook_deliveries")
    return int(instant)


def progress(book: Book, count: int) -> None:
    """Deployments that begin and finish, two of each told in turns."""
    for number in range(count):
        book.deploy(version="v", deployment_node_id=str(number), status="in_progress")
    for number in range(count):
        book.deploy(version="v", deployment_node_id=str(number))


def test_after_an_hour_away_everything_comes_once_and_in_order(told: Book) -> None:
    clock = Clock()
    began = clock.now
    is_away = lambda: clock.now < began + HOUR  # noqa: E731
    accepted: list[Heard] = []

    def answer(heard: Heard) -> tuple[int, dict[str, str]]:
        if is_away():
            return 503, {}
        accepted.append(heard)
        return 200, {}

    async def act() -> None:
        sender = dispatcher(told, clock)
        while clock.now < began + 6 * HOUR and states(told) != {"delivered": 6}:
            await sender.look()
            await sender.settled()
            clock.now += 60 * SECOND

    with Subscriber(answer) as subscriber:
        listen(told, subscriber.url)
        progress(told, 3)
        run(act)
    assert states(told) == {"delivered": 6}
    assert len({one.id for one in accepted}) == len(accepted) == 6
    by_deployment = defaultdict(list)
    for one in accepted:
        by_deployment[one.json()["data"]["deployment"]["id"]].append(one.json()["type"])
    assert list(by_deployment.values()) == [["deployment", "deployment_status"]] * 3
    # While the first of a deployment had not arrived, the next was not even tried.
    tried_away = {one.json()["type"] for one in subscriber.heard[: -len(accepted)]}
    assert tried_away == {"deployment"}
    tries = len(subscriber.heard)
    assert len({one.id for one in subscriber.heard}) == 6
    assert 6 + 3 * 3 <= tries <= 6 + 3 * 8


def test_one_deployment_that_is_not_taken_holds_up_no_other(told: Book) -> None:
    clock = Clock()

    def answer(heard: Heard) -> tuple[int, dict[str, str]]:
        return (500 if heard.json()["data"]["deployment"]["deployment_node_id"] == "0" else 204), {}

    async def act() -> None:
        sender = dispatcher(told, clock)
        for _ in range(20):
            await sender.look()
            await sender.settled()

    with Subscriber(answer) as subscriber:
        listen(told, subscriber.url)
        progress(told, 3)
        run(act)
    assert states(told) == {"delivered": 4, "pending": 2}


def test_it_is_given_up_after_a_day(told: Book) -> None:
    clock = Clock()
    began = clock.now

    async def act() -> None:
        sender = dispatcher(told, clock)
        while clock.now < began + 2 * GIVE_UP_SECONDS * SECOND:
            await sender.look()
            await sender.settled()
            clock.now += HOUR // 2

    with Subscriber(lambda _: (500, {})) as subscriber:
        listen(told, subscriber.url)
        told.deploy(version="v", status="in_progress")
        run(act)
    assert states(told) == {"given_up": 1}
    assert len({one.id for one in subscriber.heard}) == 1
    tries = tries_of(told)
    assert 8 <= len(tries) == len(subscriber.heard) <= 20
    # The longest wait is four hours, give or take a fifth, and then up to half an hour until somebody looks.
    assert 19 * HOUR < tries[-1]["at"] - tries[0]["at"] < 24.5 * HOUR


def test_an_old_event_that_is_sent_again_has_a_day_of_its_own(told: Book) -> None:
    clock = Clock()
    today = clock.now

    async def act() -> None:
        sender = dispatcher(told, clock)
        clock.now = today - 48 * HOUR
        await sender.look()
        await sender.settled()
        (delivery,) = told.rows("select id, webhook_id from webhook_deliveries")
        told.recorder.record_now(lambda ledger: redeliver(ledger, delivery[1], delivery[0]))
        clock.now = today + HOUR
        await sender.look()
        await sender.settled()

    with Subscriber(lambda _: (500, {})) as subscriber:
        listen(told, subscriber.url)
        told.deploy(version="v", status="in_progress")
        run(act)
    assert len(subscriber.heard) == len(tries_of(told)) == 2
    assert states(told) == {"pending": 1}
    # The first failure of the day, and so the shortest wait.
    assert 4 * SECOND <= next_attempt_at(told) - clock.now <= 6 * SECOND


def test_a_subscriber_is_left_alone_as_long_as_it_asks(told: Book) -> None:
    clock = Clock()

    async def act() -> None:
        sender = dispatcher(told, clock)
        await sender.look()
        await sender.settled()
        asked_at = clock.now
        assert next_attempt_at(told) == asked_at + 120 * SECOND
        for seconds, heard in ((119, 1), (121, 2)):
            clock.now = asked_at + seconds * SECOND
            await sender.look()
            await sender.settled()
            assert len(subscriber.heard) == heard

    with Subscriber(lambda _: (503, {"Retry-After": "120"})) as subscriber:
        listen(told, subscriber.url)
        told.deploy(version="v", status="in_progress")
        run(act)


def test_a_webhook_that_moves_while_its_old_address_says_gone_stays(told: Book) -> None:
    clock = Clock()

    with Subscriber() as new:

        def move(_: Heard) -> tuple[int, dict[str, str]]:
            (webhook,) = told.rows("select id from webhooks")
            told.recorder.record_now(
                lambda ledger: change_subscription(
                    ledger, Author("acme", "test"), webhook[0], {"url": new.url}
                )
            )
            return 410, {}

        async def act() -> None:
            sender = dispatcher(told, clock)
            await sender.look()
            await sender.settled()
            assert told.rows("select url, disabled_reason from webhooks") == [(new.url, None)]
            clock.now += 60 * SECOND
            await sender.look()
            await sender.settled()

        with Subscriber(move) as old:
            listen(told, old.url)
            told.deploy(version="v", status="in_progress")
            run(act)
        assert states(told) == {"delivered": 1}
        assert [one.id for one in new.heard] == [one.id for one in old.heard]


def test_a_name_that_leads_inside_is_not_called(told: Book) -> None:
    async def act() -> None:
        sender = dispatcher(told, Clock(), allowed=())
        await sender.look()
        await sender.settled()

    with Subscriber() as subscriber:
        for host in ("localhost", "127.0.0.1", "2130706433"):
            listen(told, f"http://{host}:{subscriber.port}/")
        told.deploy(version="v", status="in_progress")
        run(act)
        assert subscriber.heard == []
    attempts = told.rows("select attempts from webhook_deliveries")
    assert len(attempts) == 3
    assert all("nothing was sent" in str(row) and "private network" in str(row) for row in attempts)


def test_a_name_that_means_another_address_the_next_time_is_called_where_it_was_looked_at(
    told: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens at the address that is allowed; the subscriber is at the one that is not."""
    resolve = socket.getaddrinfo
    meanings = iter(["127.0.0.2"])

    def rebind(host: Any, *arguments: Any, **options: Any) -> Any:
        is_it = host in ("rebinding.example", b"rebinding.example")
        return resolve(next(meanings, "127.0.0.1") if is_it else host, *arguments, **options)

    async def act() -> None:
        sender = dispatcher(told, Clock(), allowed=(ip_network("127.0.0.2/32"),))
        await sender.look()
        await sender.settled()

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    with Subscriber() as inside:
        listen(told, f"http://rebinding.example:{inside.port}/")
        told.deploy(version="v", status="in_progress")
        run(act)
        assert inside.heard == []
    assert next(meanings, None) is None
    (attempt,) = tries_of(told)
    assert attempt["error"].startswith("Connect")


def test_what_cannot_be_reached_is_tried_again(told: Book) -> None:
    async def act() -> None:
        sender = dispatcher(told, Clock())
        await sender.look()
        await sender.settled()

    with Subscriber() as gone:
        pass
    listen(told, gone.url)
    listen(told, "http://no-such-host.invalid/")
    told.deploy(version="v", status="in_progress")
    run(act)
    assert states(told) == {"pending": 2}
    assert "ConnectError" in str(told.rows("select attempts from webhook_deliveries"))


def test_of_two_processes_one_sends_and_the_other_takes_over(told: Book) -> None:
    clock = Clock()

    async def act() -> None:
        first, second = dispatcher(told, clock), dispatcher(told, clock)
        assert await first.look()
        assert not await second.look()
        await first.settled()
        assert states(told) == {"delivered": 1}
        told.deploy(version="w", status="in_progress")
        clock.now += (LEASE_SECONDS + 1) * SECOND
        assert await second.look()
        await second.settled()
        assert not await first.look()
        assert states(told) == {"delivered": 2}

    with Subscriber() as subscriber:
        listen(told, subscriber.url)
        told.deploy(version="v", status="in_progress")
        run(act)
    assert len(subscriber.heard) == 2


def test_events_are_collected_once_in_a_while_and_then_all_of_them(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for them on every commit would cost whoever records."""
    # Ten times as long as it is, so that a slow host does not take it for granted.
    monkeypatch.setattr(collector, "_COLLECT_SECONDS", 2.0)

    async def act() -> None:
        sender = dispatcher(book, Clock())
        began = time.monotonic()
        await sender.look()
        assert sum(states(book).values()) == 10
        book.deploy(version="later", status="in_progress")
        while sum(states(book).values()) == 10 and time.monotonic() < began + 30:
            await sender.look()
        assert time.monotonic() - began >= 2
        assert sum(states(book).values()) == 11
        await sender.settled()

    book.recorder.start()
    with Subscriber() as subscriber:
        listen(book, subscriber.url)
        progress(book, 5)
        run(act)
    book.recorder.stop()


def test_two_that_send_at_once_put_nothing_on_its_way_twice(told: Book) -> None:
    async def act() -> None:
        clock = Clock()
        first, second = dispatcher(told, clock), dispatcher(told, clock)
        second.holder = first.holder
        await asyncio.gather(first.look(), second.look(), return_exceptions=True)
        await asyncio.gather(first.look(), second.look(), return_exceptions=True)
        await first.settled()
        await second.settled()

    with Subscriber() as subscriber:
        listen(told, subscriber.url)
        progress(told, 2)
        run(act)
    places = told.rows("select sequence from webhook_deliveries")
    assert len(places) == len(set(places)) == 4


def test_what_is_committed_while_events_are_read_is_told_the_next_time(book: Book) -> None:
    """The tables are read one after the other, and on PostgreSQL each as it then is."""
    progress(book, 2)
    told = []

    def interfere(_: object, __: object, statement: str, *___: object) -> None:
        if "from incidents" in statement.lower() and len(told) == 0:
            told.append(statement)
            for number in range(10):
                book.deploy(version="late", deployment_node_id=f"late-{number}", status="in_progress")
                book.report(started_at="2026-11-21T10:00:00Z")

    event.listen(book.engine, "before_cursor_execute", interfere)
    position, places = 0, []
    for _ in range(40):
        with book.engine.connect() as connection:
            page = read_events(connection, "acme", position, 5)
        position, places = page.position, [*places, *(one.sequence for one in page.events)]
    event.remove(book.engine, "before_cursor_execute", interfere)
    with book.engine.connect() as connection:
        whole = read_events(connection, "acme", 0, 1_000)
    assert told
    assert places == [one.sequence for one in whole.events]
    assert len(places) == 4 + 20


def test_a_fault_with_one_subscriber_holds_up_no_other(told: Book) -> None:
    async def act() -> None:
        sender = dispatcher(told, Clock())
        shape = sender.collector.shapes[SubscriberKind.STANDARD]

        def fault(*_: object) -> str:
            raise KeyError("fault")

        sender.collector.shapes = {SubscriberKind.GITHUB: WebhookShape(fault), SubscriberKind.STANDARD: shape}
        assert await sender.look()
        await sender.settled()

    with Subscriber() as subscriber:
        told.recorder.record_now(
            lambda ledger: subscribe(
                ledger, Author("acme", "test"), url=subscriber.url, kind=SubscriberKind.GITHUB,
                events=tuple(EventKind), secret="a secret that is long enough",
            )
        )  # fmt: skip
        listen(told, subscriber.url)
        told.deploy(version="v", status="in_progress")
        run(act)
    assert len(subscriber.heard) == 1


def test_much_is_read_in_pieces_without_a_gap(book: Book) -> None:
    progress(book, 25)
    with book.engine.connect() as connection:
        whole = read_events(connection, "acme", 0, 1_000)
        position, pieces = 0, []
        while position < whole.position:
            page = read_events(connection, "acme", position, 7)
            assert page.position > position
            pieces += page.events
            position = page.position
    assert [event.sequence for event in pieces] == [event.sequence for event in whole.events]
    assert len(pieces) == 50


@pytest.mark.parametrize(
    ("failures", "least", "most"),
    [
        (1, 4, 6),
        (2, 16, 24),
        (3, 64, 96),
        (4, 256, 384),
        (5, 1_024, 1_536),
        (6, 4_096, 6_144),
        (7, 11_520, 17_280),
        (8, 11_520, 17_280),
        (100, 11_520, 17_280),
    ],
)
def test_the_wait_grows_up_to_four_hours_and_is_never_the_same(
    failures: int, least: float, most: float
) -> None:
    waits = [retry_seconds(failures) for _ in range(200)]
    assert least <= min(waits) < max(waits) <= most
    # Spread over the whole of it.
    assert max(waits) - min(waits) > 0.5 * (most - least)


def test_a_subscriber_may_ask_for_a_longer_wait_but_for_none_beyond_four_hours() -> None:
    assert retry_seconds(1, asked_for=120) == 120
    assert retry_seconds(1, asked_for=10**9) == 14_400
    assert retry_seconds(3, asked_for=1) >= 64


def test_after_a_kill_delivery_goes_on_where_it_was(tmp_path: Path) -> None:
    takes = False

    def answer(_: Heard) -> tuple[int, dict[str, str]]:
        return (204 if takes else 500), {}

    networks = {"TRACKER_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with Subscriber(answer) as subscriber:
        with Server(tmp_path, **networks) as server, server.client(server.token()) as client:
            client.post("/api/v1/webhooks", json={"url": subscriber.url}).raise_for_status()
            record = client.post("/api/v1/deployments", json=deployment(status="in_progress")).json()
            client.patch(f"/api/v1/deployments/{record['id']}", json={"status": "success"})
            refused = subscriber.wait_for(1)[0]
            server.kill()
        takes = True
        with Server(tmp_path, **networks):
            heard = subscriber.wait_for(len(subscriber.heard) + 2, seconds=60)
    assert [one.json()["type"] for one in heard[-2:]] == ["deployment", "deployment_status"]
    assert heard[-2].id == refused.id


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        ("93.184.216.34", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("100.64.0.1", False), ("169.254.169.254", False), ("224.0.0.1", False), ("0.0.0.0", False),
        ("255.255.255.255", False), ("::1", False), ("fe80::1", False), ("fc00::1", False), ("ff02::1", False),
        ("::ffff:10.0.0.1", False), ("fec0::1", False), ("64:ff9b:1::a00:1", False), ("::ffff:0:7f00:1", False), ("::7f00:1", False), ("::ffff:93.184.216.34", True), ("64:ff9b::a00:1", False), ("2002:a00:1::", False),
        ("192.0.0.192", False), ("3fff::1", False), ("5f00::1", False),
        ("192.0.2.1", False), ("172.16.5.5", True), ("172.17.0.1", False),
    ],
)  # fmt: skip
def test_an_address_is_called_where_it_is_public_or_allowed(address: str, permitted: bool) -> None:
    assert is_permitted(ip_address(address), [ip_network("172.16.0.0/16")]) is permitted


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.on_one_database
def test_it_ends_though_something_is_recorded_just_then(book: Book, steps: int) -> None:
    """So many steps of the loop after it was woken: what it is told then must not be lost."""
    was_looked = asyncio.Event()

    class Looking(Dispatcher):
        async def look(self) -> bool:
            was_looked.set()
            return True

    async def act() -> None:
        dispatching = dispatcher(book, Clock(), kind=Looking)
        running = dispatching.running()
        await running.__aenter__()
        await was_looked.wait()
        # It looks again at once for so long, and then waits to be woken.
        await asyncio.sleep(0.2)
        dispatching._wake.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await running.__aexit__(None, None, None)

    run(act)
