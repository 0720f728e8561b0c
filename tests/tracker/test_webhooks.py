"""Events that go out: to whom, signed how, and what the interface says of them."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from github import Auth, Github
from standardwebhooks import Webhook

from tests.node import require_package, run_script
from tests.server import Server, as_recorded, deployment, ndjson
from tests.subscriber import Heard, Subscriber
from tests.waiting import wait_until

PATH = "/api/v1/webhooks"
RECORDS = "/api/v1/deployments"
LOOPBACK = {"TRACKER_WEBHOOK_NETWORKS": "127.0.0.0/8"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that may call subscribers on this host."""
    with Server(tmp_path_factory.mktemp("events"), **LOOPBACK) as running:
        yield running


@pytest.fixture
def events(service: Server, organization: str) -> Iterator[httpx.Client]:
    with service.client(service.token(org=organization)) as client:
        yield client


def subscribe(client: httpx.Client, subscriber: Subscriber, **fields: Any) -> dict[str, Any]:
    answered = client.post(PATH, json={"url": subscriber.url, **fields})
    assert answered.status_code == 201, answered.text
    found: dict[str, Any] = answered.json()
    return found


def deliveries(client: httpx.Client, webhook: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"{PATH}/{webhook['id']}/deliveries{query}").json()["items"]
    return found


def said(heard: list[Heard]) -> list[tuple[str, str]]:
    return [(one.json()["type"], one.json()["action"]) for one in heard]


def test_everything_that_happens_to_a_record_is_told_in_order(events: httpx.Client) -> None:
    with Subscriber() as subscriber:
        webhook = subscribe(events, subscriber)
        record = events.post(RECORDS, json=deployment(status="in_progress", deployment_node_id="1")).json()
        events.post(RECORDS, json=deployment(deployment_node_id="1"))
        events.patch(f"{RECORDS}/{record['id']}", json={"title": "Release"})
        events.patch(f"{RECORDS}/{record['id']}", json={"status": "fail"})
        last = events.get(f"{RECORDS}/{record['id']}").json()
        events.delete(f"{RECORDS}/{record['id']}")
        heard = subscriber.wait_for(5)
        assert said(heard) == [
            ("deployment", "created"), ("deployment_status", "created"), ("deployment", "updated"),
            ("deployment_status", "created"), ("deployment", "deleted"),
        ]  # fmt: skip
        told = heard[3].json()
        assert told["data"]["deployment"] == as_recorded(last)
        assert (told["data"]["status"]["state"], told["by"]) == ("failure", "test")
        assert len({one.id for one in heard}) == 5
        wait_until(lambda: {one["state"] for one in deliveries(events, webhook)} == {"delivered"})


def test_incidents_and_finished_records_are_told(events: httpx.Client) -> None:
    with Subscriber() as subscriber:
        subscribe(events, subscriber)
        events.post(RECORDS, json=deployment())
        subscriber.wait_for(2)
        incident = events.post("/api/v1/incidents", json={"started_at": datetime.now(UTC).isoformat()}).json()
        resolved = events.patch(
            f"/api/v1/incidents/{incident['id']}", json={"resolved_at": datetime.now(UTC).isoformat()}
        )
        heard = subscriber.wait_for(4)
        assert said(heard) == [
            ("deployment", "created"), ("deployment_status", "created"), ("incident", "created"), ("incident", "updated"),
        ]  # fmt: skip
        assert heard[3].json()["data"]["incident"] == resolved.json()


def test_events_are_signed_so_that_others_can_verify_them(events: httpx.Client) -> None:
    with Subscriber() as subscriber:
        made = subscribe(events, subscriber)
        own = subscribe(events, subscriber, secret="whsec_" + "QUJD" * 11, kind="github")
        plain = subscribe(events, subscriber, secret="a text that nobody can guess")
        events.post(RECORDS, json=deployment(status="in_progress"))
        heard = subscriber.wait_for(3)
    secrets = [made["secret"], own["secret"], b"a text that nobody can guess"]
    verified = set()
    for one in heard:
        for secret in secrets:
            try:
                Webhook(secret).verify(one.body, one.headers)
            except Exception:  # noqa: BLE001 - it is one of the others
                continue
            verified.add(secret)
    assert verified == set(secrets)
    assert plain["secret"] == "a text that nobody can guess"
    (by_github,) = [one for one in heard if "x-github-event" in one.headers]
    digest = hmac.new(own["secret"].encode(), by_github.body, hashlib.sha256).hexdigest()
    assert by_github.headers["x-hub-signature-256"] == f"sha256={digest}"
    require_package("standardwebhooks")
    lines = [
        json.dumps({"secret": secret, "body": body.decode(), "headers": one.headers})
        for one in heard
        for secret in secrets[:2]
        for body in (one.body, one.body + b" ")
    ]
    assert sorted(run_script("verify.js", stdin="\n".join(lines))) == sorted(
        2 * ["verified"] + 10 * ["WebhookVerificationError: No matching signature found"]
    )


