"""How fast history comes in: deployments out of GitHub's answers, releases of a git repository."""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from tests.grown_repository import grow
from tracker.integrations.history.options import HistoryOptions
from tracker.integrations.history.sources import SOURCES
from tracker.records.engine import connect
from tracker.records.migrations import migrate
from tracker.records.recorder import Recorder
from tracker.transfer.imports.recording import AT_ONCE, Importer, Outcome

DEPLOYMENTS, RELEASES, REPOSITORIES = 100_000, 5_000, 20
FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def measure() -> Iterator[Sequence[str]]:
    """What came in, how long it took, and how much of that this process computed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "github.ndjson").write_text("".join(_lines()))
        yield _imported(folder, "github", folder / "github.ndjson", HistoryOptions())
        grow(folder / "shop.git", RELEASES, every=timedelta(minutes=20))
        options = HistoryOptions(repository_url="https://github.com/acme/shop")
        yield _imported(folder, "git", folder / "shop.git", options)


def _imported(folder: Path, source: str, path: Path, options: HistoryOptions) -> Sequence[str]:
    engine = connect(f"sqlite:///{folder / source}.db")
    migrate(engine)
    importer = Importer("acme", source, path.name, Recorder(engine).record_now)
    began, computed = time.perf_counter(), time.process_time()
    items = SOURCES[source].read(str(path), options)
    while part := list(islice(items, AT_ONCE)):
        importer.take(part)
    took, computed = time.perf_counter() - began, time.process_time() - computed
    engine.dispose()
    count = importer.summary.counts[Outcome.RECORDED]
    return f"import of {count:,} deployments from {source}", f"{took:.1f} s", f"{computed:.1f} s computed"


def _lines() -> Iterator[str]:
    """Deployments with their statuses, as GitHub answers them."""
    for number in range(1, DEPLOYMENTS + 1):
        began = FIRST + timedelta(minutes=5 * number)
        url = f"https://api.github.com/repos/acme/shop-{number % REPOSITORIES}"
        outcome = "failure" if number % 9 == 0 else "success"
        statuses = [
            {
                "id": 4 * number + rank,
                "state": state,
                "created_at": f"{began + timedelta(minutes=rank):%FT%TZ}",
                "environment": "production",
                "log_url": f"https://github.com/acme/shop/actions/runs/{number}",
            }
            for rank, state in enumerate(("queued", "in_progress", outcome, "inactive"))
        ]
        deployment = {
            "id": number,
            "sha": hashlib.sha1(str(number).encode()).hexdigest(),
            "ref": "main",
            "task": "deploy",
            "environment": "production",
            "description": "Deploy",
            "created_at": f"{began:%FT%TZ}",
            "payload": {},
            "repository_url": url,
            "creator": {"login": "mona", "id": 1},
            "production_environment": True,
        }
        yield json.dumps({"deployment": deployment, "statuses": statuses[::-1]}) + "\n"


if __name__ == "__main__":
    for row in measure():
        print(*row, sep="; ")
