"""`tracker import --from` on the command line, over one folder's database."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.git_repository import Repository
from tests.server import TRACKER
from tracker.cli.main import tracker
from tracker.errors import NotFound

Run = Callable[..., Result]
SHA = "4335991842388c4896724fe6c7c09c2255d0ae03"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command in this process: one of its own takes its seconds to start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(TRACKER)])
    monkeypatch.setenv("TRACKER_DATA_DIR", str(tmp_path / "data"))
    return lambda *arguments, stdin=None: CliRunner().invoke(
        tracker, ["import", *arguments, "--org", "acme"], input=stdin
    )


def test_a_repository_is_looked_at_imported_listed_and_undone(tmp_path: Path, run: Run) -> None:
    repository = Repository(tmp_path / "shop")
    for hour in range(3):
        repository.commit(f"change {hour}", hour)
        repository.git("tag", f"v{hour}")
    arguments = ("--from", "git", "shop")
    looked = run(*arguments, "--dry-run", "--environment", "live")
    assert looked.exit_code == 0, looked.output
    assert re.search(r"2026-03-02 11:00 .* live .* v2 .* success .* 1 ", looked.stdout)
    assert "Would be 3 recorded, 0 repeated, 0 failed" in looked.stdout
    assert not (tmp_path / "data" / "tracker.db").exists()
    imported = run(*arguments)
    assert "3 recorded" in imported.stdout
    assert "no failure" in imported.stdout
    assert "metrics --org acme" in imported.stderr
    again = run(*arguments, "--dry-run")
    assert "Would be 0 recorded, 3 repeated, 0 failed" in again.stdout
    (listed,) = run("list").stdout.splitlines()
    assert listed.endswith(f"git  {tmp_path / 'shop'}  3 records, finished")
    undone = run("undo", listed.split()[0])
    assert (undone.exit_code, undone.stdout) == (0, "3 deleted\n")
    assert isinstance(run("undo", "7").exception, NotFound)


def test_what_is_wrong_is_named_the_rest_recorded_and_the_exit_code_one(run: Run) -> None:
    good = {
        "id": 1,
        "sha": SHA,
        "ref": "main",
        "environment": "production",
        "created_at": "2026-03-02T10:00:00Z",
    }
    good["repository_url"] = "https://api.github.com/repos/acme/shop"
    status = {"id": 2, "state": "success", "created_at": "2026-03-02T10:05:00Z"}
    lines = [{"deployment": good, "statuses": [status]}, {"deployment": {"id": 3}, "statuses": []}, good]
    Path("history.ndjson").write_text("\n".join(json.dumps(line) for line in lines))
    done = run("--from", "github", "history.ndjson")
    assert done.exit_code == 1
    assert "1 recorded, 0 repeated, 1 failed; left out: 1 deployments without their statuses" in done.stdout
    assert "docs/history.md has the command" in done.stdout
    assert "element 2 (line 2): deployment.repository_url is missing" in done.stderr
    assert "not everything could be read: 1 are wrong" in done.stderr
    for arguments, code, said in (
        (["-", "--tags", "v*"], 2, "are for --from"),
        (["shop", "--from", "git", "--fix", "release"], 2, "must be tag, branch"),
        (["nowhere", "--from", "git"], 1, "nowhere is no folder"),
        (["nowhere.ndjson"], 2, "nowhere.ndjson"),
        (["a.csv", "--from", "csv", "--map", "sha"], 2, "FIELD=COLUMN"),
        (["a.csv", "--from", "csv", "--tz", "Mars"], 2, "is no time zone"),
        (["a.csv", "--from", "csv", "--since", "soon"], 2, "--since"),
    ):
        refused = run(*arguments)
        assert (refused.exit_code, refused.stdout) == (code, "")
        assert said in refused.stderr
