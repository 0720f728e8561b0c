"""Every snippet of docs/library.md runs as it stands there."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import metrics
from tests.server import Server, deployment

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
DEPLOYMENTS = pl.DataFrame(
    {
        "repository_url": ["https://github.com/acme/shop"] * 8,
        "commit_id": [f"{number:040x}" for number in range(8)],
        "started_at": [datetime(2026, 1, 5 + number, 10, tzinfo=UTC) for number in range(8)],
        "finished_at": [datetime(2026, 1, 5 + number, 10, 30, tzinfo=UTC) for number in range(8)],
        "is_hotfix": [number == 3 for number in range(8)],
    }
)
INCIDENTS = pl.DataFrame(
    {"repository_url": ["https://github.com/acme/shop"], "started_at": [datetime(2026, 1, 8, 12, tzinfo=UTC)]}
)


@pytest.fixture
def names(tmp_path: Path, sqlite_server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page takes for granted: a service, its database, files, frames."""
    with sqlite_server.client(sqlite_server.token(org="acme")) as client:
        for number in range(4):
            written = datetime(2026, 1, 5 + number, 8, tzinfo=UTC)
            record = deployment(
                commit_id=f"{number:040x}",
                finished_at=f"2026-01-{5 + number:02}T10:30:00Z",
                duration_seconds=1_800,
                deployment_node_id=f"page-{number}",
                commits=[
                    {"sha": f"{number}{of}" * 20, "committed_at": f"{written - timedelta(hours=of):%FT%TZ}"}
                    for of in range(6)
                ],
            )
            client.post("/api/v1/deployments", json=record).raise_for_status()
    (tmp_path / "data").symlink_to(sqlite_server.folder / "data")
    DEPLOYMENTS.write_parquet(tmp_path / "deployments.parquet")
    INCIDENTS.write_parquet(tmp_path / "incidents.parquet")
    without_zone = pl.col("started_at", "finished_at").dt.replace_time_zone(None)
    DEPLOYMENTS.with_columns(without_zone).write_csv(tmp_path / "deployments.csv")
    texts = DEPLOYMENTS.with_columns(pl.col("started_at", "finished_at").dt.to_string("iso:strict"))
    texts.write_ndjson(tmp_path / "deployments.ndjson.gz", compression="gzip")
    monkeypatch.chdir(tmp_path)
    return {
        "metrics": metrics,
        "frame_of_deployments": DEPLOYMENTS,
        "frame_of_incidents": INCIDENTS,
        "frame_of_commit_ids_and_lines": pl.DataFrame({"commit_id": [f"{0:040x}"], "lines": [120]}),
    }


def test_the_page_has_snippets() -> None:
    assert len(SNIPPETS) >= 6


@pytest.mark.usefixtures("forgetting")
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.splitlines()[0][:40])
def test_a_snippet_runs(snippet: str, names: dict[str, Any], sqlite_server: Server) -> None:
    token = sqlite_server.token("metrics:read deployments:read", org="acme")
    snippet = snippet.replace("https://tracker.example", sqlite_server.url).replace("eyJ…", token)
    with metrics.open("sqlite:///data/tracker.db", organization="acme") as records:
        exec(compile(snippet, PAGE.name, "exec"), {**names, "records": records})
