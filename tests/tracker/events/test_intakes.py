"""Whose events come in, how they are believed, and what is written down of them."""

import base64
from collections.abc import Callable

import httpx
import pytest

from tests.events import EVENTS, INTAKES, Sender
from tests.server import Server
from tests.waiting import wait_until

PING = {"zen": "Keep it simple."}


@pytest.fixture
def github(client: httpx.Client) -> Sender:
    return Sender.to(client, "github")


def ping(sender: Sender, **headers: str) -> httpx.Response:
    return sender.post(PING, {"X-GitHub-Event": "ping", **headers})


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def test_an_event_is_believed_by_its_signature_secret_or_token(
    github: Sender, server: Server, organization: str
) -> None:
    assert (
        github.signed(PING, "X-Hub-Signature-256", "sha256=", **{"X-GitHub-Event": "ping"})["reason"]
        == "ping"
    )
    token = server.token("deployments:write", organization)
    for authorization in (f"Bearer {github.secret}", basic(github.secret), f"Bearer {token}", basic(token)):
        assert ping(github, Authorization=authorization).status_code == 200, authorization
    in_address = httpx.post(
        f"{server.url}{github.url}",
        params={"token": github.secret},
        json=PING,
        headers={"X-GitHub-Event": "ping"},
    )
    assert in_address.status_code == 200


def test_the_first_credential_that_is_shown_decides(
    github: Sender, server: Server, organization: str
) -> None:
    right = {"Authorization": f"Bearer {github.secret}"}
    wrong_signature = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    assert ping(github, **right, **wrong_signature).status_code == 401
    assert ping(github).status_code == 401
    for authorization in ("Bearer nonsense", basic("nonsense"), basic(""), "Basic !", "Bearer"):
        assert ping(github, Authorization=authorization).status_code == 401, authorization
    reader = server.token("metrics:read", organization)
    assert ping(github, Authorization=f"Bearer {reader}").status_code == 403
    stranger = server.token("deployments:write", f"not-{organization}")
    assert ping(github, Authorization=f"Bearer {stranger}").status_code == 404


def test_what_is_no_intake_of_the_source_is_not_found(github: Sender, server: Server) -> None:
    headers = {"Authorization": f"Bearer {github.secret}", "X-GitHub-Event": "ping"}
    for path in (f"{EVENTS}/github/nothing", f"{EVENTS}/nobody/{github.url.rpartition('/')[2]}"):
        assert httpx.post(server.url + path, json=PING, headers=headers).status_code == 404


def test_without_an_intake_a_token_says_whose_events_they_are(
    client: httpx.Client, client_with: Callable[..., httpx.Client]
) -> None:
    writer = client_with("deployments:write")
    answered = writer.post(f"{EVENTS}/github", json=PING, headers={"X-GitHub-Event": "ping"})
    assert answered.json() == {"outcome": "ignored", "reason": "ping", "records": []}
    assert [one["intake_id"] for one in client.get(EVENTS).json()["items"]] == [None]


def test_an_event_is_answered_with_200_whatever_it_holds(github: Sender) -> None:
    authorization = {"Authorization": f"Bearer {github.secret}"}
    for payload in ([], {}, "text", 7, None, {"deployment": 1}, {"deployment": {"sha": [], "id": {}}}):
        for event in ("deployment", "deployment_status", "workflow_run", "release", "issues", "made_up"):
            answered = github.post(payload, {**authorization, "X-GitHub-Event": event})
            assert answered.status_code == 200, (event, payload, answered.text)
            assert answered.json()["outcome"] == "ignored"
    assert (
        github.taken(github.post({}, authorization))["reason"]
        == "unreadable: the header X-GitHub-Event is missing"
    )
    for raw in (b"", b"{", b"[" * 10_000):
        assert github.post(None, {**authorization, "X-GitHub-Event": "ping"}, raw=raw).status_code == 400


