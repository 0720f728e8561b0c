"""`make memory`: the memory of a service that is posted many records, and asked for figures in between."""

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
CONNECTIONS = 16
REPOSITORIES = 10
# All are over by now, and within what may be recorded.
FIRST = datetime.now(UTC) - timedelta(days=365)
UNLIMITED = {f"TRACKER_{whose}_REQUESTS_PER_MINUTE": "0" for whose in ("TOKEN", "ORGANIZATION")}


def main(records: int) -> None:
    table = Results("Memory, SQLite", ("records", "memory", "posts", "a summary"))
    with tempfile.TemporaryDirectory() as name, Server(Path(name), **UNLIMITED) as server:
        table.add_row("0", _memory(server.process.pid), "", "")
        for posted in range(STEP, records + 1, STEP):
            rate = _post(server, posted // STEP)
            with server.client(server.token()) as client:
                asked = client.get("/api/v1/metrics", timeout=300)
                asked.raise_for_status()
            seconds = asked.elapsed.total_seconds()
            row = (f"{posted:,}", _memory(server.process.pid), f"{rate:,.0f}/s", f"{seconds:.1f} s")
            table.add_row(*row)
            print(*row, file=sys.stderr, flush=True)
    table.show()


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


def _memory(process: int) -> str:
    """What is resident of a process, as Linux says it."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return f"{pages * os.sysconf('SC_PAGE_SIZE') / 1e6:,.0f} MB"


if __name__ == "__main__":
    main(int(sys.argv[1]))
