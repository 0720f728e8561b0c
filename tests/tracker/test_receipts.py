"""Receipts: what a record does to the metrics, told with the answer to its POST."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics.definitions.base import MetricName
from tests.server import Server, as_recorded, deployment

pytestmark = pytest.mark.on_one_database

DEPLOYMENTS, INCIDENTS = "/api/v1/deployments", "/api/v1/incidents"


def post(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answered = client.post(f"{DEPLOYMENTS}?receipt=true", json=deployment(**fields))
    assert answered.status_code in (200, 201), answered.text
    return answered.json()  # type: ignore[no-any-return]


def entries(receipt: dict[str, Any]) -> dict[str, tuple[bool, str | None]]:
    return {entry["metric"]: (entry["counted"], entry["reason"]) for entry in receipt["metrics"]}


def test_a_deployment_is_told_which_metrics_it_enters(client: httpx.Client) -> None:
    commits = [{"sha": "a" * 7, "committed_at": "2026-03-02T09:00:00Z"}]
    receipt = post(client, finished_at="2026-03-02T10:00:00Z", commits=commits)["receipt"]
    assert entries(receipt) == {
        "deployment_frequency": (True, None),
        "lead_time_for_changes": (True, None),
        "change_failure_rate": (True, None),
        "mean_time_to_recover": (False, "not_failed"),
        "deployment_rework_rate": (True, None),
    }
    assert (receipt["repairs"], receipt["failed_by"]) == (None, [])
    again = post(client, finished_at="2026-03-02T11:00:00Z", commits=commits, commit_id="b" * 40)["receipt"]
    assert entries(again)["lead_time_for_changes"] == (False, "carried_before")


def test_a_deployment_that_counts_nowhere_is_told_why(client: httpx.Client) -> None:
    for fields, reason in (
        ({"status": "in_progress"}, "in_progress"),
        ({"status": "in_progress", "started_at": "2026-03-02T10:00:00Z"}, "in_progress"),
        ({"environment": "staging"}, "other_environment"),
        ({"status": "fail"}, "did_not_reach_production"),
    ):
        assert entries(post(client, **fields)["receipt"]) == dict.fromkeys(MetricName, (False, reason))


def test_a_repair_is_told_what_it_marks_as_failed_and_by_which_rule(client: httpx.Client) -> None:
    alone = post(client, finished_at="2026-03-02T09:00:00Z", is_hotfix=True)
    assert alone["receipt"]["repairs"]["reason"] == "unattributed"
    repair = post(client, finished_at="2026-03-02T10:00:00Z", is_fix=True, commit_id="b" * 40)["receipt"]
    assert repair["repairs"] == {
        "deployment_id": alone["id"], "method": "predecessor", "signals": ["fix"], "reason": None,
    }  # fmt: skip
    client.patch("/api/v1/settings", json={"failure_signals": ["incident"]})
    off = post(client, finished_at="2026-03-02T11:00:00Z", is_fix=True, commit_id="c" * 40)["receipt"]
    assert off["repairs"]["reason"] == "signal_off"


def test_an_incident_is_told_which_deployment_it_marks(client: httpx.Client) -> None:
    url, body = f"{INCIDENTS}?receipt=true", {"started_at": "2026-03-02T10:30:00Z"}
    where = {"repository_url": deployment()["repository_url"]}
    lost = client.post(url, json=body).json()["receipt"]["marks"]
    assert (lost["deployment_id"], lost["reason"]) == (None, "names_nothing")
    other = client.post(url, json={**body, "change_related": False}).json()["receipt"]["marks"]
    assert other["reason"] == "not_change_related"
    deployed = post(client, finished_at="2026-03-02T10:00:00Z")
    found = client.post(url, json=body | where).json()["receipt"]["marks"]
    assert found == {
        "deployment_id": deployed["id"], "method": "nearest", "signals": ["incident"], "reason": None,
    }  # fmt: skip
    late = post(client, finished_at="2026-03-02T10:15:00Z", commit_id="b" * 40)["receipt"]
    assert [cause["kind"] for cause in late["failed_by"]] == ["incident"]
    assert entries(late)["mean_time_to_recover"] == (False, "open")


def test_a_repair_of_what_did_not_reach_production_is_told_so(client: httpx.Client) -> None:
    client.patch("/api/v1/settings", json={"failure_signals": ["hotfix"]}).raise_for_status()
    failed = post(client, finished_at="2026-03-02T09:00:00Z", status="fail")["id"]
    incident = {"started_at": "2026-03-02T09:30:00Z", "deployment": failed}
    client.post(INCIDENTS, json=incident).raise_for_status()
    repair = post(client, finished_at="2026-03-02T10:00:00Z", is_hotfix=True, commit_id="b" * 40)["receipt"]
    assert repair["repairs"] == {
        "deployment_id": failed, "method": "incident", "signals": ["hotfix"],
        "reason": "did_not_reach_production",
    }  # fmt: skip


def test_a_repair_of_what_failed_marks_it_once_an_incident_names_it(client: httpx.Client) -> None:
    """The receipt says of a record what the metrics do."""
    failed = post(client, finished_at="2026-03-02T09:00:00Z", status="fail")["id"]
    sent = {"finished_at": "2026-03-02T10:00:00Z", "commit_id": "b" * 40, "remediates": failed}
    unknown = post(client, deployment_node_id="1", **sent)["receipt"]["repairs"]
    assert (unknown["deployment_id"], unknown["reason"]) == (failed, "did_not_reach_production")
    rate = "/api/v1/metrics/change_failure_rate?from=2026-03-02&to=2026-03-03"
    assert client.get(rate).json()["numerator"] == 0
    incident = {"started_at": "2026-03-02T09:30:00Z", "deployment": failed}
    client.post(INCIDENTS, json=incident).raise_for_status()
    named = post(client, deployment_node_id="1", **sent)["receipt"]["repairs"]
    assert (named["deployment_id"], named["reason"]) == (failed, None)
    assert client.get(rate).json()["numerator"] == 1


def test_a_receipt_shows_a_hidden_cause_without_its_id(
    client: httpx.Client, client_with: Callable[..., httpx.Client]
) -> None:
    limited = client_with("admin", "acme/shop")
    sent: dict[str, Any] = {"finished_at": "2026-03-02T10:00:00Z", "deployment_node_id": "run-1"}
    deployed = post(limited, **sent)["id"]
    incident = {"started_at": "2026-03-02T10:30:00Z", "deployment": deployed}
    for repository in ("acme/hidden", "acme/shop"):
        named = {**incident, "repository_url": f"https://github.com/{repository}"}
        client.post(INCIDENTS, json=named).raise_for_status()
    shown, hidden = (post(one, **sent)["receipt"]["failed_by"] for one in (client, limited))
    assert [cause["kind"] for cause in hidden] == ["incident", "incident"]
    assert [cause["id"] is None for cause in shown] == [False, False]
    assert sorted(cause["id"] is None for cause in hidden) == [False, True]


def test_a_receipt_comes_only_where_it_is_asked_for_and_with_a_retry_too(client: httpx.Client) -> None:
    body, key = deployment(finished_at="2026-03-02T10:00:00Z"), {"Idempotency-Key": "k"}
    plain = client.post(DEPLOYMENTS, json=body, headers=key)
    assert "receipt" not in plain.json()
    retried = client.post(f"{DEPLOYMENTS}?receipt=true", json=body, headers=key)
    assert retried.headers["Idempotency-Replayed"] == "true"
    assert retried.headers["Location"] == plain.headers["Location"]
    assert retried.json().pop("receipt")["metrics"][0]["counted"] is True
    moved = {"finished_at": "2026-03-03T10:00:00Z"}
    client.patch(f"{DEPLOYMENTS}/{plain.json()['id']}", json=moved).raise_for_status()
    later = client.post(f"{DEPLOYMENTS}?receipt=true", json=body, headers=key).json()["receipt"]
    assert entries(later)["change_failure_rate"] == (True, None)
    assert "receipt" not in client.get(f"{DEPLOYMENTS}/{plain.json()['id']}").json()
    assert "receipt" not in client.post(f"{INCIDENTS}", json={"started_at": "2026-03-02T10:30:00Z"}).json()
    client.delete(f"{DEPLOYMENTS}/{plain.json()['id']}").raise_for_status()
    assert client.post(f"{DEPLOYMENTS}?receipt=true", json=body, headers=key).json()["receipt"] is None


def lose_the_store(folder: Path) -> None:
    """Its disk is gone; the records have another."""
    stores = folder / "data" / "stores"
    os.truncate(stores / "0" / "acme.duckdb", 0)
    shutil.rmtree(stores)


def forget_the_time_zone(folder: Path) -> None:
    """The organization's time zone is one that this host does not know."""
    with contextlib.closing(sqlite3.connect(folder / "data" / "tracker.db")) as database, database:
        assert database.execute("update organization_settings set timezone = 'Mars/Base'").rowcount == 1


