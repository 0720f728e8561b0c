"""Who may look: a token or a one-time link becomes a session, and a session can nothing but look and send its own forms."""

import json
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from tests.server import TRACKER, Server, clean_environment, deployment
from tests.tracker.pages.conftest import HTML, form_key, login_code
from tests.waiting import wait_until
from tracker.auth.keys import load_keys
from tracker.auth.tokens import Scope, mint
from tracker.cli.login_link import new_login_code
from tracker.settings import Settings

pytestmark = pytest.mark.on_one_database

Make = Callable[..., httpx.Client]


def cookie_of(answered: httpx.Response) -> SimpleCookie:
    cookie: SimpleCookie = SimpleCookie()
    cookie.load(answered.headers["Set-Cookie"])
    return cookie


@pytest.fixture
def anyone(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=HTML, follow_redirects=False, timeout=30) as client:
        yield client


def test_who_has_not_signed_in_is_asked_to_and_comes_back(anyone: httpx.Client, server: Server) -> None:
    sent_away = anyone.get("/deployments?q=shop&status=fail")
    assert sent_away.status_code == 303
    assert sent_away.headers["Location"] == "/sign-in?next=%2Fdeployments%3Fq%3Dshop%26status%3Dfail"
    form = anyone.get(sent_away.headers["Location"])
    assert 'name="next" value="/deployments?q=shop&amp;status=fail"' in form.text
    answered = anyone.post(
        "/sign-in", data={"token": server.token(), "next": "/deployments?q=shop&status=fail"}
    )
    assert (answered.status_code, answered.headers["Location"]) == (303, "/deployments?q=shop&status=fail")
    assert anyone.get("/deployments").status_code == 200


def test_the_cookie_is_for_this_site_alone_and_ends_with_the_token(
    anyone: httpx.Client, server: Server
) -> None:
    cookie = cookie_of(anyone.post("/sign-in", data={"token": server.token()}))["tracker_session"]
    assert (cookie["httponly"], cookie["samesite"].lower(), cookie["path"]) == (True, "strict", "/")
    # The token of a test is good for an hour, a session for twelve.
    assert 3_500 < int(cookie["max-age"]) <= 3_600
    month = mint(
        load_keys(Settings(keys_file=server.folder / "data" / "keys.json")),
        organization="acme", subject="test", scopes=[Scope.METRICS_READ],
        lifetime=timedelta(days=30), now=datetime.now(UTC),
    )  # fmt: skip
    cookie = cookie_of(anyone.post("/sign-in", data={"token": month}))["tracker_session"]
    assert 12 * 3_600 - 60 < int(cookie["max-age"]) <= 12 * 3_600


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "Paste a token."),
        ("eyJhbGciOiJub25lIn0.e30.", "a key that is not known here"),
        ("not a token", "malformed"),
        ("x" * 50_000, "malformed"),
    ],
)
def test_what_is_no_token_is_refused_with_a_word(anyone: httpx.Client, token: str, said: str) -> None:
    answered = anyone.post("/sign-in", data={"token": token})
    assert answered.status_code == 401
    assert said in answered.text
    assert "Set-Cookie" not in answered.headers


def test_a_token_that_only_records_may_not_look(anyone: httpx.Client, server: Server) -> None:
    answered = anyone.post("/sign-in", data={"token": server.token("deployments:write")})
    assert answered.status_code == 401
    assert "reads no metrics" in answered.text


@pytest.mark.parametrize(
    "following", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", "a", "//["]
)
def test_nobody_is_sent_to_another_site(anyone: httpx.Client, server: Server, following: str) -> None:
    answered = anyone.post("/sign-in", data={"token": server.token(), "next": following})
    assert answered.headers["Location"] == "/"


def test_a_link_opens_one_session_and_looking_at_it_uses_nothing_up(
    anyone: httpx.Client, server: Server, organization: str
) -> None:
    code = login_code(server, organization)
    for _ in range(2):
        shown = anyone.get("/login", params={"code": code})
        assert f"Sign in to {organization}" in shown.text
    answered = anyone.post("/login", data={"code": code})
    assert (answered.status_code, answered.headers["Location"]) == (303, "/")
    cookie = cookie_of(answered)["tracker_session"]
    assert 12 * 3_600 - 60 < int(cookie["max-age"]) <= 12 * 3_600
    assert organization in anyone.get("/").text
    again = httpx.post(f"{server.url}/login", data={"code": code}, headers=HTML)
    assert again.status_code == 401
    assert "has been used" in again.text
    assert "has been used" in httpx.get(f"{server.url}/login", params={"code": code}, headers=HTML).text


