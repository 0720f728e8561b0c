"""Several processes are one service: one keeps an organization, and they are replaced without a lost request."""

import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import Postgres
from tests.server import TLS, Server, deployment, run_tracker
from tests.waiting import wait_until
from tracker.web.keeping import share_of

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
NGINX_CONF = """
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxied;
  fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  server {{
    listen 127.0.0.1:{port};
    # A request that is lost is seen: it is not sent to anybody again.
    location / {{ proxy_pass {url}; proxy_next_upstream off; }}
  }}
}}
"""


@pytest.fixture
def workers(postgres: Postgres, tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, TRACKER_DATABASE_URL=postgres.database(), TRACKER_WORKERS="2") as server:
        yield server


@contextmanager
def nginx(folder: Path, url: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir()
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(port=port, url=url))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", conf], stderr=subprocess.DEVNULL)

    def accepts() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(accepts)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def processes(server: Server) -> set[int]:
    """The ids of the workers."""
    return {child.pid for child in psutil.Process(server.process.pid).children() if _is_worker(child)}


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "tracker.cli.workers" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def replaced(server: Server) -> int:
    """How often all workers were replaced."""
    return sum("workers are replaced" in line for line in server.output)


def ask(server: Server, path: str, token: str | None, **headers: str) -> httpx.Response:
    """Ask over a connection of its own, which any of the workers may accept."""
    with server.client(token) as client:
        return client.get(path, headers=headers)


def kept(server: Server) -> dict[str, list[str]]:
    """By organization the slots in which a worker has a store of it."""
    found: dict[str, list[str]] = {}
    for file in sorted((server.folder / "data" / "stores").glob("*/[a-z]*.duckdb")):
        found.setdefault(file.stem, []).append(file.parent.name)
    return found


def test_each_organization_is_kept_by_one_of_them_whoever_is_asked(workers: Server) -> None:
    organizations = ["acme", "beta", "gamma", "delta"]
    for organization in organizations:
        token = workers.token(org=organization)
        with workers.client(token) as client:
            for _ in range(3):
                client.post("/api/v1/deployments", json=deployment()).raise_for_status()
        answers = [
            ask(workers, "/api/v1/metrics/deployment_frequency", token).raise_for_status().json()
            for _ in range(12)
        ]
        assert {answer["deployments"] for answer in answers} == {3}
    slots = kept(workers)
    assert set(slots) == set(organizations)
    assert all(len(where) == 1 for where in slots.values())
    assert len({where[0] for where in slots.values()}) == 2


def test_what_was_handed_over_is_answered_as_where_it_was_asked(postgres: Postgres, tmp_path: Path) -> None:
    with Server(
        tmp_path,
        TRACKER_DATABASE_URL=postgres.database(),
        TRACKER_WORKERS="2",
        TRACKER_TRUSTED_PROXIES="127.0.0.0/8",
    ) as server:
        token = server.token()
        with server.client(token) as client:
            for _ in range(3):
                client.post("/api/v1/deployments", json=deployment()).raise_for_status()
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "tracker.example"}
        answers = [
            ask(server, "/repos/acme/shop/deployments?per_page=1", token, **forwarded) for _ in range(12)
        ]
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.headers["link"] for answer in answers}) == 1
        assert "https://tracker.example/" in answers[0].headers["link"]
        assert len({answer.text for answer in answers}) == 1

        # One event in the log for each, and one id: what is handed over is not written down twice.
        def asked() -> list[str]:
            return [line for line in server.output if '"path":"/repos/acme/shop/deployments"' in line]

        wait_until(lambda: len(asked()) >= 12)
        ids = {re.search(r'"request_id":"([^"]+)"', line)[1] for line in asked()}  # type: ignore[index]
        assert len(ids) == len(asked()) == 12


def test_figures_of_the_service_are_those_of_all_workers(workers: Server) -> None:
    for _ in range(10):
        ask(workers, "/healthz", None)
    wanted = 'tracker_requests_total{method="GET",path="/healthz",status="200"} 10.0'
    assert all(wanted in ask(workers, "/metrics", None).text for _ in range(4))


def test_a_worker_that_ends_is_started_again(workers: Server) -> None:
    before = processes(workers)
    psutil.Process(min(before)).kill()
    wait_until(lambda: len(processes(workers)) == 2 and processes(workers) != before, seconds=60)
    token = workers.token()
    wait_until(lambda: ask(workers, "/api/v1/metrics", token).status_code == 200)


def test_workers_end_with_the_process_that_keeps_them(workers: Server) -> None:
    before = processes(workers)
    assert len(before) == 2
    workers.kill()
    wait_until(lambda: not any(psutil.pid_exists(process) for process in before), seconds=60)


@pytest.mark.long
def test_one_after_the_other_is_replaced_and_no_request_is_lost(workers: Server, tmp_path: Path) -> None:
    if not Path(NGINX).exists():
        pytest.skip("nginx is not installed")
    token = workers.token()
    before, statuses, done = processes(workers), [], threading.Event()

    def work(url: str, number: int) -> None:
        # Each request over a connection of its own between nginx and the workers.
        with httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60, verify=TLS
        ) as client:
            for count in range(10_000):
                if done.is_set():
                    return
                key = f"{number}-{count}"
                statuses.append(
                    client.post("/api/v1/deployments", json=deployment(deployment_node_id=key)).status_code
                )
                statuses.append(client.get("/api/v1/metrics/deployment_frequency").status_code)

    with nginx(tmp_path / "nginx", workers.url) as url:
        threads = [threading.Thread(target=work, args=(url, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            workers.process.send_signal(signal.SIGHUP)
            wait_until(lambda: replaced(workers) == 1, seconds=120)
        finally:
            done.set()
            for thread in threads:
                thread.join()

    assert not before & processes(workers)
    assert set(statuses) == {200, 201}
    answer = ask(workers, "/api/v1/metrics/deployment_frequency", token).json()
    assert answer["deployments"] == statuses.count(201)


def test_several_workers_need_a_database_of_many_writers(tmp_path: Path) -> None:
    refused = run_tracker(tmp_path, "serve", "--port", "0", "--workers", "2")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "PostgreSQL" in refused.stderr


def test_a_worker_that_does_not_start_ends_the_service_with_a_line(
    postgres: Postgres, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stores").write_text("no folder")
    environment = {"TRACKER_DATABASE_URL": postgres.database()}
    refused = run_tracker(tmp_path, "serve", "--port", "0", "--workers", "2", **environment)
    assert (refused.returncode, refused.stdout) == (1, "")
    last = refused.stderr.splitlines()[-1]
    assert re.fullmatch(r"tracker: worker [01] did not start; what it said is above", last)


def test_a_port_that_is_taken_is_said(postgres: Postgres, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {"TRACKER_DATABASE_URL": postgres.database()}
        refused = run_tracker(tmp_path, "serve", "--port", port, "--workers", "2", **environment)
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr


@pytest.mark.parametrize(("memory", "share"), [("50%", "12.5%"), ("4GB", "1GB"), ("1 GiB", "0.25GiB")])
def test_workers_share_the_memory_for_figures(memory: str, share: str) -> None:
    assert share_of(memory, 4) == share
