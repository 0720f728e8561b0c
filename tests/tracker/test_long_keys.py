"""A record whose names no index takes is refused by name, and costs nobody else anything."""

import random
import string
from concurrent.futures import Future
from pathlib import Path

import httpx

from tests.conftest import Postgres
from tests.server import Server, deployment, ndjson
from tracker.records.engine import connect, write_transaction
from tracker.records.failures import UNAVAILABLE
from tracker.records.ledger import Author
from tracker.records.recorder import Recorder, _Submission

PATH, INCIDENTS = "/api/v1/deployments", "/api/v1/incidents"
_RANDOM = random.Random(2)


def text(length: int) -> str:
    """What cannot be compressed, a byte a character."""
    return "".join(_RANDOM.choices(string.ascii_letters + string.digits, k=length))


def signs(length: int) -> str:
    """The same, three bytes a character."""
    return "".join(chr(_RANDOM.randint(0x4E00, 0x9FFF)) for _ in range(length))


LONG = {
    "repository_url": f"https://github.com/acme/{text(1_900)}",
    "service": signs(250),
    "environment": signs(250),
    "deployment_node_id": signs(250),
}


def test_it_is_refused_by_name_and_the_service_stays_ready(client: httpx.Client) -> None:
    answered = client.post(PATH, json=deployment(**LONG))
    assert answered.status_code == 400
    assert [error["pointer"] for error in answered.json()["errors"]] == ["/repository_url"]
    assert client.post(PATH, json=deployment(**LONG), params={"dry_run": "true"}).status_code == 400
    assert client.get("/readyz").status_code == 200
    without_id = {name: value for name, value in LONG.items() if name != "deployment_node_id"}
    assert client.post(PATH, json=deployment(**without_id)).status_code == 400
    incident = {
        "started_at": "2026-03-02T10:00:00Z",
        "repository_url": LONG["repository_url"],
        "service": LONG["service"],
    }
    assert client.post(INCIDENTS, json=incident).status_code == 400
    assert client.post(
        f"/repos/acme/{text(1_900)}{signs(300)}/deployments", json={"ref": "main", "task": "seed"}
    ).status_code in (400, 422)


def test_what_just_fits_is_recorded(client: httpx.Client) -> None:
    """To the byte: the names of one record are 2,500 bytes long, another's one more."""
    path = text(1_000)
    left = 2_500 - len(f"github.com/acme/{path}") - len("production")
    fits = deployment(
        repository_url=f"https://github.com/acme/{path}",
        service=text(250),
        deployment_node_id=signs((left - 250) // 3),
    )
    rest = (left - 250) % 3
    fits["service"] = fits["service"][: 250 - 3] + "x" * 3
    fits["deployment_node_id"] = (fits["deployment_node_id"] + "x" * rest)[:250]
    size = (
        len(f"github.com/acme/{path}".encode())
        + len(fits["service"])
        + len(fits["deployment_node_id"].encode())
        + len("production")
    )
    assert size <= 2_500
    assert client.post(PATH, json=fits).status_code == 201


def test_a_batch_names_its_line_and_keeps_the_others(client: httpx.Client) -> None:
    good = [
        deployment(deployment_node_id=str(number), finished_at="2026-03-02T10:00:00Z") for number in range(80)
    ]
    lines = [*good[:40], deployment(finished_at="2026-03-02T10:00:00Z", **LONG), *good[40:]]
    answered = client.post(f"{PATH}/batch", content=ndjson(*lines))
    assert answered.status_code == 207
    assert (answered.json()["recorded"], answered.json()["failed"]) == (80, 1)
    assert [error["line"] for error in answered.json()["errors"]] == [41]


def test_an_import_names_its_line(server: Server, organization: str, tmp_path: Path) -> None:
    file = tmp_path / "records.ndjson"
    file.write_bytes(
        ndjson(
            deployment(finished_at="2026-03-02T10:00:00Z"),
            deployment(finished_at="2026-03-02T10:00:00Z", **LONG),
        )
    )
    done = server.run("import", str(file), "--org", organization)
    assert done.returncode == 1
    assert "line 2" in done.stderr
    assert "1 recorded" in done.stdout


def test_what_postgresql_itself_refuses_is_one_acts_fault_and_not_the_databases(postgres: Postgres) -> None:
    """The group commit is tried act by act: what shares it with the one that cannot be is recorded."""
    engine = connect(postgres.database())
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("create table narrow (name text primary key)")
    recorder = Recorder(engine)
    author = Author("acme", "test")

    def narrow(name: str) -> object:
        return lambda ledger: (
            ledger.connection.exec_driver_sql("insert into narrow values (%s)", (name,)) and author
        )

    group = [_Submission(narrow(name), Future()) for name in ("one", signs(3_000), "two")]  # type: ignore[arg-type]
    outcomes = recorder._commit(group)
    assert outcomes[0] == outcomes[2] == author
    assert isinstance(outcomes[1], Exception)
    assert not isinstance(outcomes[1], UNAVAILABLE)
    assert not recorder.is_refused
    with engine.connect() as connection:
        assert {row[0] for row in connection.exec_driver_sql("select name from narrow")} == {"one", "two"}
    engine.dispose()
