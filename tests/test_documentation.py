"""The documentation is true: its commands run, its tables name what there is."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from metrics.catalog import MetricName
from metrics.parameters import MetricParameters
from tests.server import clean_environment
from tracker.auth import Scope
from tracker.routes.deployments import DeploymentListParameters
from tracker.routes.incidents import IncidentListParameters
from tracker.schemas.deployments import NewDeployment
from tracker.schemas.incidents import NewIncident
from tracker.settings import Settings

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()
API = (PROJECT / "docs" / "api.md").read_text()
PORT = 8000


def command_blocks(markdown: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)


@pytest.fixture
def newcomers_folder(tmp_path: Path) -> Path:
    """A checkout without data, with this environment in its place."""
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        if (PROJECT / name).is_file() and not name.startswith("tests/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, tmp_path / name)
    environment = Path(sys.prefix)
    (tmp_path / ".venv").symlink_to(environment)
    (environment / ".serve").touch()
    return tmp_path


@pytest.fixture
def served(newcomers_folder: Path) -> Iterator[Path]:
    """The folder with the README's first command running in it."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"something else listens on port {PORT}")
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command_blocks(README)[0]}"],
        cwd=newcomers_folder,
        env=clean_environment(),
        stdout=(newcomers_folder / "serve.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 60
        while "Serving at" not in (newcomers_folder / "serve.log").read_text():
            assert process.poll() is None, (newcomers_folder / "serve.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield newcomers_folder
    finally:
        process.terminate()
        process.wait(timeout=40)


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="needs the virtual environment of make test")
@pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("make") is None, reason="install curl and make"
)
def test_the_commands_of_the_readme_run_as_they_stand(served: Path) -> None:
    outputs = []
    for block in command_blocks(README)[1:]:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=served, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    recorded, summary, table, imported = outputs
    assert json.loads(recorded)["repository"] == "acme/shop"
    assert json.loads(summary)["metrics"]["deployment_frequency"]["deployments"] == 1
    assert "Deployment frequency" in table
    assert imported == "1 recorded, 0 repeated, 0 failed\n"


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="needs the virtual environment of make test")
@pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("make") is None, reason="install curl and make"
)
def test_on_an_empty_database_the_service_prints_commands_that_run(served: Path) -> None:
    printed = (served / "serve.log").read_text()
    commands = re.findall(r"^  (curl .*?)\n\n", printed + "\n", re.MULTILINE | re.DOTALL)
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=served, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["deployments"] == 1
    assert httpx.get(f"http://127.0.0.1:{PORT}/readyz").json()["status"] == "ready"


def test_the_readme_names_every_setting_and_metric() -> None:
    variables = set(re.findall(r"`(TRACKER_[A-Z_]+)`", README))
    assert variables == {f"TRACKER_{name.upper()}" for name in Settings.model_fields}
    assert set(MetricName) <= set(re.findall(r"`(\w+)`", README))


def test_the_page_of_the_interface_names_every_field_parameter_scope_and_warning() -> None:
    words = set(re.findall(r"[a-z_]+(?::[a-z]+)?", API))
    assert NewDeployment.model_fields.keys() <= words
    assert NewIncident.model_fields.keys() <= words
    for parameters in (MetricParameters, DeploymentListParameters, IncidentListParameters):
        assert {field.alias or name for name, field in parameters.model_fields.items()} <= words
    assert set(Scope) <= words
    source = (PROJECT / "tracker" / "schemas" / "deployment_answers.py").read_text()
    assert set(re.findall(r'Warning\(\s*"(\w+)"', source)) <= words


def test_links_between_pages_lead_somewhere() -> None:
    for page in [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