@pytest.mark.parametrize("break_it", [lose_the_store, forget_the_time_zone])
def test_a_record_that_was_recorded_is_answered_so_whatever_becomes_of_its_receipt(
    tmp_path: Path, break_it: Callable[[Path], None]
) -> None:
    with Server(tmp_path) as server, server.client(server.token()) as client:
        client.post(DEPLOYMENTS, json=deployment(finished_at="2026-03-02T10:00:00Z")).raise_for_status()
        client.get("/api/v1/metrics").raise_for_status()
    # Of a store that was there at the start nothing is in memory.
    with Server(tmp_path) as server, server.client(server.token()) as client:
        client.patch("/api/v1/settings", json={"timezone": "Europe/Berlin"}).raise_for_status()
        break_it(tmp_path)
        answered = client.post(f"{DEPLOYMENTS}?receipt=true", json=deployment())
        assert (answered.status_code, answered.json()["receipt"]) == (201, None)
        plain = client.get(answered.headers["Location"])
        assert plain.status_code == 200
        assert as_recorded(answered.json()) == as_recorded(plain.json()) | {"receipt": None}
        # What became of it is not known without the store, and the record is.
        assert [plain.json()[name] for name in ("failed", "repairs", "lead_time_seconds")] == [None] * 3
        assert not client.get("/api/v1/metrics").is_success
