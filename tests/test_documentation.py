"""The documentation is true: its commands run, its tables name what there is."""

import dataclasses
import fcntl
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from metrics.api.charts import ChartParameters
from metrics.api.endpoints import AnswerParameters, ExplainParameters, ProfilesParameters
from metrics.api.facts import FactsParameters
from metrics.definitions.base import Definition, MetricName, Profile
from metrics.definitions.catalog import CATALOG
from metrics.definitions.profiles import difference
from metrics.domain.deployments import NewDeployment
from metrics.domain.incidents import NewIncident
from metrics.domain.settings import SettingsChange
from metrics.domain.vocabulary import FailureSignal
from metrics.queries.parameters import MetricParameters
from metrics.sql import macros_in
from tests.server import clean_environment
from tests.waiting import wait_until
from tracker import retention
from tracker.audit.changes import ChangesParameters
from tracker.audit.quality import QualityParameters
from tracker.auth.tokens import Scope
from tracker.deployments.routes import BaselineParameters, DeploymentListParameters, RecordParameters
from tracker.incidents.routes import IncidentListParameters
from tracker.incidents.routes import ReportParameters as IncidentReportParameters
from tracker.intakes.routes import EventParameters
from tracker.integrations.events import SOURCES
from tracker.pages.report import ReportParameters
from tracker.settings import Settings
from tracker.transfer.downloads import (
    ExportLinkParameters,
    ExportParameters,
    IncidentExportLinkParameters,
    IncidentExportParameters,
)
from tracker.webhooks import retry
from tracker.webhooks.routes import DeliveryListParameters

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()
API = (PROJECT / "docs" / "api.md").read_text()
PAGES = (PROJECT / "docs" / "pages.md").read_text()
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
    _with_a_release_of_long_ago(tmp_path)
    return tmp_path


