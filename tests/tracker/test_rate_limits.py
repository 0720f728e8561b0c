"""Whoever asks too much is told when to go on, and nobody else waits for it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.server import Server, deployment
from tests.waiting import wait_until
from tracker.web.rate_limits import _Counters

PATH = "/api/v1/deployments"
LIMITS = {
    "TRACKER_TOKEN_REQUESTS_PER_MINUTE": "8",
    "TRACKER_ORGANIZATION_REQUESTS_PER_MINUTE": "12",
    "TRACKER_FAILED_LOGINS_PER_MINUTE": "5",
    "TRACKER_MAX_WEBHOOKS": "2",
    "TRACKER_WEBHOOK_NETWORKS": "127.0.0.0/8",
    "TRACKER_TRUSTED_PROXIES": "127.0.0.1",
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("limited"), **LIMITS) as server:
        yield server


def until_refused(
    client: httpx.Client, path: str = PATH, most: int = 40, **headers: str
) -> tuple[int, httpx.Response]:
    """How many requests were answered before one was refused with 429, and that refusal.

    A minute may end meanwhile; then the count begins anew.
    """
    for count in range(most):
        answered = client.get(path, headers=headers)
        if answered.status_code == 429:
            return count, answered
    raise AssertionError(f"{most} requests were answered")


def require_told(refused: httpx.Response) -> None:
    assert refused.json()["type"] == "urn:tracker:problem:too-many-requests"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert ";r=0;" in refused.headers["RateLimit"]


def test_a_token_is_told_what_is_left_and_then_to_wait(limited: Server) -> None:
    with limited.client(limited.token(org="of-a-token")) as client:
        left = client.get(PATH).headers
        assert left["RateLimit-Policy"] == '"token";q=8;w=60, "organization";q=12;w=60'
        assert left["RateLimit"].startswith('"token";r=7;t=')
        count, refused = until_refused(client)
        assert count >= 7
        require_told(refused)
        # And another token of the organization goes on.
        with limited.client(limited.token(org="of-a-token")) as other:
            assert other.get(PATH).status_code == 200


def test_an_organization_is_limited_over_all_its_tokens_and_no_other_by_it(limited: Server) -> None:
    refused = None
    for _ in range(40):
        with limited.client(limited.token(org="busy")) as client:
            answered = client.get(PATH)
        if answered.status_code == 429:
            refused = answered
            break
    assert refused is not None
    assert '"organization";r=0;' in refused.headers["RateLimit"]
    assert "This organization asks more than 12 times a minute" in refused.json()["detail"]
    require_told(refused)
    with limited.client(limited.token(org="calm")) as client:
        assert client.post(PATH, json=deployment()).status_code == 201


def test_addresses_that_show_bad_tokens_are_limited_and_good_tokens_never(limited: Server) -> None:
    with limited.client("nonsense") as client:
        _, refused = until_refused(client, **{"X-Forwarded-For": "192.0.2.1"})
        require_told(refused)
        # Another address, which the proxy names, is another's.
        assert client.get(PATH, headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 401
    with limited.client(limited.token(org="behind-it")) as client:
        assert client.get(PATH, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 200


def test_requests_without_a_token_are_no_attempts(limited: Server) -> None:
    with limited.client() as client:
        assert {
            client.get(PATH, headers={"X-Forwarded-For": "192.0.2.3"}).status_code for _ in range(12)
        } == {401}


def test_an_organization_has_so_many_webhooks_and_no_more(limited: Server) -> None:
    with limited.client(limited.token(org="of-webhooks")) as client:
        made = [client.post("/api/v1/webhooks", json={"url": f"http://127.0.0.1:9/{n}"}) for n in range(3)]
        assert [one.status_code for one in made] == [201, 201, 409]
        assert client.delete(made[0].headers["Location"]).status_code == 204
        assert client.post("/api/v1/webhooks", json={"url": "http://127.0.0.1:9/4"}).status_code == 201


def test_a_limit_of_zero_is_none(server: Server) -> None:
    with server.client("nonsense") as client:
        assert {client.get(PATH).status_code for _ in range(150)} == {401}


def test_counts_that_are_over_are_dropped_and_others_go_on() -> None:
    counters = _Counters()
    for number in range(100):
        counters.incr(f"address-{number}", 0.05)

    def only_one_is_left() -> bool:
        counters.incr("token", 60)
        return set(counters.storage) == {"token"}

    wait_until(only_one_is_left)
    counted = counters.get("token")
    assert counters.incr("token", 60) == counted + 1