def test_a_link_and_a_session_are_no_tokens(signed_in: Make, server: Server, organization: str) -> None:
    session = signed_in().cookies["tracker_session"]
    for stolen in (session, login_code(server, organization)):
        with server.client(stolen) as thief:
            assert thief.get("/api/v1/deployments").status_code == 401
            assert thief.post("/api/v1/deployments", json=deployment()).status_code == 401
    assert httpx.post(f"{server.url}/sign-in", data={"token": session}, headers=HTML).status_code == 401
    code = login_code(server, organization)
    assert httpx.get(f"{server.url}/", cookies={"tracker_session": code}, headers=HTML).status_code == 303


def test_a_session_reads_the_interface_and_posts_nothing(signed_in: Make) -> None:
    client = signed_in()
    assert client.get("/api/v1/metrics?format=csv").status_code == 200
    assert client.head("/healthz").status_code == 200
    assert client.post("/api/v1/deployments", json=deployment()).status_code == 401
    assert client.patch("/api/v1/settings", json={"benchmark": 2022}).status_code == 401


def test_signing_out_ends_the_session_wherever_its_cookie_is(signed_in: Make, server: Server) -> None:
    client = signed_in()
    stolen = dict(client.cookies)
    key = form_key(client.get("/").text)
    answered = client.post("/sign-out", data={"form_key": key})
    assert (answered.status_code, answered.headers["Location"]) == (303, "/sign-in")
    assert "tracker_session" not in client.cookies
    assert httpx.get(f"{server.url}/", cookies=stolen, headers=HTML).status_code == 303


def test_who_revokes_a_token_ends_its_sessions(signed_in: Make, server: Server) -> None:
    client = signed_in()
    assert client.get("/").status_code == 200
    # A token is known once it was used, and that was written down.
    wait_until(
        lambda: server.run("token", "revoke", client.cookies["tracker_session"]).returncode == 0, seconds=20
    )
    wait_until(lambda: client.get("/").status_code == 303, seconds=5)


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        ({}, {}),
        ({}, {"form_key": "0" * 32}),
        ({"Origin": "https://evil.example"}, None),
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({"Sec-Fetch-Site": "same-site"}, None),
    ],
)
@pytest.mark.parametrize("path", ["/sign-out", "/settings", "/tokens", "/tokens/revoke"])
def test_a_form_of_another_site_changes_nothing(
    signed_in: Make, path: str, headers: dict[str, str], data: dict[str, str] | None
) -> None:
    client = signed_in()
    given = {"form_key": form_key(client.get("/").text)} if data is None else data
    answered = client.post(path, data={**given, "benchmark": "2022"}, headers=headers)
    assert answered.status_code == 403
    assert client.get("/").status_code == 200
    assert client.get("/api/v1/settings").json()["benchmark"] == 2023


def test_a_form_is_no_other_sessions(signed_in: Make) -> None:
    mine, other = signed_in(), signed_in()
    key = form_key(other.get("/").text)
    assert mine.post("/settings", data={"form_key": key, "benchmark": "2022"}).status_code == 403


def test_a_link_from_elsewhere_comes_again_with_its_cookie(anyone: httpx.Client) -> None:
    # A browser sends a strict cookie with no click on another site: the page sends it here once more.
    answered = anyone.get("/deployments", headers={"Sec-Fetch-Site": "cross-site"})
    assert answered.status_code == 200
    assert '<meta http-equiv="refresh" content="0">' in answered.text


def test_what_one_may_not_see_is_nowhere(signed_in: Make) -> None:
    looker = signed_in("metrics:read")
    html = looker.get("/").text
    for path in ("/deployments", "/incidents", "/settings", "/tokens"):
        assert f'href="{path}' not in html
        assert looker.get(path).status_code == 403
    limited = signed_in("admin", "acme/shop")
    html = limited.get("/").text
    assert 'href="/deployments' in html
    for path in ("/settings", "/tokens"):
        assert f'href="{path}' not in html
        assert limited.get(path).status_code == 403