def _with_a_release_of_long_ago(folder: Path) -> None:
    """Make the folder a git repository with one tag: whoever has cloned the project has its history too."""
    at = "2020-03-02T10:00:00Z"
    names = {
        f"GIT_{who}_{what}": "m@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    environment = clean_environment() | names | {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
    for arguments in (
        ["init", "--quiet"],
        ["remote", "add", "origin", "https://github.com/acme/shop"],
        ["commit", "--quiet", "--allow-empty", "--message", "Begin"],
        ["tag", "v1.0.0"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True)


@pytest.fixture
def turn() -> Iterator[None]:
    """The port is the README's: one test at a time, whoever runs them in parallel."""
    with (Path(tempfile.gettempdir()) / "tracker-readme-port.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def served(turn: None, newcomers_folder: Path) -> Iterator[Path]:  # noqa: ARG001
    """The folder with the README's first command running in it."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"something else listens on port {PORT}")
    with (newcomers_folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command_blocks(README)[0]}"],
            cwd=newcomers_folder,
            env=clean_environment(),
            stdout=log,
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


@pytest.mark.long
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
    looked, own, recorded, summary, table, simulated, imported = outputs
    assert re.search(r"^http://127\.0\.0\.1:8000/login\?code=\S+$", looked, re.MULTILINE)
    assert re.search(r"^Import \S+: 1 recorded, 0 repeated, 0 failed$", own, re.MULTILINE)
    assert json.loads(recorded)["repository"] == "acme/shop"
    assert json.loads(summary)["metrics"]["deployment_frequency"]["deployments"] == 1
    assert "Deployment frequency" in table
    assert "simulated deployments recorded" in looked
    assert "numerator" in simulated
    assert imported == "1 recorded, 0 repeated, 0 failed\n"


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="needs the virtual environment of make test")
@pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("make") is None, reason="install curl and make"
)
def test_on_an_empty_database_the_service_prints_commands_that_run(served: Path) -> None:
    commands: list[str] = []

    def has_printed_them() -> bool:
        printed = (served / "serve.log").read_text()
        commands[:] = re.findall(r"^  (\S.*?)\n\n", printed + "\n", re.MULTILINE | re.DOTALL)
        return len(commands) == 3

    wait_until(has_printed_them)
    # A log is read by others, and a link that signs in is for whoever watches.
    assert "/login?code=" not in (served / "serve.log").read_text()
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


ROUTE_PARAMETERS = (
    MetricParameters, AnswerParameters, ExplainParameters, ProfilesParameters, RecordParameters, BaselineParameters,
    DeploymentListParameters, ExportParameters, IncidentListParameters, IncidentExportParameters, IncidentReportParameters, ExportLinkParameters, IncidentExportLinkParameters, ChangesParameters,
    QualityParameters, DeliveryListParameters, EventParameters, ChartParameters, FactsParameters, ReportParameters,
)  # fmt: skip


def test_the_page_of_the_interface_names_every_field_parameter_scope_and_warning() -> None:
    words = set(re.findall(r"[a-z_]+(?::[a-z]+)?", API + PAGES))
    assert NewDeployment.model_fields.keys() <= words
    assert NewIncident.model_fields.keys() <= words
    assert SettingsChange.model_fields.keys() <= words
    for parameters in ROUTE_PARAMETERS:
        assert {field.alias or name for name, field in parameters.model_fields.items()} <= words
    assert set(Scope) <= words
    source = (PROJECT / "tracker" / "deployments" / "schemas.py").read_text()
    warnings = set(re.findall(r'Warning\(\s*"(\w+)"', source))
    assert "no_commits" in warnings <= words


def test_every_route_with_parameters_is_among_those_that_are_looked_at() -> None:
    given = re.compile(r"operation_class=documents\((\w+)\)")
    sources = [source for package in ("tracker", "metrics") for source in (PROJECT / package).rglob("*.py")]
    named = {name for source in sources for name in given.findall(source.read_text())}
    assert named <= {parameters.__name__ for parameters in ROUTE_PARAMETERS}


def test_the_page_of_the_interface_names_every_field_of_an_answer_and_every_reason() -> None:
    """Of an explanation the columns and the reasons are those in the SQL files."""
    pages = API + "".join(page.read_text() for page in (PROJECT / "docs" / "metrics").glob("*.md"))
    documented = set(re.findall(r"`(\w+)`", pages))
    fields = {field.name for one in CATALOG.values() for field in dataclasses.fields(one.row)}
    assert fields - {"value", "reason", "numerator", "denominator", "mean", "p90"} <= documented
    macros = [*macros_in("asked").items(), *macros_in("profiles/middleware").items()]
    explaining = (
        "deployments_left_out",
        "deployments_without_success",
        "causes_judged",
        "recoveries_explained",
    )
    sql = "".join(text for name, text in macros if name in explaining)
    sql += "".join(definition.explain_sql for definition in CATALOG.values())
    reasons = set(
        re.findall(r"(?:then|select|reason,) '(\w+)'|'(\w+)' as reason|^    '(\w+_\w+)',$", sql, re.MULTILINE)
    )
    names = {name for found in reasons for name in found if name} - {str(signal) for signal in FailureSignal}
    assert {"other_environment", "open", "clock_error", "failed", "not_in_window"} <= names
    assert names <= documented


@pytest.mark.parametrize("definition", CATALOG.values(), ids=CATALOG.keys())
def test_the_page_of_a_metric_says_what_the_header_of_its_file_does(definition: Definition) -> None:
    page = " ".join((PROJECT / "docs" / "metrics" / f"{definition.name}.md").read_text().split())
    header = re.sub(r"\n--   ", " ", definition.sql)
    meaning = re.match(rf"-- {definition.name}: (.*?\.) docs/metrics/{definition.name}\.md\.\n", header)
    assert meaning is not None
    assert meaning[1][:1].upper() + meaning[1][1:] in page
    for word in ("unit", "window", "empty"):
        said = re.search(rf"^-- {word}: (.*)$", header, re.MULTILINE)
        assert said is not None
        assert f"| {word} | {said[1]} |" in page


def test_the_page_of_the_profiles_has_every_difference() -> None:
    page = (PROJECT / "docs" / "profiles.md").read_text()
    for profile in Profile:
        if profile is not Profile.DEFAULT:
            assert f"`{profile}`" in page
            for metric in MetricName:
                said = re.escape(difference(profile, metric))
                assert re.search(rf"^\| `{metric}` \|.* {said} \|", page, re.MULTILINE)


def test_the_page_of_operations_says_how_long_everything_is_kept() -> None:
    page = (PROJECT / "docs" / "operations.md").read_text()
    table = page.split("## What is kept how long")[1].split("\n## ")[0]
    days = [int(text) for text in re.findall(r"^\| .* \| (\d+) days \|$", table, re.MULTILINE)]
    kept = {name: value for name, value in vars(retention).items() if name.endswith("_DAYS")}
    assert days == list(kept.values())
    for name, constant in [
        ("api.md", retention.IDEMPOTENCY_KEY_DAYS),
        ("api.md", retention.REJECTION_DAYS),
        ("webhooks.md", retention.DELIVERY_DAYS),
        ("running-a-runner.md", retention.JOB_LOG_DAYS),
        ("api.md", retention.EXPIRED_TOKEN_DAYS),
    ]:
        assert (
            f"[{constant} days](operations.md#what-is-kept-how-long)" in (PROJECT / "docs" / name).read_text()
        )


def test_the_page_of_webhooks_says_when_an_event_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    page = " ".join((PROJECT / "docs" / "webhooks.md").read_text().split())
    said = re.search(
        r"tried again after (\d+) s, (\d+) s, (\d+) s and so on up to (\d+) hours, with jitter, "
        r"for (\d+) hours from the first try; a `Retry-After` is honoured, up to (\d+) hours",
        page,
    )
    assert said is not None
    *first, longest, give_up, longest_asked = map(int, said.groups())
    monkeypatch.setattr("tracker.webhooks.retry.JITTER", 0)
    assert [retry.retry_seconds(failures) for failures in (1, 2, 3)] == first
    assert retry.retry_seconds(50) == longest * 3_600
    assert retry.retry_seconds(1, asked_for=1e9) == longest_asked * 3_600
    assert give_up * 3_600 == retry.GIVE_UP_SECONDS


def test_the_rooms_that_are_described_are_those_that_there_are() -> None:
    page = (PROJECT / "CONTRIBUTING.md").read_text()
    for package in ("tracker", "metrics"):
        table = page.split(f"| `{package}/` |")[1].split("\n\n")[0]
        rooms = " ".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))
        named = set(re.findall(r"`(\w+)/`", rooms))
        assert named == {path.parent.name for path in (PROJECT / package).glob("*/__init__.py")}


def test_links_between_pages_lead_somewhere() -> None:
    for page in [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_tests_that_reliability_names_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (PROJECT / "docs" / "reliability.md").read_text())
    assert named
    for file, test in named:
        assert f"def {test}(" in (PROJECT / file).read_text(), f"{file}::{test}"


def test_each_source_of_events_has_a_page_that_names_its_options() -> None:
    rows = re.findall(
        r"^\| (`[^|]+`) \| \[[^]]+\]\(([\w-]+\.md)\)", (PROJECT / "docs" / "events.md").read_text(), re.M
    )
    pages = {name: page for names, page in rows for name in re.findall(r"`([^`]+)`", names)}
    assert set(pages) == set(SOURCES)
    for name, source in SOURCES.items():
        page = (PROJECT / "docs" / pages[name]).read_text()
        assert [one.name for one in source.options if f"{one.name}=" not in page] == [], name
