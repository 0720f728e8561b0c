"""`make memory`: the memory of a service that is posted many records, and then asked in between."""

import json
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.load import post_all
from benchmarks.results import Results
from tests.server import Server

STEP = 20_000
ASKED_STEPS = 5
CONNECTIONS = 16
REPOSITORIES = 10
# All are over by now, and within what may be recorded.
FIRST = datetime.now(UTC) - timedelta(days=365)
UNLIMITED = {f"TRACKER_{whose}_REQUESTS_PER_MINUTE": "0" for whose in ("TOKEN", "ORGANIZATION")}


def main(records: int) -> None:
    """Post so many without a question, then once more a step at a time with one after each."""
    table = Results("Memory, SQLite", ("records", "memory", "posts", "a summary"))
    steps = records // STEP
    with tempfile.TemporaryDirectory() as name, Server(Path(name), **UNLIMITED) as server:
        table.add_row("0", _memory(server), "", "")
        for step in range(1, steps + 1):
            _add(table, server, step, "")
        for step in range(steps + 1, steps + ASKED_STEPS + 1):
            _add(table, server, step, f"{_ask(server):.1f} s")
    table.show()


def _add(table: Results, server: Server, step: int, asked: str) -> None:
    rate = _post(server, step)
    row = (f"{step * STEP:,}", _memory(server), f"{rate:,.0f}/s", asked)
    table.add_row(*row)
    print(*row, file=sys.stderr, flush=True)


def _ask(server: Server) -> float:
    """The seconds that a summary takes, with whatever has come since the last one."""
    with server.client(server.token()) as client:
        return client.get("/api/v1/metrics", timeout=300).raise_for_status().elapsed.total_seconds()


def _post(server: Server, step: int) -> float:
    """Post a step's records, each of a commit of its own; posts a second."""
    headers = {"Authorization": f"Bearer {server.token()}"}
    bodies = map(_body, range((step - 1) * STEP, step * STEP))
    return post_all(f"{server.url}/api/v1/deployments", bodies, headers, CONNECTIONS).rate


def _body(number: int) -> bytes:
    """A deployment of one of some repositories, a minute after the one before."""
    finished_at = FIRST + timedelta(minutes=number)
    commit = {"sha": f"{number:040x}", "committed_at": (finished_at - timedelta(hours=9)).isoformat()}
    record = {
        "repository_url": f"https://github.com/acme/repository-{number % REPOSITORIES}",
        "commit_id": commit["sha"],
        "finished_at": finished_at.isoformat(),
        "commits": [commit],
    }
    return json.dumps(record).encode()


def _memory(server: Server) -> str:
    """What is resident of the service, as Linux says it."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return f"{pages * os.sysconf('SC_PAGE_SIZE') / 1e6:,.0f} MB"


if __name__ == "__main__":
    main(int(sys.argv[1]))
