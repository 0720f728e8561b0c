"""Incidents over HTTP: report, repeat, read, resolve; and what they do to the metrics."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import polars as pl
import pytest

from tests.server import Server, deployment

PATH = "/api/v1/incidents"
SHOP = "https://github.com/acme/shop"


def incident(**fields: object) -> dict[str, object]:
    return {"started_at": "2026-03-02T10:05:00Z", **fields}


def test_an_incident_comes_back_as_it_was_reported(client: httpx.Client, organization: str) -> None:
    sent = incident(
        key="INC-1",
        title="Checkout is down",
        resolved_at="2026-03-02T10:45:00Z",
        environment="production",
        repository_url=SHOP,
        service="web",
        deployment="run-1",
        commit_id="abcdef0",
        change_related=False,
        severity="high",
        url="https://pager.example/1",
        labels={"region": "eu"},
    )
    answered = client.post(PATH, json=sent)
    assert answered.status_code == 201
    record = answered.json()
    assert [one["code"] for one in record.pop("warnings")] == ["unknown_name"] * 3
    assert record | sent | {"organization": organization, "repository": "acme/shop"} == record
    assert client.get(answered.headers["Location"]).json() == record
    assert client.get(PATH).json() == {"items": [record]}


def test_the_same_key_is_the_same_incident(client: httpx.Client) -> None:
    first = client.post(PATH, json=incident(key="1", repository_url=SHOP, environment="live"))
    same = client.post(PATH, json=incident(key="1", repository_url="git@github.com:acme/shop.git"))
    assert (first.status_code, same.status_code) == (201, 200)
    assert same.json() == first.json()
    resolved = client.post(PATH, json=incident(key="1", resolved_at="2026-03-02T11:00:00Z", severity="low"))
    assert (resolved.json()["resolved_at"], resolved.json()["severity"]) == ("2026-03-02T11:00:00Z", "low")
    other = client.post(PATH, json=incident(key="1", severity="high", change_related=False))
    assert other.status_code == 409
    assert {error["pointer"] for error in other.json()["errors"]} == {"/severity", "/change_related"}
    elsewhere = client.post(PATH, json=incident(key="1", repository_url="https://github.com/acme/other"))
    assert [error["pointer"] for error in elsewhere.json()["errors"]] == ["/repository_url"]
    assert len(client.get(PATH).json()["items"]) == 1


def test_resolving_an_incident_gives_it_a_recovery_time(client: httpx.Client) -> None:
    client.post("/api/v1/deployments", json=deployment(finished_at="2026-03-02T10:00:00Z"))
    url = client.post(PATH, json=incident(repository_url=SHOP)).headers["Location"]
    window = "?from=2026-03-02&to=2026-03-03"
    before = client.get(f"/api/v1/metrics/mean_time_to_recover{window}").json()
    assert (before["value"], before["reason"], before["open"]) == (None, "none_recovered", 1)

    resolved = client.patch(url, json={"resolved_at": "2026-03-02T10:45:00Z"})
    assert resolved.status_code == 200
    assert resolved.json()["resolved_at"] == "2026-03-02T10:45:00Z"

    after = client.get(f"/api/v1/metrics/mean_time_to_recover{window}").json()
    assert (after["value"], after["open"], after["recovered"]) == (2400.0, 0, 1)
    client.patch(url, json={"resolved_at": None})
    assert client.get(f"/api/v1/metrics/mean_time_to_recover{window}").json()["open"] == 1


def test_an_incident_says_which_deployment_failed_by_its_id(client: httpx.Client) -> None:
    record = client.post("/api/v1/deployments", json=deployment(finished_at="2026-03-02T10:00:00Z")).json()
    client.post(PATH, json=incident(deployment=record["id"]))
    rate = client.get("/api/v1/metrics/change_failure_rate?from=2026-03-02&to=2026-03-03").json()
    assert (rate["numerator"], rate["by_signal"]["incident"]) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"started_at": None}, "/started_at"),
        ({"started_at": "today"}, "/started_at"),
        ({"resolved_at": "2026-03-02T10:04:59Z"}, "/resolved_at"),
        ({"change_related": "no"}, "/change_related"),
        ({"repository_url": "shop"}, "/repository_url"),
        ({"commit_id": "xyz"}, "/commit_id"),
        ({"id": "1"}, "/id"),
        ({"key": ""}, "/key"),
    ],
)
def test_a_wrong_field_is_refused_by_name(
    client: httpx.Client, fields: dict[str, object], pointer: str
) -> None:
    answered = client.post(PATH, json=incident(**fields))
    assert answered.status_code == 400
    assert [error["pointer"] for error in answered.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"resolved_at": "2026-03-02T10:00:00Z"}, "/resolved_at"),
        ({"started_at": None}, "/started_at"),
        ({"change_related": None}, "/change_related"),
        ({"key": "2"}, "/key"),
    ],
)
def test_a_wrong_change_is_refused_and_changes_nothing(
    client: httpx.Client, change: dict[str, object], pointer: str
) -> None:
    reported = client.post(PATH, json=incident(key="1"))
    answered = client.patch(reported.headers["Location"], json=change)
    assert answered.status_code == 400
    assert [error["pointer"] for error in answered.json()["errors"]] == [pointer]
    record = {name: value for name, value in reported.json().items() if name != "warnings"}
    assert client.get(reported.headers["Location"]).json() == record


def test_a_list_of_incidents_is_filtered(client: httpx.Client) -> None:
    client.post(PATH, json=incident(key="open", repository_url=SHOP))
    client.post(PATH, json=incident(key="over", resolved_at="2026-03-02T11:00:00Z", service="web"))

    def keys(query: str) -> list[str]:
        return [item["key"] for item in client.get(f"{PATH}?{query}").json()["items"]]

    assert keys("open=true") == ["open"]
    assert keys("open=false") == ["over"]
    assert keys("repository=acme/shop") == ["open"]
    assert keys("service=web") == ["over"]
    assert keys("from=2026-03-02T10:06:00Z") == []


def test_strangers_and_limited_tokens_do_not_reach_an_incident(
    client: httpx.Client, server: Server, client_with: Callable[..., httpx.Client]
) -> None:
    url = client.post(PATH, json=incident(repository_url=SHOP)).headers["Location"]
    limited = client_with("deployments:write deployments:read", "beta/*")
    with server.client(server.token("admin", "stranger")) as stranger:
        for other in (stranger, limited):
            assert other.get(url).status_code == 404
            assert other.patch(url, json={"severity": "low"}).status_code == 404
            assert other.get(PATH).json() == {"items": []}
    assert limited.post(PATH, json=incident(repository_url=SHOP)).status_code == 403
    assert limited.post(PATH, json=incident()).status_code == 403
    mine = limited.post(PATH, json=incident(repository_url="https://github.com/beta/site"))
    assert mine.status_code == 201
    moved = limited.patch(mine.headers["Location"], json={"repository_url": SHOP})
    assert moved.status_code == 403
    assert client.get(mine.headers["Location"]).json()["repository"] == "beta/site"


@pytest.mark.parametrize("places", [("secret",), ("secret", "shop"), ("shop", "secret")])
def test_the_history_of_an_incident_that_was_ever_elsewhere_is_not_told(
    client: httpx.Client, client_with: Callable[..., httpx.Client], places: tuple[str, ...]
) -> None:
    limited = client_with("deployments:read", "acme/shop")
    first, *later = (f"https://github.com/acme/{place}" for place in places)
    url = client.post(PATH, json=incident(repository_url=first)).headers["Location"]
    for place in later:
        client.patch(url, json={"repository_url": place}).raise_for_status()
    assert len(client.get(f"{url}/history").json()["items"]) == len(places)
    assert limited.get(f"{url}/history").status_code == 404


def test_an_incident_more_than_a_day_ahead_is_a_clock_error(client: httpx.Client) -> None:
    """A wrong month or year would keep it open, and take every later repair."""
    now = datetime.now(UTC)
    soon, far = (now + timedelta(hours=hours) for hours in (23, 25))
    begun = (now - timedelta(hours=1)).isoformat()
    for wrong in ({"started_at": far.isoformat()}, {"started_at": begun, "resolved_at": far.isoformat()}):
        refused = client.post(PATH, json=wrong)
        assert refused.status_code == 400
        assert refused.json()["errors"] == [
            {"pointer": f"/{list(wrong)[-1]}", "detail": "must not be more than a day ahead"}
        ]
    incident = client.post(PATH, json={"started_at": begun, "resolved_at": soon.isoformat()}).json()
    one = f"{PATH}/{incident['id']}"
    assert client.patch(one, json={"resolved_at": far.isoformat()}).status_code == 400
    assert client.patch(one, json={"title": "The end is expected soon"}).status_code == 200


def test_an_incident_is_found_and_resolved_by_its_key_alone(client: httpx.Client) -> None:
    client.post(PATH, json=incident(key="PD-1", repository_url=SHOP)).raise_for_status()
    client.post(PATH, json=incident(key="PD-2")).raise_for_status()
    resolved = client.post(PATH, json={"key": "PD-1", "resolved_at": "2026-03-02T11:00:00Z"})
    assert (resolved.status_code, resolved.json()["resolved_at"]) == (200, "2026-03-02T11:00:00Z")
    assert resolved.json()["started_at"] == "2026-03-02T10:05:00Z"
    assert [item["key"] for item in client.get(f"{PATH}?key=PD-1").json()["items"]] == ["PD-1"]
    for body in ({"key": "PD-3", "resolved_at": "2026-03-02T11:00:00Z"}, {"title": "no start"}):
        refused = client.post(PATH, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/started_at")
    early = client.post(PATH, json={"key": "PD-2", "resolved_at": "2026-03-02T10:00:00Z"})
    assert early.status_code == 400


def test_a_deleted_incident_is_in_no_list_and_no_metric(client: httpx.Client) -> None:
    client.post("/api/v1/deployments", json=deployment(finished_at="2026-03-02T10:00:00Z"))
    url = client.post(PATH, json=incident(key="1", repository_url=SHOP)).headers["Location"]
    rate = "/api/v1/metrics/change_failure_rate?from=2026-03-02&to=2026-03-03"
    assert client.get(rate).json()["numerator"] == 1
    assert client.delete(url).status_code == 204
    assert client.get(rate).json()["numerator"] == 0
    assert client.get(url).status_code == client.delete(url).status_code == 404
    assert client.get(PATH).json() == {"items": []}
    history = client.get(f"{url}/history").json()["items"]
    assert [entry["action"] for entry in history] == ["created", "deleted"]
    assert client.post(PATH, json=incident(key="1", repository_url=SHOP)).status_code == 201


def test_to_delete_an_incident_takes_an_admin(
    client: httpx.Client, client_with: Callable[..., httpx.Client]
) -> None:
    url = client.post(PATH, json=incident(repository_url=SHOP)).headers["Location"]
    assert client_with("deployments:write deployments:read").delete(url).status_code == 403
    assert client_with("admin", "acme/other").delete(url).status_code == 404
    assert client.get(url).status_code == 200


def ndjson(*bodies: object) -> bytes:
    return b"".join(json.dumps(body).encode() + b"\n" for body in bodies)


def test_incidents_come_in_bulk(client: httpx.Client) -> None:
    lines = [incident(key=f"{number}", repository_url=SHOP) for number in range(3)]
    sent = ndjson(
        *lines, {"key": "0", "resolved_at": "2026-03-02T11:00:00Z"}, {"key": "9"}, {"type": "incident"}
    )
    answered = client.post(f"{PATH}/batch", content=sent)
    assert (answered.status_code, answered.json()) == (
        207,
        {
            "recorded": 3,
            "repeated": 1,
            "failed": 2,
            "errors": [
                {"line": 5, "detail": "/started_at is required: nothing is known by this key"},
                {"line": 6, "detail": "/started_at is required"},
            ],
        },
    )
    again = client.post(f"{PATH}/batch", content=ndjson(*lines))
    assert (again.status_code, again.json()["repeated"]) == (200, 3)
    none = client.post(f"{PATH}/batch", content=ndjson({"type": "deployment", "version": "1"}))
    assert (none.status_code, none.json()["failed"]) == (400, 1)
    assert len(client.get(PATH).json()["items"]) == 3


@pytest.mark.parametrize("form", ["json", "csv", "parquet", "arrow"])
def test_incidents_are_exported(client: httpx.Client, form: str) -> None:
    client.post(PATH, json=incident(key="1", repository_url=SHOP, title="=1+1", labels={"region": "eu"}))
    client.post(PATH, json=incident(key="2", started_at="2026-03-01T10:00:00Z"))
    answered = client.get(f"{PATH}/export?format={form}&from=2026-03-01&to=2026-03-03")
    assert answered.status_code == 200
    content = io.BytesIO(answered.content)
    match form:
        case "json":
            keys = [item["key"] for item in answered.json()["items"]]
        case "csv":
            frame = pl.read_csv(content, schema_overrides={"key": pl.String})
            assert frame["title"].to_list() == [None, "'=1+1"]
            keys = frame["key"].to_list()
        case "parquet":
            keys = pl.read_parquet(content)["key"].to_list()
        case _:
            keys = pl.read_ipc_stream(content)["key"].to_list()
    assert keys == ["2", "1"]
    assert client.get(f"{PATH}/export?key=1").json()["items"][0]["labels"] == {"region": "eu"}


@pytest.mark.parametrize(
    ("fields", "unknown"),
    [
        ({"service": "web"}, []), ({"service": "WEB", "repository_url": SHOP}, []), ({"service": "wbe"}, ["service"]),
        ({"repository_url": "https://github.com/acme/shpo"}, ["repository_url"]),
        ({"deployment": "run-1"}, []), ({"deployment": "run-2"}, ["deployment"]),
        ({"commit_id": "abcdef01"}, []), ({"commit_id": "abcdef02", "service": "web"}, ["commit_id"]),
        # The id of the deployment is whole: a longer one is another.
        ({"commit_id": "abcdef01" + "0" * 56}, ["commit_id"]),
    ],
)  # fmt: skip
def test_a_name_that_nothing_is_known_by_is_told(
    client: httpx.Client, fields: dict[str, str], unknown: list[str]
) -> None:
    known = deployment(commit_id="abcdef01" + "0" * 32, service="web", deployment_node_id="run-1")
    client.post("/api/v1/deployments", json=known).raise_for_status()
    warnings = client.post(PATH, json=incident(**fields)).json()["warnings"]
    assert [one["code"] for one in warnings] == ["unknown_name"] * len(unknown)
    assert all(name in one["detail"] for name, one in zip(unknown, warnings, strict=True))


def test_a_limited_token_is_not_told_which_deployments_there_are(
    client: httpx.Client, client_with: Callable[..., httpx.Client]
) -> None:
    """Of another repository's and of none the answer is the same, to the letter."""
    hidden = deployment(repository_url="https://github.com/acme/hidden")
    there = client.post("/api/v1/deployments", json=hidden).json()["id"]
    nowhere = there[:-1] + ("0" if there[-1] != "0" else "1")
    limited = client_with("deployments:write", "acme/shop")
    own = {"started_at": "2026-03-02T10:00:00Z", "repository_url": "https://github.com/acme/shop"}
    for path, body in ((PATH, own), ("/api/v1/deployments", deployment())):
        field = "deployment" if path == PATH else "remediates"
        answers = [limited.post(path, json={**body, field: one}) for one in (there, nowhere)]
        assert [answered.status_code for answered in answers] == [403, 403]
        assert answers[0].text == answers[1].text
    # A name of one's own, which is no record's id, waits for what it names.
    assert limited.post(PATH, json={**own, "deployment": "run-7"}).status_code == 201
    # Who may see all is told that nothing is known by it.
    assert client.post(PATH, json={**own, "deployment": nowhere}).status_code == 201
