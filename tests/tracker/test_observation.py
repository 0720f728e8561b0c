"""What the service writes down about itself: logs and figures, and never a secret."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from tests.server import Server, deployment, ndjson
from tests.waiting import wait_until

PATH = "/api/v1/deployments"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as running:
        yield running


def events(server: Server, count: int) -> list[dict[str, object]]:
    """The request events of the log, once there are as many."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = [json.loads(line) for line in server.output if line.startswith("{")]
        found = [line for line in lines if line["event"] == "request"]
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(server.output)


def figure(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split(" ")[1])


def test_each_request_is_one_event_with_its_id_and_the_tokens(own: Server) -> None:
    token = own.token(subject="ci")
    with own.client(token) as client:
        given = client.post(PATH, json=deployment(), headers={"X-Request-ID": "trace-7"})
        made = client.get("/api/v1/nowhere")
    assert given.headers["X-Request-ID"] == "trace-7"
    first, second = events(own, 2)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert first["seconds"] > 0  # type: ignore[operator]
    assert first | {"seconds": 0, "timestamp": ""} == {
        "event": "request", "level": "info", "timestamp": "", "request_id": "trace-7", "method": "POST",
        "path": PATH, "status": 201, "seconds": 0, "organization": "acme", "subject": "ci", "token_id": claims["jti"],
    }  # fmt: skip
    assert (second["status"], second["request_id"]) == (404, made.headers["X-Request-ID"])
    assert "token_id" not in second


@pytest.mark.parametrize("sent", ["x" * 200, "a b", "é".encode().decode("latin-1"), ""])
def test_a_request_id_that_would_spoil_the_log_is_replaced(own: Server, sent: str) -> None:
    with own.client() as client:
        answered = client.get("/healthz", headers=[(b"X-Request-ID", sent.encode("latin-1"))])
    assert len(answered.headers["X-Request-ID"]) == 32


def test_no_secret_is_written_down(own: Server) -> None:
    token = own.token()
    key = json.loads((own.folder / "data" / "keys.json").read_text())["keys"][0]["k"]
    with own.client(token) as client:
        client.post(PATH, json=deployment(repository_url="https://user:hunter2@github.com/acme/shop"))
        client.post(PATH, json=deployment(branch=7, token=token))
        client.get(f"{PATH}/{token}")
        client.get("/metrics")
    events(own, 3)
    written = "".join(own.output)
    signature = token.rsplit(".", 1)[1]
    assert "hunter2" not in written
    assert key not in written
    assert signature not in written


def test_the_figures_count_requests_commits_refusals_and_logins(own: Server) -> None:
    with own.client(own.token()) as client:
        # A store that nobody has asked yet has nothing to take in.
        client.get("/api/v1/metrics/deployment_frequency").raise_for_status()
        for number in range(3):
            client.post(PATH, json=deployment(deployment_node_id=str(number))).raise_for_status()
        client.post(PATH, json=deployment(deployment_node_id="1", commit_id="b" * 40))
        client.post(PATH, json={})
        client.post(f"{PATH}/batch", content=ndjson(deployment()))
        with own.client("forged") as stranger:
            stranger.get(PATH)
        answered = client.get("/metrics")
        assert answered.headers["Content-Type"] == "text/plain; version=1.0.0; charset=utf-8"
        labels = f'method="POST",path="{PATH}"'
        assert figure(client, f'tracker_requests_total{{{labels},status="201"}}') == 3
        assert figure(client, f"tracker_request_seconds_count{{{labels}}}") == 5
        assert figure(client, "tracker_commit_acts_sum") >= 4
        assert figure(client, 'tracker_refused_records_total{reason="contradicts-record"}') == 1
        assert figure(client, 'tracker_refused_records_total{reason="invalid-request"}') == 2
        assert figure(client, 'tracker_failed_logins_total{reason="malformed"}') == 1
        assert figure(client, "tracker_replication_lag_revisions") == 4
        client.get("/api/v1/metrics/deployment_frequency").raise_for_status()
        assert figure(client, "tracker_replication_lag_revisions") == 0
        assert client.head("/metrics").status_code == 200
        made_up = [client.get(f"/made/up/{number}").status_code for number in range(5)]
        assert set(made_up) == {404}
        assert figure(client, 'tracker_requests_total{method="GET",path="unknown",status="404"}') == 5
        assert "acme" not in client.get("/metrics").text


def test_the_least_that_is_logged_is_set(tmp_path: Path) -> None:
    """A warning that comes after the request is written down, and the request is not."""
    with Server(tmp_path, TRACKER_LOG_LEVEL="warning") as quiet, quiet.client() as client:
        client.get("/api/v1/nowhere")
        (quiet.folder / "data" / "keys.json").write_text("no keys")
        wait_until(lambda: any("will be tried again" in line for line in quiet.output))
        written = [json.loads(line) for line in quiet.output if line.startswith("{")]
        assert {line["level"] for line in written} == {"warning"}
        assert not [line for line in quiet.output if "/api/v1/nowhere" in line]


def test_for_a_person_the_log_is_no_json(tmp_path: Path) -> None:
    with Server(tmp_path, TRACKER_LOG_FORMAT="console") as running, running.client() as client:
        client.get("/api/v1/nowhere")
        wait_until(lambda: any("nowhere" in line for line in running.output))
        assert not [line for line in running.output if "nowhere" in line and line.startswith("{")]
