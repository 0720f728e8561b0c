"""The OpenAPI document: what schemathesis makes out of it finds nothing."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.server import Server, clean_environment, deployment

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def test_every_operation_names_its_refusals(client: httpx.Client) -> None:
    document = client.get("/schema/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not path.startswith("/api/"):
                continue
            refusals = {status for status in operation["responses"] if status >= "400"}
            assert {"400", "401", "403", "503"} <= refusals, (method, path)
            assert operation["security"] == [{"token": []}]
            for status in refusals:
                # A batch in which every line is wrong is answered in its own form.
                own = ["application/json"] if (path.endswith("/batch"), status) == (True, "400") else []
                content = list(operation["responses"][status]["content"])
                assert content == [*own, "application/problem+json"]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_schemathesis_finds_nothing(postgresql_server: Server, organization: str, tmp_path: Path) -> None:
    """On the database that refuses more. Rules between fields, such as "start before finish", no schema can say:
    good data may be refused.
    """
    server = postgresql_server
    with server.client(server.token(org=organization)) as client:
        client.post("/api/v1/deployments", json=deployment()).raise_for_status()
    found = subprocess.run(
        [
            SCHEMATHESIS, "run", f"{server.url}/schema/openapi.json",
            "--header", f"Authorization: Bearer {server.token(org=organization)}",
            "--checks", "all",
            "--exclude-checks", "positive_data_acceptance",
            "--max-examples", "4",
            "--workers", "1",  # with more, Python 3.11 may fail to parse: "AST constructor recursion depth mismatch"
            "--seed", "7",
            "--no-color",
        ],
        cwd=tmp_path,
        env=clean_environment() | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[:6000] + found.stdout[-3000:]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/deployments/%00", 404),
        ("/api/v1/incidents/%00/history", 404),
        ("/api/v1/deployments?branch=%00", 400),
        ("/api/v1/metrics?service=%00", 400),
    ],
)
def test_what_a_database_cannot_compare_is_no_fault(client: httpx.Client, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_options_names_every_method(client: httpx.Client) -> None:
    allowed = client.options("/api/v1/deployments/x").headers["Allow"]
    assert allowed == "DELETE, GET, OPTIONS, PATCH"
