"""Verify, backup, restore, export: on a database with a history, and while a service uses it."""

import codecs
import gzip
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest

import metrics
from tests.conftest import Book, Postgres
from tests.server import Server, deployment, ndjson, run_tracker

PATH = "/api/v1/deployments"
START, FINISH = "2026-03-02T10:00:00Z", "2026-03-02T10:05:00Z"
SUMMARY = "/api/v1/metrics?from=2026-03-01&to=2026-04-01"


def fill(client: httpx.Client) -> str:
    """A history with every kind of record and change; returns the id of a deployment that is current."""
    first = client.post(
        PATH,
        json=deployment(
            deployment_node_id="1", finished_at=FINISH, service="web", labels={"a": "ü"},
            commits=[{"sha": "abcdef0", "committed_at": START}],
        ),
    ).json()  # fmt: skip
    client.post(PATH, json=deployment(deployment_node_id="2", status="in_progress", started_at=START))
    client.post(
        PATH, json=deployment(deployment_node_id="2", finished_at="2026-03-02T11:00:00Z", status="success")
    )
    gone = client.post(PATH, json=deployment(deployment_node_id="3", finished_at=FINISH)).json()
    client.delete(f"{PATH}/{gone['id']}")
    client.post(
        PATH,
        json=deployment(deployment_node_id="3", finished_at=FINISH, is_hotfix=True, remediates=first["id"]),
    )
    client.patch(f"{PATH}/{first['id']}", json={"branch": "main"})
    client.patch(f"{PATH}/{first['id']}", json={"branch": None})
    client.post(
        PATH, json=deployment(version="v1", environment="Staging", production=True, status="in_progress")
    )
    client.post(PATH, json=deployment(deployment_node_id="4", finished_at=FINISH, status="canceled"))
    incident = client.post(
        "/api/v1/incidents",
        json={"key": "i", "started_at": "2026-03-02T11:10:00Z", "deployment": first["id"]},
    ).json()
    client.patch(f"/api/v1/incidents/{incident['id']}", json={"resolved_at": "2026-03-02T12:00:00Z"})
    lost = client.post("/api/v1/incidents", json={"started_at": "2026-03-02T09:00:00Z"}).json()
    client.patch(
        f"/api/v1/incidents/{lost['id']}", json={"repository_url": "https://github.com/acme/named-late"}
    )
    repository = client.get("/api/v1/repositories").json()["items"][0]
    client.patch(
        f"/api/v1/repositories/{repository['id']}", json={"team": "shop", "aliases": ["git.example/a/b"]}
    )
    client.patch(
        "/api/v1/settings",
        json={"timezone": "Europe/Berlin", "production_environments": ["production", "staging"]},
    )
    return str(first["id"])


