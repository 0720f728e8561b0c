"""What the service exports as a table the library opens again, with the same figures."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

import metrics
from metrics.definitions.base import MetricName
from tests.server import Server

MARCH = {"from_": "2026-03-01", "to": "2026-04-01"}
NAMED = {"repository_url": "https://github.com/acme/shop", "service": "web"}
# By the ending of a file the format in which the service is asked.
ENDINGS = {
    "csv": "csv", "csv.gz": "csv", "parquet": "parquet", "arrows": "arrow", "feather": "arrow", "json": "json", "json.gz": "json",
}  # fmt: skip


def answers(source: object, **named: Any) -> dict[str, list[dict[str, Any]]]:
    with metrics.open(source, **named) as library:
        return {name: getattr(library, name)(group_by="service", **MARCH).to_dicts() for name in MetricName}


def exported(client: httpx.Client, kind: str, folder: Path, ending: str) -> Path:
    asked = {"format": ENDINGS[ending]}
    content = client.get(f"/api/v1/{kind}/export", params=asked).raise_for_status().content
    file = folder / f"{kind}.{ending}"
    if ending == "feather":
        # An Arrow file, and no stream: what Polars and pandas write.
        pl.read_ipc_stream(content).write_ipc(file)
    else:
        file.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    return file


@pytest.fixture
def client(server: Server, organization: str) -> Iterator[httpx.Client]:
    with server.client(server.token(org=organization)) as client:
        _record(client)
        yield client


def _record(client: httpx.Client) -> None:
    for day in (2, 3, 4):
        record = {
            **NAMED,
            "version": f"={day}",
            "finished_at": f"2026-03-0{day}T10:00:00.5+01:00",
            "is_hotfix": day == 3,
            "labels": {"size": "1"},
            "duration_seconds": 60.5,
            "title": "a; b,\n'c'",
            "commits": [{"sha": f"{day}" * 40, "committed_at": "2026-03-01T10:00:00Z"}],
        }
        client.post("/api/v1/deployments", json=record).raise_for_status()
    incident = {**NAMED, "started_at": "2026-03-02T11:00:00Z", "resolved_at": "2026-03-02T12:00:00Z"}
    client.post("/api/v1/incidents", json=incident).raise_for_status()


@pytest.mark.on_one_database
def test_tables_that_were_exported_are_opened_again(
    server: Server, client: httpx.Client, organization: str, tmp_path: Path
) -> None:
    url = server.environment.get("TRACKER_DATABASE_URL", server.folder / "data" / "tracker.db")
    expected = answers(url, organization=organization)
    assert expected["change_failure_rate"][0]["numerator"] == 1
    for ending in ENDINGS:
        files = {kind: exported(client, kind, tmp_path, ending) for kind in ("deployments", "incidents")}
        assert answers(files["deployments"], incidents=files["incidents"]) == expected, ending