def test_the_diagram_of_githubs_document_works_end_to_end(
    events: httpx.Client, service: Server, organization: str
) -> None:
    """Tooling asks for a deployment; a third party hears of it, deploys, and tells; tooling hears of that."""
    token = service.token(org=organization)
    tooling = Github(auth=Auth.Token(token), base_url=f"{service.url}/api/v3", seconds_between_writes=None)
    with Subscriber() as third_party:
        subscribe(events, third_party, kind="github")
        asked = tooling.get_repo("acme/shop").create_deployment("main", payload={"room": 7}, auto_merge=False)
        (event,) = third_party.wait_for(1)
        assert (event.headers["x-github-event"], event.headers["content-type"]) == (
            "deployment",
            "application/json",
        )
        payload = event.json()
        assert (payload["action"], payload["deployment"]["id"]) == ("created", asked.id)
        assert payload["deployment"]["payload"] == {"room": 7}
        assert payload["repository"]["full_name"] == "acme/shop"
        for state in ("in_progress", "success"):
            httpx.post(
                payload["deployment"]["statuses_url"],
                json={"state": state, "log_url": "https://ci.example/1"},
                headers={"Authorization": f"token {token}"},
            ).raise_for_status()
        heard = third_party.wait_for(3)
        assert [one.headers["x-github-event"] for one in heard] == ["deployment", *2 * ["deployment_status"]]
        last = heard[2].json()
        assert (last["deployment_status"]["state"], last["deployment"]["id"]) == ("success", asked.id)
        assert last["deployment_status"]["log_url"] == "https://ci.example/1"
    assert [one.state for one in asked.get_statuses()] == ["success", "in_progress"]


def test_what_github_does_with_a_request_is_passed_on(events: httpx.Client) -> None:
    wanted = {"auto_merge": False, "required_contexts": ["ci/build"]}
    with Subscriber() as subscriber:
        subscribe(events, subscriber)
        events.post("/repos/acme/shop/deployments", json={"ref": "main", **wanted}).raise_for_status()
        (heard,) = subscriber.wait_for(1)
    request = heard.json()["data"]["request"]
    assert {name: request[name] for name in wanted} == wanted


def test_a_github_subscriber_hears_of_records_that_came_otherwise(events: httpx.Client) -> None:
    with Subscriber() as subscriber:
        subscribe(events, subscriber, kind="github")
        record = events.post(RECORDS, json=deployment(branch="main")).json()
        events.patch(f"{RECORDS}/{record['id']}", json={"title": "no event of GitHub's"})
        events.patch(f"{RECORDS}/{record['id']}", json={"status": "fail"})
        heard = [one.json() for one in subscriber.wait_for(3)]
    assert [one.get("deployment_status", {}).get("state") for one in heard] == [None, "success", "failure"]
    assert [one["deployment"]["ref"] for one in heard] == ["main"] * 3


def test_only_what_was_asked_for_is_told_and_nothing_of_others(
    events: httpx.Client, service: Server, organization: str
) -> None:
    with (
        Subscriber() as subscriber,
        Subscriber() as heard_by_stranger,
        service.client(service.token(org=f"{organization}-2")) as stranger,
    ):
        webhook = subscribe(events, subscriber, events=["incident"])
        subscribe(stranger, heard_by_stranger)
        stranger.post(RECORDS, json=deployment())
        stranger.post("/api/v1/incidents", json={"started_at": datetime.now(UTC).isoformat()})
        events.post(RECORDS, json=deployment())
        events.post("/api/v1/incidents", json={"started_at": datetime.now(UTC).isoformat(), "key": "mine"})
        subscriber.wait_for(1)
        heard_by_stranger.wait_for(3)
        # Events are put on their way in the order in which they happened: what was not by now never is.
        events.post("/api/v1/incidents", json={"started_at": datetime.now(UTC).isoformat(), "key": "later"})
        heard = subscriber.wait_for(2)
        assert [one.json()["data"]["incident"]["key"] for one in heard] == ["mine", "later"]
        assert {one.json()["organization"] for one in heard} == {organization}
        assert len(deliveries(events, webhook)) == 2
        assert len(heard_by_stranger.heard) == 3


def test_what_changes_later_is_told_of_history_too(events: httpx.Client) -> None:
    with Subscriber() as subscriber:
        subscribe(events, subscriber)
        old = (datetime.now(UTC) - timedelta(days=3)).isoformat()
        record = events.post(RECORDS, json=deployment(finished_at=old)).json()
        events.patch(f"{RECORDS}/{record['id']}", json={"status": "fail"})
        events.delete(f"{RECORDS}/{record['id']}")
        assert said(subscriber.wait_for(2)) == [("deployment_status", "created"), ("deployment", "deleted")]