def state(client: httpx.Client, record_id: str) -> list[object]:
    """What a client can see, without the times and numbers of recording."""
    items = client.get(PATH).json()["items"]
    history = client.get(f"{PATH}/{record_id}/history").json()["items"]
    return [
        client.get(SUMMARY).json(),
        [{k: v for k, v in item.items() if k != "updated_at"} for item in items],
        [
            {k: v for k, v in item.items() if k not in ("updated_at", "id", "created_at")}
            for item in client.get("/api/v1/repositories").json()["items"]
        ],
        client.get("/api/v1/settings").json(),
        [(entry["action"], entry["changes"], entry["recorded_by"]) for entry in history],
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere"


@pytest.mark.long
@pytest.mark.parametrize("name", ["export.ndjson", "export.ndjson.gz"])
def test_an_export_of_all_versions_is_imported_as_the_same_history(
    client: httpx.Client, server: Server, organization: str, folder: Path, name: str
) -> None:
    record_id = fill(client)
    before, file = state(client, record_id), folder.parent / name
    exported = server.run("export", "--org", organization, "--all-versions", "--output", str(file))
    assert exported.returncode == 0, exported.stderr
    folder.mkdir()
    imported = run_tracker(folder, "import", str(file), "--org", organization)
    assert (imported.returncode, imported.stderr) == (0, "")
    with Server(folder) as other, other.client(other.token(org=organization)) as elsewhere:
        assert state(elsewhere, record_id) == before
        assert (
            elsewhere.get(f"{PATH}/{record_id}/history").json()["items"][0]["record"]
            == (client.get(f"{PATH}/{record_id}/history").json()["items"][0]["record"])
        )
        again = run_tracker(folder, "import", str(file), "--org", organization)
        assert again.stdout.startswith("0 recorded, ")
        assert again.returncode == 0
        assert state(elsewhere, record_id) == before
        assert run_tracker(folder, "verify").returncode == 0


def test_an_export_of_what_is_current_gives_the_same_answers(
    client: httpx.Client, server: Server, organization: str, folder: Path
) -> None:
    record_id = fill(client)
    exported = server.run("export", "--org", organization)
    folder.mkdir()
    imported = run_tracker(folder, "import", "-", "--org", organization, stdin=exported.stdout)
    assert (imported.returncode, imported.stderr) == (0, "")
    with Server(folder) as other, other.client(other.token(org=organization)) as elsewhere:
        assert state(elsewhere, record_id)[:4] == state(client, record_id)[:4]
        verified = run_tracker(folder, "verify")
        assert verified.returncode == 0, verified.stdout
        foreign = run_tracker(folder, "import", "-", "--org", "foreign", stdin=exported.stdout)
        assert (foreign.returncode, foreign.stdout.split(",")[0]) == (1, "1 recorded")  # the settings alone
        assert "line 1: repository" in foreign.stderr


def test_an_export_changes_nothing_where_it_comes_from(
    client: httpx.Client, server: Server, organization: str, tmp_path: Path
) -> None:
    record_id = fill(client)
    before = state(client, record_id)
    for option in ([], ["--all-versions"]):
        file = tmp_path / f"{len(option)}.ndjson"
        assert server.run("export", "--org", organization, "-o", str(file), *option).returncode == 0
        imported = server.run("import", str(file), "--org", organization)
        assert (imported.returncode, imported.stdout.split(",")[0]) == (0, "0 recorded"), imported.stderr
    assert state(client, record_id) == before


def test_an_import_that_was_interrupted_goes_on(
    client: httpx.Client, server: Server, organization: str, folder: Path
) -> None:
    record_id = fill(client)
    lines = server.run("export", "--org", organization, "--all-versions").stdout.splitlines(keepends=True)
    folder.mkdir()
    for part in (lines[: len(lines) // 2], lines):
        run_tracker(folder, "import", "-", "--org", organization, stdin="".join(part))
    with Server(folder) as other, other.client(other.token(org=organization)) as elsewhere:
        assert state(elsewhere, record_id) == state(client, record_id)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ({"type": "song"}, "/type"),
        ({"type": "deployment", "id": "x"}, "/repository_url"),
        ({"type": "settings", "id": "acme", "created_at": START, "timezone": "Mars"}, "/timezone"),
    ],
)
def test_a_line_of_an_export_that_is_wrong_is_named(tmp_path: Path, line: dict[str, str], wrong: str) -> None:
    failed = run_tracker(tmp_path, "import", "-", "--org", "acme", stdin=json.dumps(line) + "\n")
    assert failed.returncode == 1
    assert f"line 1: {wrong}" in failed.stderr


def test_a_line_that_contradicts_what_is_recorded_is_refused(server: Server) -> None:
    with server.client(server.token(org="taken")) as client:
        record = client.post(PATH, json=deployment(deployment_node_id="1", finished_at=FINISH)).json()
    line = json.loads(server.run("export", "--org", "taken").stdout.splitlines()[-1])
    changed = server.run("import", "-", "--org", "taken", stdin=json.dumps(line | {"branch": "other"}))
    assert "another content" in changed.stderr
    other = server.run("import", "-", "--org", "taken", stdin=json.dumps(line | {"id": "another"}))
    assert record["id"] in other.stderr
    foreign = server.run("import", "-", "--org", "foreign", stdin=json.dumps(line))
    assert foreign.returncode == 1


def test_a_version_of_a_deployment_stays_in_its_place(server: Server) -> None:
    """As a correction does: a version elsewhere would be another deployment under the same id."""
    with server.client(server.token(org="placed")) as client:
        client.post(PATH, json=deployment(service="web", finished_at=FINISH))
        line = json.loads(server.run("export", "--org", "placed").stdout.splitlines()[-1])
        moved = [line | {"id": "another"}, line | {"id": "another", "service": "api"}]
        failed = server.run("import", "-", "--org", "placed", stdin="\n".join(map(json.dumps, moved)))
        assert "line 2: deployment another: its service is another than before" in failed.stderr
        recorded = client.get(PATH).json()["items"]
        assert [one["service"] for one in recorded] == ["web", "web"]


def test_verify_finds_what_is_broken(book: Book, tmp_path: Path) -> None:
    for node_id in ("1", "2", "3"):
        book.deploy(deployment_node_id=node_id, status="in_progress")
        book.deploy(deployment_node_id=node_id, status="success", finished_at=FINISH)
    (tmp_path / "data").mkdir()

    def verify() -> tuple[int, str]:
        done = run_tracker(tmp_path, "verify", TRACKER_DATABASE_URL=book.url)
        return done.returncode, done.stdout

    code, shown = verify()
    assert code == 0, shown
    assert "WRONG" not in shown
    for statement, wrong in (
        ("update deployments set finished_at = null where revision = 3", "has finished"),
        ("update deployments set superseded_revision = 9 where revision = 2", "versions follow each other"),
        ("update deployments set recorded_at = 1 where revision = 5", "revisions rise by one"),
        ("delete from deployments where revision = 4", "revisions rise by one"),
    ):
        with book.engine.begin() as connection:
            connection.exec_driver_sql(statement)
        code, shown = verify()
        assert code == 1
        assert any(line.startswith("WRONG") and wrong in line for line in shown.splitlines()), shown


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as running:
        yield running


class Posting:
    """Posts one record after the other until it is told to stop; counts what was acknowledged."""

    def __init__(self, server: Server) -> None:
        self.acknowledged: list[str] = []
        self.refused: list[int] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._post, args=(server,))

    def _post(self, server: Server) -> None:
        with server.client(server.token()) as client:
            number = 0
            while not self._stopped.is_set():
                number += 1
                answered = client.post(PATH, json=deployment(deployment_node_id=f"p{number}"))
                (self.acknowledged if answered.status_code == 201 else self.refused).append(f"p{number}")

    def __enter__(self) -> "Posting":
        self._thread.start()
        while len(self.acknowledged) < 50:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