def test_what_came_is_listed_with_what_became_of_it(github: Sender, client: httpx.Client) -> None:
    for number in range(3):
        ping(github, Authorization=f"Bearer {github.secret}", **{"X-GitHub-Delivery": f"guid-{number}"})
    first = client.get(EVENTS, params={"limit": 2, "source": "github", "outcome": "ignored"})
    assert [one["delivery_id"] for one in first.json()["items"]] == ["guid-2", "guid-1"]
    assert {one["reason"] for one in first.json()["items"]} == {"ping"}
    following = client.get(first.links["next"]["url"])
    assert [one["delivery_id"] for one in following.json()["items"]] == ["guid-0"]
    assert "next" not in following.links
    assert client.get(EVENTS, params={"outcome": "recorded"}).json()["items"] == []


def test_a_secret_is_told_once_and_changed_without_a_gap(github: Sender, client: httpx.Client) -> None:
    (listed,) = client.get(INTAKES).json()["items"]
    assert (listed["secret"], listed["secrets_count"]) == (None, 1)
    assert github.secret not in client.get(INTAKES).text
    mine = f"{INTAKES}/{listed['id']}/secrets"
    added = client.post(mine, json={"secret": "from-the-sender"}).json()
    assert (added["secret"], added["secrets_count"]) == ("from-the-sender", 2)
    for secret in (github.secret, "from-the-sender"):
        assert ping(github, Authorization=f"Bearer {secret}").status_code == 200
    assert client.delete(f"{mine}/oldest").status_code == 204
    assert ping(github, Authorization=f"Bearer {github.secret}").status_code == 401
    assert ping(github, Authorization="Bearer from-the-sender").status_code == 200
    assert client.delete(f"{mine}/oldest").status_code == 400
    assert client.delete(f"{INTAKES}/{listed['id']}").status_code == 204
    assert ping(github, Authorization="Bearer from-the-sender").status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/source"),
        ({"source": "nobody"}, "/source"),
        ({"source": "github", "secret": "short"}, "/secret"),
        ({"source": "github", "repositories": ["https://github.com/a"]}, "/repositories/0"),
        ({"source": "github", "options": {"nothing": "x"}}, "/options/nothing"),
        ({"source": "github", "options": {"deployments": "x"}}, "/options/deployments"),
        ({"source": "github", "defaults": {"repository_url": "nonsense"}}, "/defaults/repository_url"),
    ],
)
def test_what_is_wrong_with_an_intake_is_named(
    client: httpx.Client, body: dict[str, object], pointer: str
) -> None:
    answered = client.post(INTAKES, json=body)
    assert answered.status_code == 400
    assert [error["pointer"] for error in answered.json()["errors"]] == [pointer]
    assert client.get(INTAKES).json()["items"] == []


def test_the_command_line_adds_lists_and_removes(
    server: Server, client: httpx.Client, organization: str
) -> None:
    client.get(INTAKES)
    # The organization is known once its token was used, and that was written down.
    wait_until(lambda: client.get("/api/v1/tokens").json()["items"])
    added = server.run(
        "intake", "add", "--org", organization, "github", "--production", "live-*", "--option", "deployments=release"
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    url, secret = (line.split()[1] for line in added.stdout.splitlines())
    assert "Payload URL" in added.stderr
    sender = Sender(client, "github", httpx.URL(url).path, secret)
    assert sender.bearer(PING, **{"X-GitHub-Event": "ping"})["reason"] == "ping"
    intake_id = url.rpartition("/")[2]
    assert intake_id in server.run("intake", "list", "--org", organization).stdout
    assert server.run("intake", "remove", intake_id, "--org", organization).returncode == 0
    wrong = server.run("intake", "add", "--org", organization, "github", "--option", "deployments=x")
    assert (wrong.returncode, "must be one of deployments, workflow_run, release" in wrong.stderr) == (
        2,
        True,
    )