def test_addresses_in_events_are_the_services_whatever_host_was_called(
    events: httpx.Client, service: Server
) -> None:
    with Subscriber() as subscriber:
        subscribe(events, subscriber, kind="github")
        asked = events.post("/repos/a/b/deployments", json={"ref": "main"}, headers={"Host": "evil.example"})
        assert asked.json()["url"].startswith("http://evil.example/")
        (heard,) = subscriber.wait_for(1)
    assert heard.json()["deployment"]["statuses_url"].startswith(f"{service.url}/repos/a/b/")
    assert b"evil" not in heard.body


def test_history_is_no_event(events: httpx.Client) -> None:
    with Subscriber() as subscriber:
        webhook = subscribe(events, subscriber)
        old = (datetime.now(UTC) - timedelta(days=3)).isoformat()
        lines = [deployment(finished_at=old, version=str(number)) for number in range(50)]
        assert events.post(f"{RECORDS}/batch", content=ndjson(*lines)).json()["recorded"] == 50
        events.post("/api/v1/incidents", json={"started_at": old, "resolved_at": old})
        events.post(RECORDS, json=deployment(status="in_progress"))
        subscriber.wait_for(1)
        assert len(deliveries(events, webhook)) == 1


def test_a_subscriber_that_is_gone_is_told_nothing_more(events: httpx.Client) -> None:
    with Subscriber(lambda _: (410, {})) as subscriber:
        webhook = subscribe(events, subscriber)
        events.post(RECORDS, json=deployment())
        wait_until(lambda: not events.get(f"{PATH}/{webhook['id']}").json()["enabled"])
        assert "410" in events.get(f"{PATH}/{webhook['id']}").json()["disabled_reason"]
        assert {one["state"] for one in deliveries(events, webhook)} == {"dropped"}
        again = f"{PATH}/{webhook['id']}/deliveries/{subscriber.heard[0].id}/redelivery"
        assert events.post(again).status_code == 409
        events.post(RECORDS, json=deployment(version="2"))
        subscriber.answer = lambda _: (204, {})
        assert events.patch(f"{PATH}/{webhook['id']}", json={"enabled": True}).json()["enabled"]
        count = len(subscriber.heard)
        events.post(RECORDS, json=deployment(version="3", status="in_progress"))
        last = subscriber.wait_for(count + 1)[-1]
        assert last.json()["data"]["deployment"]["version"] == "3"


def test_a_redirect_is_not_followed(events: httpx.Client) -> None:
    with Subscriber() as inside, Subscriber(lambda _: (307, {"Location": inside.url})) as subscriber:
        webhook = subscribe(events, subscriber)
        events.post(RECORDS, json=deployment(status="in_progress"))
        wait_until(lambda: any(one["attempts"] for one in deliveries(events, webhook)))
        (delivery,) = deliveries(events, webhook)
        assert delivery["state"] == "pending"
        assert delivery["attempts"][0]["status"] == 307
        assert inside.url in delivery["attempts"][0]["error"]
        assert delivery["next_attempt_at"] > delivery["attempts"][0]["at"]
        assert inside.heard == []


def test_neither_ingestion_nor_others_notice_a_subscriber_that_hangs(events: httpx.Client) -> None:
    released = threading.Event()
    let_go: list[Heard] = []

    def hang(heard: Heard) -> tuple[int, dict[str, str]]:
        released.wait(60)
        let_go.append(heard)
        return 500, {}

    with Subscriber(hang) as hanging, Subscriber() as prompt:
        subscribe(events, hanging)
        subscribe(events, prompt)
        for number in range(40):
            events.post(
                RECORDS, json=deployment(version=str(number), status="in_progress")
            ).raise_for_status()
        prompt.wait_for(40)
        # Eight at once, and no more until one of them has answered.
        assert len(hanging.wait_for(8)) == 8
        assert let_go == []
        released.set()
        hanging.wait_for(9)


def test_an_event_can_be_sent_again_under_its_id(events: httpx.Client) -> None:
    with Subscriber() as subscriber:
        webhook = subscribe(events, subscriber)
        events.post(RECORDS, json=deployment(status="in_progress"))
        (first,) = subscriber.wait_for(1)
        wait_until(lambda: deliveries(events, webhook)[0]["state"] == "delivered")
        one = f"{PATH}/{webhook['id']}/deliveries/{first.id}"
        assert events.get(one).json()["body"] == first.json()
        answered = events.post(f"{one}/redelivery")
        assert (answered.status_code, answered.json()["state"]) == (202, "pending")
        second = subscriber.wait_for(2)[1]
        assert (second.id, second.body) == (first.id, first.body)
        wait_until(lambda: len(events.get(one).json()["attempts"]) == 2)
        assert [try_["error"] for try_ in events.get(one).json()["attempts"]] == [None, None]
        assert events.post(f"{PATH}/{webhook['id']}/deliveries/msg_none/redelivery").status_code == 404