def test_programs_are_still_answered_in_json(server: Server) -> None:
    answered = httpx.get(f"{server.url}/nothing-here")
    assert answered.headers["Content-Type"] == "application/problem+json"
    answered = httpx.get(f"{server.url}/api/v1/deployments", headers=HTML)
    assert (answered.status_code, answered.headers["Content-Type"]) == (401, "application/problem+json")
    answered = httpx.get(f"{server.url}/nothing-here", headers=HTML)
    assert (answered.status_code, answered.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_behind_a_proxy_the_public_address_is_the_services_own(tmp_path: Path) -> None:
    with Server(tmp_path, TRACKER_PUBLIC_URL="https://dora.example") as hidden:
        given = {"data": {"token": hidden.token()}, "headers": HTML}
        for origin, status in (
            ("https://dora.example", 303),
            (hidden.url, 303),
            ("https://evil.example", 403),
        ):
            given["headers"] = HTML | {"Origin": origin}
            answered = httpx.post(f"{hidden.url}/sign-in", **given)
            assert answered.status_code == status
            if status == 303:
                assert cookie_of(answered)["tracker_session"]["secure"]


def test_a_link_that_reads_no_metrics_opens_nothing(server: Server, organization: str) -> None:
    code = new_login_code(
        Settings(keys_file=server.folder / "data" / "keys.json"),
        organization,
        scopes=[Scope.DEPLOYMENTS_READ],
    )
    answered = httpx.post(f"{server.url}/login", data={"code": code}, headers=HTML)
    assert answered.status_code == 401
    assert "reads no metrics" in answered.text


def test_a_refused_form_is_no_refused_record(signed_in: Make) -> None:
    client = signed_in()
    assert client.post("/tokens/revoke", data={"token_id": "x"}).status_code == 403
    assert client.get("/api/v1/quality").json()["rejected"] == []


def test_the_register_says_what_a_token_allows_and_not_its_session(
    signed_in: Make, client: httpx.Client, server: Server, organization: str
) -> None:
    signed_in("deployments:write metrics:read").get("/")

    def scopes() -> list[list[str]]:
        return [one["scopes"] for one in client.get("/api/v1/tokens").json()["items"]]

    wait_until(lambda: ["deployments:write", "metrics:read"] in scopes(), seconds=10)
    assert ["metrics:read"] not in scopes()
    with httpx.Client(base_url=server.url, headers=HTML) as linked:
        linked.post("/login", data={"code": login_code(server, organization)})
        linked.get("/")
        wait_until(
            lambda: (
                [one["is_session"] for one in client.get("/api/v1/tokens").json()["items"]].count(True) == 1
            ),
            seconds=10,
        )


def test_a_ring_that_signs_nothing_serves_and_says_why_nobody_can_sign_in(tmp_path: Path) -> None:
    environment = {"TRACKER_SIGNING_ALGORITHM": "ES256"}
    with Server(tmp_path, **environment) as whole:
        token = whole.token()
    ring = json.loads((tmp_path / "data" / "keys.json").read_text())
    public = {"keys": [{name: value for name, value in key.items() if name != "d"} for key in ring["keys"]]}
    with Server(tmp_path, TRACKER_KEYS=json.dumps(public)) as reading:
        assert httpx.get(f"{reading.url}/healthz").status_code == 200
        answered = httpx.post(f"{reading.url}/sign-in", data={"token": token}, headers=HTML)
        assert answered.status_code == 401
        assert "holds no private key" in answered.text


def test_who_starts_the_service_in_a_terminal_is_given_a_link(tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [TRACKER, "serve", "--port", "0"],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=inside,
        stderr=subprocess.DEVNULL,
    )
    os.close(inside)
    said = b""
    try:
        while b"/login?code=" not in said:
            said += os.read(terminal, 10_000)
        assert b"Look at demo in a browser" in said
    finally:
        process.terminate()
        process.wait(timeout=40)
        os.close(terminal)
