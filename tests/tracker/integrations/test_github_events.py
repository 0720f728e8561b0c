"""Events for subscribers of GitHub's kind are what GitHub would send: by its schemas, and to its receivers."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import githubkit.webhooks
import httpx
import pytest
from gidgethub.sansio import Event

from tests.node import require_package, run_script
from tests.server import Server, deployment
from tests.subscriber import Heard, Subscriber
from tests.waiting import wait_until

SECRET = "a text that nobody can guess"
COMMIT = "a" * 40
REQUESTS = "/repos/octocat/example/deployments"
RECORDS = "/api/v1/deployments"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that may call subscribers on this host."""
    with Server(tmp_path_factory.mktemp("events"), TRACKER_WEBHOOK_NETWORKS="127.0.0.0/8") as running:
        yield running


@pytest.fixture
def client(service: Server, organization: str) -> Iterator[httpx.Client]:
    with service.client(service.token(org=organization)) as client:
        yield client


@pytest.fixture
def subscriber(client: httpx.Client) -> Iterator[Subscriber]:
    with Subscriber() as subscriber:
        body = {"url": subscriber.url, "kind": "github", "secret": SECRET}
        assert client.post("/api/v1/webhooks", json=body).status_code == 201
        yield subscriber


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answered = client.post(path, json=body)
    assert answered.status_code == 201, answered.text
    found: dict[str, Any] = answered.json()
    return found


def errors_by_schema(heard: Sequence[Heard]) -> list[list[str]]:
    """What the published schemas find wrong with each event."""
    require_package("@octokit/webhooks-schemas")
    lines = [json.dumps({"event": one.headers["x-github-event"], "payload": one.json()}) for one in heard]
    return [said["errors"] for said in run_script("schemas.js", stdin="\n".join(lines))]


def require_received(heard: Sequence[Heard]) -> None:
    """Raises where a receiver of GitHub's webhooks does not take the event, or a typed one cannot read it."""
    for one in heard:
        event = Event.from_http(one.headers, one.body, secret=SECRET)
        assert event.event == one.headers["x-github-event"]
        githubkit.webhooks.parse(event.event, one.body)


def told_of(subscriber: Subscriber, count: int) -> list[Heard]:
    """So many events, each once: one whose answer is not there in time is sent again."""
    found: dict[str, Heard] = {}

    def has_all() -> bool:
        for one in list(subscriber.heard):
            found.setdefault(one.headers["x-github-delivery"], one)
        return len(found) >= count

    wait_until(has_all)
    return list(found.values())


def states(heard: Sequence[Heard]) -> list[str | None]:
    return [one.json().get("deployment_status", {}).get("state") for one in heard]


FULL = {
    "sha": COMMIT,
    "payload": {"room": 7},
    "environment": "prod-eu",
    "description": "Release",
    "auto_merge": False,
    "required_contexts": ["ci/build"],
    "production_environment": True,
    "transient_environment": True,
}
FULL_STATUS = {
    "log_url": "https://ci.example/1",
    "environment_url": "https://shop.example",
    "description": "done",
    "environment": "production",
}


@pytest.mark.parametrize("fields", [{}, FULL], ids=["bare", "full"])
def test_each_state_passes_the_schema(
    client: httpx.Client, subscriber: Subscriber, fields: dict[str, Any]
) -> None:
    asked = post(client, REQUESTS, ref="main", **fields)
    told = ["pending", "queued", "in_progress", "success", "failure", "error"]
    for state in told:
        post(client, f"{REQUESTS}/{asked['id']}/statuses", state=state, **(FULL_STATUS if fields else {}))
    heard = told_of(subscriber, 7)
    assert states(heard) == [None, *told]
    require_received(heard)
    assert errors_by_schema(heard) == [[]] * 7