def test_deliveries_are_listed_in_pages(events: httpx.Client) -> None:
    with Subscriber() as subscriber:
        webhook = subscribe(events, subscriber)
        for number in range(5):
            events.post(RECORDS, json=deployment(version=str(number), status="in_progress"))
        subscriber.wait_for(5)
        page = events.get(f"{PATH}/{webhook['id']}/deliveries?limit=3")
        following = page.headers["Link"].partition("<")[2].partition(">")[0]
        ids = [one["id"] for one in [*page.json()["items"], *events.get(following).json()["items"]]]
        assert ids == [one["id"] for one in deliveries(events, webhook)]
        assert len(ids) == 5
        assert deliveries(events, webhook, "?state=given_up") == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost:9/", "https://[::1]/", "http://10.0.0.1/", "http://169.254.169.254/latest",
        "http://0.0.0.0/", "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://192.168.1.1:8080/x", "http://[fd00::1]/",
    ],
)  # fmt: skip
def test_an_address_inside_is_refused_unless_it_is_allowed(client: httpx.Client, url: str) -> None:
    refused = client.post(PATH, json={"url": url})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/url")
    assert client.get(PATH).json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"url": "ftp://example.com/"}, "/url"),
        ({"url": "https://user:word@example.com/"}, "/url"),
        ({"url": "https:///nowhere"}, "/url"),
        ({"url": "https://example.com/#part"}, "/url"),
        ({"url": "http://example.com/\x01"}, "/url"),
        ({"url": "http://example.com/\t"}, "/url"),
        ({"events": []}, "/events"),
        ({"events": ["push"]}, "/events/0"),
        ({"kind": "github", "events": ["incident"]}, "/events"),
        ({"kind": "gitlab"}, "/kind"),
        ({"secret": "short"}, "/secret"),
        ({"secret": "whsec_this is no base64 at all"}, "/secret"),
        ({"secret": "whsec_no!base64!no!base64!no"}, "/secret"),
    ],
)
def test_what_is_wrong_with_a_webhook_is_named(
    events: httpx.Client, fields: dict[str, Any], pointer: str
) -> None:
    refused = events.post(PATH, json={"url": "http://127.0.0.1:9/", **fields})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, pointer)


def test_webhooks_are_changed_and_ended(events: httpx.Client) -> None:
    with Subscriber() as subscriber:
        webhook = subscribe(events, subscriber, kind="github")
        path = f"{PATH}/{webhook['id']}"
        assert webhook["secret"].startswith("whsec_")
        assert "secret" not in events.get(path).json()
        assert events.get(path).json() | {"secret": webhook["secret"]} == webhook
        changed = events.patch(path, json={"events": ["deployment"], "enabled": False}).json()
        assert (changed["events"], changed["enabled"], changed["disabled_reason"]) == (
            ["deployment"],
            False,
            "by hand",
        )
        for wrong in ({"events": ["incident"]}, {"url": None}, {"secret": "x"}, {"url": "http://10.0.0.1/"}):
            assert events.patch(path, json=wrong).status_code == 400
        assert events.delete(path).status_code == 204
        assert events.get(path).status_code == events.delete(path).status_code == 404
        assert events.get(f"{path}/deliveries").status_code == 404


def test_webhooks_are_the_admins_of_their_organization(
    events: httpx.Client, service: Server, organization: str
) -> None:
    with Subscriber() as subscriber:
        webhook = subscribe(events, subscriber)
    path = f"{PATH}/{webhook['id']}"
    writer = service.token("deployments:write deployments:read metrics:read", organization)
    limited = service.token("admin", organization, repositories=("acme/shop",))
    for token, status in ((writer, 403), (limited, 403), (service.token(org="elsewhere"), 404)):
        with service.client(token) as other:
            answers = [
                other.get(path), other.patch(path, json={"enabled": False}), other.delete(path),
                other.get(f"{path}/deliveries"), other.post(f"{path}/deliveries/x/redelivery"),
            ]  # fmt: skip
            assert [one.status_code for one in answers] == [status] * 5
    assert events.get(path).json()["enabled"]


def test_a_network_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="WEBHOOK_NETWORKS"):
        Server(tmp_path, TRACKER_WEBHOOK_NETWORKS="everywhere")
