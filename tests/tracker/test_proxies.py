"""What proxies say is believed of those that are trusted, and of nobody else."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server import Server, deployment
from tracker.web.proxies import client_address

FORWARDED = {
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "dora.example",
}
GITHUB = "/repos/octocat/example/deployments"
TRUSTED = [ip_network(network) for network in ("127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32")]


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that trusts a proxy on its own host."""
    networks = {"TRACKER_TRUSTED_PROXIES": "10.1.0.0/16, 127.0.0.1"}
    with Server(tmp_path_factory.mktemp("trusting"), **networks) as running:
        yield running


@pytest.fixture(scope="module")
def wary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that trusts proxies elsewhere."""
    with Server(tmp_path_factory.mktemp("wary"), TRACKER_TRUSTED_PROXIES="10.1.0.0/16") as running:
        yield running


def base_for(server: Server, headers: dict[str, str] | list[tuple[str, str]]) -> str:
    """The address by which the service calls itself in an answer."""
    with server.client(server.token()) as client:
        url = client.get("/user", headers=headers).json()["url"]
    assert isinstance(url, str)
    return url.removesuffix("/users/test")


def test_a_trusted_proxy_names_scheme_and_host_of_every_address(trusting: Server) -> None:
    with trusting.client(trusting.token()) as client:
        client.headers.update(FORWARDED)
        made = [client.post(GITHUB, json={"ref": "main"}) for _ in range(2)][-1]
        assert made.headers["Location"] == made.json()["url"]
        assert made.json()["url"].startswith(f"https://dora.example{GITHUB}/")
        following = client.get(GITHUB, params={"per_page": 1}).links["next"]["url"]
        assert following.startswith(f"https://dora.example{GITHUB}?")


def test_nobody_else_is_believed(server: Server, wary: Server) -> None:
    for running in (server, wary):
        assert base_for(running, FORWARDED) == running.url
        with running.client(running.token()) as client:
            client.headers.update(FORWARDED)
            assert client.post(GITHUB, json={"ref": "main"}).headers["Location"].startswith(running.url)


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"X-Forwarded-Proto": "https"}, "https://HERE"),
        ({"X-Forwarded-Proto": "HTTPS", "Host": "dora.example"}, "https://dora.example"),
        ({"X-Forwarded-Host": "dora.example:8443"}, "http://dora.example:8443"),
        ({"X-Forwarded-Host": "[2001:db8::1]:8443"}, "http://[2001:db8::1]:8443"),
        # What is none changes nothing.
        ({"X-Forwarded-Proto": "javascript"}, "http://HERE"),
        ({"X-Forwarded-Host": "dora.example/path"}, "http://HERE"),
        ({"X-Forwarded-Host": "<dora.example>"}, "http://HERE"),
        ({"X-Forwarded-Proto": "", "X-Forwarded-Host": ""}, "http://HERE"),
        # A client made up the first values; the one proxy added what it saw.
        ({"X-Forwarded-For": "9.9.9.9, 198.51.100.7", "X-Forwarded-Proto": "https, http"}, "http://HERE"),
        ({"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Host": "evil.example, dora.example"}, "http://dora.example"),
        # TLS ends at the outer one of two proxies.
        ({"X-Forwarded-For": "198.51.100.7, 10.1.2.3", "X-Forwarded-Proto": "https, http"}, "https://HERE"),
        ({"X-Forwarded-For": "198.51.100.7, 10.1.2.3", "X-Forwarded-Proto": "https"}, "https://HERE"),
        ([("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", "10.1.2.3"),
          ("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")], "https://HERE"),
    ],
)  # fmt: skip
def test_of_several_values_the_one_counts_that_the_outermost_trusted_proxy_added(
    trusting: Server, headers: dict[str, str] | list[tuple[str, str]], base: str
) -> None:
    assert base_for(trusting, headers) == base.replace("HERE", trusting.url.removeprefix("http://"))


def test_a_session_over_tls_is_kept_to_tls_and_its_forms_are_the_services_own(trusting: Server) -> None:
    form = {"token": trusting.token()}
    for headers, is_secure in ((FORWARDED, True), ({}, False)):
        signed_in = httpx.post(f"{trusting.url}/sign-in", data=form, headers=headers)
        assert signed_in.status_code == 303
        assert ("secure" in signed_in.headers["Set-Cookie"].lower()) is is_secure
    for origin, status in (("https://dora.example", 303), ("https://evil.example", 403)):
        headers = FORWARDED | {"Origin": origin}
        assert httpx.post(f"{trusting.url}/sign-in", data=form, headers=headers).status_code == status


def test_the_public_url_wins(tmp_path: Path) -> None:
    environment = {"TRACKER_PUBLIC_URL": "https://public.example", "TRACKER_TRUSTED_PROXIES": "127.0.0.1"}
    with Server(tmp_path, **environment) as server, server.client(server.token()) as client:
        assert base_for(server, FORWARDED) == "https://public.example"
        location = client.post("/api/v1/deployments", json=deployment(), headers=FORWARDED).headers[
            "Location"
        ]
        assert location.startswith("https://public.example/api/v1/deployments/")


def test_what_is_no_network_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="TRUSTED_PROXIES"):
        Server(tmp_path, TRACKER_TRUSTED_PROXIES="proxy.example")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        # Whoever is not trusted stands for himself.
        ("203.0.113.9", ["198.51.100.7"], "203.0.113.9"),
        # From the right, over the trusted ones: what is further left is the client's own word.
        ("127.0.0.1", ["9.9.9.9, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("127.0.0.1", ["9.9.9.9", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
        ("127.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("127.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("127.0.0.1", ["[2001:db9::7]:4711"], "2001:db9::7"),
        ("127.0.0.1", ["2001:db9::7, 2001:db8::1"], "2001:db9::7"),
        ("::ffff:127.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        # A trusted proxy that cannot say who asked is told itself.
        ("127.0.0.1", ["198.51.100.7, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("", ["198.51.100.7"], ""),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_trusted_proxy(
    peer: str, forwarded_for: list[str], address: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded_for]
    scope: Any = {"type": "http", "client": (peer, 4711) if peer else None, "headers": headers}
    assert client_address(scope, TRUSTED) == address
    assert client_address(scope, []) == peer.removeprefix("::ffff:")