def node_ids(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        return {
            row[0]
            for row in connection.execute(
                "select deployment_node_id from deployments where superseded_revision is null"
            )
        }


def test_a_backup_while_serving_holds_everything_acknowledged_before(own: Server) -> None:
    with Posting(own) as posting:
        before = list(posting.acknowledged)
        done = own.run("backup", "copy.db")
        assert done.returncode == 0, done.stderr
    assert not posting.refused
    assert set(before) <= node_ids(own.folder / "copy.db") <= set(posting.acknowledged)
    again = own.run("backup", "copy.db")
    assert again.returncode == 1
    assert "there already" in again.stderr


def test_a_restore_while_serving_goes_on_from_the_backup(own: Server) -> None:
    with own.client(own.token()) as client:
        kept = client.post(PATH, json=deployment(deployment_node_id="kept")).json()
        assert own.run("backup", "copy.db").returncode == 0
        late = deployment(repository_url="https://github.com/acme/late", deployment_node_id="late")
        client.post(PATH, json=late).raise_for_status()
        client.patch(f"{PATH}/{kept['id']}", json={"branch": "late"}).raise_for_status()
        assert client.get("/api/v1/metrics/deployment_frequency").json()["deployments"] == 2
        revoked = own.run("token", "--org", "acme", "--scope", "admin").stdout.strip()
        token_id = jwt.decode(revoked, options={"verify_signature": False})["jti"]
        assert own.run("token", "revoke", token_id).returncode == 0

        restored = own.run("restore", "copy.db", "--yes")
        assert restored.returncode == 0, restored.stderr

        assert client.get("/api/v1/metrics/deployment_frequency").json()["deployments"] == 1
        assert [item["deployment_node_id"] for item in client.get(PATH).json()["items"]] == ["kept"]
        again = client.post(PATH, json=late)
        assert again.status_code == 201
        assert client.get("/api/v1/metrics/deployment_frequency").json()["deployments"] == 2
        names = [item["repository"] for item in client.get("/api/v1/repositories").json()["items"]]
        assert names == ["acme/late", "acme/shop"]
    verified = own.run("verify")
    assert verified.returncode == 0, verified.stdout
    (before,) = (own.folder / "data").glob("tracker.db.before-restore-*")
    assert node_ids(before) == {"kept", "late"}
    with sqlite3.connect(own.folder / "data" / "tracker.db") as connection:
        assert connection.execute("select token_id from revoked_tokens").fetchall() == [(token_id,)]


def test_what_is_no_backup_is_refused_and_changes_nothing(own: Server) -> None:
    with own.client(own.token()) as client:
        client.post(PATH, json=deployment()).raise_for_status()
        for name, content in {"text.db": b"hello" * 1000, "empty.db": b""}.items():
            (own.folder / name).write_bytes(content)
            assert own.run("restore", name, "--yes").returncode == 1
        assert own.run("restore", "missing.db", "--yes").returncode == 1
        assert len(client.get(PATH).json()["items"]) == 1


def test_backup_and_restore_are_for_sqlite(postgres: Postgres, tmp_path: Path) -> None:
    refused = run_tracker(tmp_path, "backup", "x.db", TRACKER_DATABASE_URL=postgres.database())
    assert refused.returncode == 1
    assert "pg_dump" in refused.stderr


@pytest.mark.parametrize("compressed", [False, True])
def test_a_byte_order_mark_before_the_first_line_is_passed_over(tmp_path: Path, compressed: bool) -> None:
    lines = [deployment(deployment_node_id=str(number), finished_at=FINISH) for number in range(2)]
    content = codecs.BOM_UTF8 + ndjson(*lines)
    file = tmp_path / ("history.ndjson.gz" if compressed else "history.ndjson")
    file.write_bytes(gzip.compress(content) if compressed else content)
    done = run_tracker(tmp_path, "import", file.name, "--org", "acme")
    assert done.returncode == 0, done.stderr
    with metrics.open(file) as records:
        assert records.deployments().height == 2


def test_a_byte_order_mark_before_a_body_is_passed_over(server: Server) -> None:
    with server.client(server.token(org="mark")) as client:
        body = codecs.BOM_UTF8 + json.dumps(deployment()).encode()
        assert client.post(PATH, content=body).status_code == 201