@pytest.mark.parametrize(
    "record",
    [
        {"commit_id": COMMIT},
        {"version": "1.2.3", "repository_url": "git@git.example:group/sub/shop.git"},
        {"commit_id": COMMIT, "repository_url": "https://dev.azure.com/My%20Org/My%20Project/_git/My%20Repo"},
        {"commit_id": COMMIT, "repository_url": "https://jörg.example/Köln/dom"},
        {
            "commit_id": COMMIT, "branch": "release/1 & 2", "version": "1.2.3", "service": "web", "environment": "Prod EU",
            "title": "Größer", "url": "https://ci.example/1", "changelog": "all", "labels": {"team": "blue"}, "production": True,
        },
    ],
)  # fmt: skip
def test_what_was_recorded_otherwise_passes_it_too(
    client: httpx.Client, subscriber: Subscriber, record: dict[str, Any]
) -> None:
    body = {"repository_url": "https://github.com/acme/shop", "status": "in_progress"} | record
    made = post(client, RECORDS, **body)
    for status in ("success", "fail"):
        assert client.patch(f"{RECORDS}/{made['id']}", json={"status": status}).status_code == 200
    heard = told_of(subscriber, 3)
    assert states(heard) == [None, "success", "failure"]
    require_received(heard)
    assert errors_by_schema(heard) == [[]] * 3


def test_addresses_that_are_none_are_kept_to_where_any_text_may_stand(
    client: httpx.Client, subscriber: Subscriber
) -> None:
    asked = post(client, REQUESTS, ref="main")
    given = [
        "build 7",
        "https://ci.example/ä|b?q=[1]#100%",
        "javascript:alert(1)",
        "https://ci.example:99999/",
    ]
    for address in given:
        post(
            client, f"{REQUESTS}/{asked['id']}/statuses", state="success", log_url=address, environment_url=address
        )  # fmt: skip
    heard = told_of(subscriber, 5)[1:]
    told = [one.json()["deployment_status"] for one in heard]
    assert [one["target_url"] for one in told] == given
    encoded = "https://ci.example/%C3%A4%7Cb?q=%5B1%5D#100%25"
    assert [one.get("log_url") for one in told] == [None, encoded, None, None]
    assert [one["environment_url"] for one in told] == ["", encoded, "", ""]
    require_received(heard)
    assert errors_by_schema(heard) == [[]] * 4


def test_what_is_inactive_is_no_event_of_githubs(client: httpx.Client, subscriber: Subscriber) -> None:
    first = post(client, REQUESTS, ref="main", environment="staging")
    post(client, f"{REQUESTS}/{first['id']}/statuses", state="success")
    second = post(client, REQUESTS, ref="main", environment="staging")
    # It takes the first one's place.
    post(client, f"{REQUESTS}/{second['id']}/statuses", state="success")
    post(client, f"{REQUESTS}/{second['id']}/statuses", state="inactive")
    post(client, RECORDS, **deployment(status="in_progress", deployment_node_id="1"))
    client.post(RECORDS, json=deployment(status="cancelled", deployment_node_id="1"))
    last = post(client, REQUESTS, ref="last")
    assert [one["state"] for one in client.get(first["statuses_url"]).json()] == ["inactive", "success"]
    heard = told_of(subscriber, 6)
    assert last["id"] in {one.json()["deployment"]["id"] for one in heard}
    # They are put on their way in the order in which they happened: what is not by now never is.
    (webhook,) = client.get("/api/v1/webhooks").json()["items"]
    told = client.get(f"/api/v1/webhooks/{webhook['id']}/deliveries").json()["items"]
    assert len(told) == 6
    assert sorted(map(str, states(heard))) == [*["None"] * 4, *["success"] * 2]


def test_addresses_in_an_event_lead_to_what_it_tells(client: httpx.Client, subscriber: Subscriber) -> None:
    asked = post(client, REQUESTS, ref="main", **FULL)
    post(client, f"{REQUESTS}/{asked['id']}/statuses", state="success")
    told = told_of(subscriber, 2)[1].json()
    assert client.get(told["deployment"]["url"]).json() == told["deployment"]
    assert client.get(told["deployment_status"]["url"]).json()["id"] == told["deployment_status"]["id"]
    assert client.get(told["repository"]["url"]).json()["full_name"] == "octocat/example"
    assert client.get(told["sender"]["avatar_url"]).status_code == 200


def test_a_payload_that_is_a_text_is_handed_on_as_it_is(client: httpx.Client, subscriber: Subscriber) -> None:
    post(client, REQUESTS, ref="main", payload="deploy:fast")
    heard = told_of(subscriber, 1)
    assert heard[0].json()["deployment"]["payload"] == "deploy:fast"
    # GitHub's own description has texts too; the schemas were made from examples without one.
    require_received(heard)
    assert errors_by_schema(heard) == [['/deployment/payload must be object {"type":"object"}']]
