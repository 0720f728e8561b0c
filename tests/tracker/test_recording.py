"""The group commit: what shares a commit fails and succeeds each for itself."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from metrics.domain.errors import Contradiction
from tests.conftest import Book
from tests.server import Server, deployment, ndjson
from tracker.deployments.service import Recording
from tracker.records.ledger import Author, Ledger

PATH = "/api/v1/deployments"


def test_of_many_at_once_the_refused_one_fails_alone(server: Server) -> None:
    async def post_all() -> list[int]:
        headers = {"Authorization": f"Bearer {server.token('admin', 'group')}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
            await client.post(PATH, json=deployment(deployment_node_id="7"))
            answers = await asyncio.gather(
                *(
                    client.post(PATH, json=deployment(deployment_node_id=str(number), commit_id="b" * 40))
                    for number in range(100)
                )
            )
        return [answer.status_code for answer in answers]

    statuses = asyncio.run(post_all())
    assert statuses.count(201) == 99
    assert statuses[7] == 409


def test_one_who_does_not_wait_for_the_answer_harms_nobody(book: Book) -> None:
    """The writer finds that out only after the commit."""
    book.recorder.start()

    async def act() -> tuple[int, bool]:
        def slow(_: Ledger) -> int:
            time.sleep(0.2)
            return 1

        left = asyncio.create_task(book.recorder.record(slow))
        await asyncio.sleep(0.05)
        left.cancel()
        return await asyncio.wait_for(book.recorder.record(lambda _: 2), 10), left.cancelled()

    assert asyncio.run(act()) == (2, True)
    book.recorder.stop()


def test_a_fault_in_one_act_does_not_touch_what_shares_its_commit(book: Book) -> None:
    def fault(ledger: Ledger) -> None:
        ledger.connection.execute(text("insert into deployments (revision) values (1)"))

    recorded, failed = asyncio.run(_at_once(book, lambda ledger: ledger.ensure_organization("kept"), fault))
    assert recorded is None
    assert "not null" in str(failed).lower() or "not-null" in str(failed)
    assert book.rows("select slug from organizations") == [("kept",)]


async def _at_once(book: Book, *acts: Callable[[Ledger], Any]) -> list[Any]:
    """Hand all acts over before the recorder starts, so that they share its first commit."""
    recordings = [asyncio.ensure_future(book.recorder.record(act)) for act in acts]
    await asyncio.sleep(0)
    book.recorder.start()
    outcomes = await asyncio.gather(*recordings, return_exceptions=True)
    book.recorder.stop()
    return outcomes


def test_a_repeat_inside_one_batch_is_the_same_record(client: httpx.Client) -> None:
    first = deployment(deployment_node_id="1", status="in_progress", started_at="2026-03-02T10:00:00Z")
    then = deployment(deployment_node_id="1", status="success", finished_at="2026-03-02T10:05:00Z")
    body = "\n".join(
        httpx.Request("POST", "http://x", json=one).content.decode() for one in (first, then, then)
    )
    assert client.post(f"{PATH}/batch", content=body).json() == {
        "recorded": 1, "repeated": 2, "failed": 0, "errors": [],
    }  # fmt: skip
    (item,) = client.get(PATH).json()["items"]
    assert (item["status"], item["duration_seconds"]) == ("success", 300)


def test_nothing_is_overwritten_a_change_is_a_version(book: Book) -> None:
    one = book.deploy(deployment_node_id="1", status="in_progress")
    two = book.deploy(deployment_node_id="1", status="fail", branch="main")
    assert two.repeated
    assert two.deployment.version.id == one.deployment.version.id
    versions = book.rows(
        "select revision, superseded_revision, first_revision, status, branch from deployments order by revision"
    )
    assert versions == [(2, 3, 2, "in_progress", None), (3, None, 2, "fail", "main")]


def test_time_does_not_run_backwards_in_the_record(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    first = book.deploy()
    monkeypatch.setattr("tracker.records.ledger.time.time_ns", lambda: 0)
    second = book.deploy()
    assert second.deployment.version.recorded_at == first.deployment.version.recorded_at


def test_a_contradiction_writes_no_revision(book: Book) -> None:
    book.deploy(deployment_node_id="1", commit_id="a" * 40)
    with pytest.raises(Contradiction):
        book.deploy(deployment_node_id="1", commit_id="b" * 40)
    third = book.deploy(deployment_node_id="2")
    assert isinstance(third, Recording)
    assert third.deployment.version.revision == 3


def test_another_process_may_write_between_two_commits(book: Book) -> None:
    book.deploy(deployment_node_id="1")
    other = Book(book.url, book.folder)
    other.deploy(deployment_node_id="2", service="web")
    other.close()
    assert book.deploy(deployment_node_id="3", service="web").deployment.version.revision == 5
    assert book.recorder.record_now(lambda ledger: ledger.first_version(Author("acme", "x")).revision) == 6


def test_a_record_that_is_refused_leaves_nothing_behind(client: httpx.Client) -> None:
    first = deployment(deployment_node_id="1", commit_id="a" * 40)
    client.post(PATH, json=first).raise_for_status()
    other = {**first, "commit_id": "b" * 40}
    assert client.post(PATH, json=other).status_code == 409
    elsewhere = {**other, "repository_url": "https://github.com/acme/elsewhere"}
    assert client.post(f"{PATH}?dry_run=true", json=elsewhere).status_code == 200
    assert [one["repository"] for one in client.get("/api/v1/repositories").json()["items"]] == ["acme/shop"]


@pytest.mark.parametrize("path", [f"{PATH}/batch", "/api/v1/incidents/batch"])
def test_after_ten_thousand_bad_lines_the_rest_is_not_read(client: httpx.Client, path: str) -> None:
    good = {"deployment_node_id": "1", "finished_at": "2026-03-02T10:00:00Z"}
    line = deployment(**good) if path.startswith(PATH) else {"started_at": "2026-03-02T10:00:00Z"}
    answered = client.post(path, content=b"{}\n" * 20_000 + ndjson(line), timeout=120)
    told = answered.json()
    assert (answered.status_code, told["recorded"]) == (400, 0)
    assert 10_000 < told["failed"] < 14_000
    assert told["errors"][-1]["line"] == told["failed"]
    assert told["errors"][-1]["detail"].startswith("is not read, nor is what follows")
    few = client.post(path, content=b"{}\n" * 9_000 + ndjson(line), timeout=120)
    assert (few.status_code, few.json()["recorded"], few.json()["failed"]) == (207, 1, 9_000)
