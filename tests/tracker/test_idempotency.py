"""Idempotency keys, over HTTP against a running service."""

import asyncio
import json
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.conftest import Book
from tests.server import Server, deployment, ndjson
from tracker.errors import KeyUnderWay
from tracker.web.idempotency import KeptAnswer, KeyedRequest, KeysUnderWay, answer_once, forget_old_keys

PATH = "/api/v1/deployments"


def post(client: httpx.Client, body: Any, key: str, path: str = PATH) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, content=content, headers={"Idempotency-Key": key})


def test_the_same_request_gets_the_first_answer_byte_for_byte(client: httpx.Client) -> None:
    first, again = (post(client, deployment(), "k") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Content-Type"] == first.headers["Content-Type"] == "application/json"
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(client.get(PATH).json()["items"]) == 1


def test_the_answer_under_a_key_is_the_one_without(client: httpx.Client) -> None:
    keyed = post(client, deployment(finished_at="2026-03-02T10:00:00Z"), "k").json()
    plain = client.post(PATH, json=deployment(finished_at="2026-03-02T10:00:00Z")).json()
    own = {"id", "created_at", "updated_at"}
    assert {k: v for k, v in keyed.items() if k not in own} == {
        k: v for k, v in plain.items() if k not in own
    }
    assert keyed.keys() == plain.keys()


def test_another_body_is_refused_down_to_the_byte(client: httpx.Client) -> None:
    body = json.dumps(deployment()).encode()
    post(client, body, "k")
    answered = post(client, body + b" ", "k")
    assert answered.status_code == 422
    assert answered.json()["type"] == "urn:tracker:problem:idempotency-key-reused"
    assert len(client.get(PATH).json()["items"]) == 1


def test_a_key_belongs_to_its_organization_and_route(client: httpx.Client, server: Server) -> None:
    post(client, deployment(), "k").raise_for_status()
    incident = post(client, {"started_at": "2026-03-02T10:00:00Z"}, "k", "/api/v1/incidents")
    assert incident.status_code == 201
    assert (
        post(client, {"started_at": "2026-03-02T10:00:00Z"}, "k", "/api/v1/incidents").json()
        == incident.json()
    )
    with server.client(server.token(org="elsewhere")) as other:
        assert post(other, deployment(branch="other"), "k").status_code == 201


def test_a_refusal_is_not_kept(client: httpx.Client) -> None:
    assert post(client, deployment(is_fix="yes"), "k").status_code == 400
    post(client, deployment(deployment_node_id="1"), "first").raise_for_status()
    assert post(client, deployment(deployment_node_id="1", commit_id="b" * 40), "k").status_code == 409
    assert post(client, deployment(), "k").status_code == 201


def test_a_dry_run_leaves_the_key_free(client: httpx.Client) -> None:
    assert post(client, deployment(), "k", f"{PATH}?dry_run=true").status_code == 200
    assert post(client, deployment(branch="main"), "k").status_code == 201


def test_after_a_deletion_the_key_still_gives_the_first_answer(client: httpx.Client) -> None:
    first = post(client, deployment(deployment_node_id="1"), "k")
    client.delete(first.headers["Location"]).raise_for_status()
    assert post(client, deployment(deployment_node_id="1"), "k").content == first.content
    assert client.get(PATH).json()["items"] == []


def test_under_another_key_a_repeat_is_still_the_same_record(client: httpx.Client) -> None:
    first = post(client, deployment(deployment_node_id="1"), "a")
    second = post(client, deployment(deployment_node_id="1", finished_at=first.json()["finished_at"]), "b")
    assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(client: httpx.Client, key: str) -> None:
    answered = post(client, deployment(), key)
    assert answered.status_code == 400
    assert answered.json()["errors"][0]["pointer"] == "Idempotency-Key"


def test_a_batch_takes_no_key(client: httpx.Client) -> None:
    answered = post(client, ndjson(deployment(finished_at="2026-03-02T10:00:00Z")), "k", f"{PATH}/batch")
    assert answered.status_code == 400
    assert "deployment_node_id" in answered.json()["detail"]
    assert client.get(PATH).json()["items"] == []


def test_of_many_at_once_one_records_and_the_others_wait_or_hear_the_same(server: Server) -> None:
    async def post_all() -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {server.token('admin', 'at-once')}", "Idempotency-Key": "k"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:
            return await asyncio.gather(*(client.post(PATH, json=deployment()) for _ in range(50)))

    answers = asyncio.run(post_all())
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    under_way = {answer.json()["type"] for answer in answers if answer.status_code == 409}
    assert under_way <= {"urn:tracker:problem:idempotency-key-under-way"}
    with server.client(server.token("admin", "at-once")) as client:
        assert len(client.get(PATH).json()["items"]) == 1


def test_while_the_first_is_under_way_a_second_is_told_so() -> None:
    keys, request = KeysUnderWay(), KeyedRequest.of("acme", PATH, "k", b"{}")
    with keys.holding(request):
        with pytest.raises(KeyUnderWay), keys.holding(request):
            pass
        with keys.holding(KeyedRequest.of("acme", PATH, "other", b"{}")):
            pass
    with keys.holding(request):
        pass


def test_a_fault_after_the_record_keeps_neither_record_nor_key(book: Book) -> None:
    request = KeyedRequest.of("acme", PATH, "k", b"{}")

    def record_and_fail(ledger: Any) -> KeptAnswer:
        ledger.ensure_organization("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        book.recorder.record_now(lambda ledger: answer_once(ledger, request, record_and_fail))
    assert book.rows("select slug from organizations") == []
    assert book.rows("select * from idempotency_keys") == []


def test_keys_are_kept_for_thirty_days(book: Book) -> None:
    now = time.time_ns() // 1_000
    ages = {"young": timedelta(days=29, hours=23), "old": timedelta(days=30, seconds=1)}
    with book.engine.begin() as connection:
        for key, age in ages.items():
            connection.execute(
                text("insert into idempotency_keys values ('acme', '/', :key, 'f', 201, '/x', '{}', :at)"),
                {"key": key, "at": now - round(age.total_seconds() * 1_000_000)},
            )
    assert forget_old_keys(book.engine, now) == 1
    assert book.rows("select key from idempotency_keys") == [("young",)]
