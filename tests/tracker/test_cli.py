"""The command line: what it prints, where, and with which exit code."""

import gzip
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import Server, deployment, ndjson, run_tracker

AT = "2026-03-02T10:00:00Z"


def record(**fields: object) -> dict[str, object]:
    return deployment(finished_at=AT, **fields)


def test_help_teaches_and_succeeds(tmp_path: Path) -> None:
    assert "Exit codes" in run_tracker(tmp_path, "--help").stdout
    for command in ("serve", "migrate", "token", "import", "metrics"):
        done = run_tracker(tmp_path, command, "--help")
        assert done.returncode == 0
        assert done.stdout
    assert list(tmp_path.iterdir()) == []
    assert run_tracker(tmp_path, "--version").stdout.startswith("tracker 0.")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["velocity"], 2, "velocity"),
        (["token"], 2, "--org"),
        (["token", "--org", "acme", "--scope", "everything"], 2, "deployments:write"),
        (["token", "--org", "Acme Inc", "--scope", "admin"], 2, "lower-case"),
        (["token", "--org", "acme", "--scope", "admin", "--days", "0"], 2, "--days"),
        (["metrics"], 2, "--org"),
        (["metrics", "--org", "acme"], 1, "tracker serve"),
        (["metrics", "--org", "acme", "velocity"], 2, "velocity"),
        (["metrics", "--org", "acme", "--tz", "Mars"], 2, "--tz"),
        (["metrics", "--org", "acme", "--from", "2026-04-01", "--to", "2026-01-01"], 2, "--from"),
        (["metrics", "--org", "acme", "--failure-signals", ""], 2, "--failure-signals"),
        (["token", "revoke", "1"], 1, "tracker serve"),
        (["import", "missing.ndjson", "--org", "acme"], 2, "missing.ndjson"),
    ],
)
def test_what_is_wrong_is_one_plain_line(
    tmp_path: Path, arguments: list[str], exit_code: int, said: str
) -> None:
    done = run_tracker(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert done.stderr.startswith("tracker: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRACKER_PORT", "http"),
        ("TRACKER_SIGNING_ALGORITHM", "none"),
        ("TRACKER_DATABASE_URL", "mysql://x/y"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, variable: str, value: str) -> None:
    done = run_tracker(tmp_path, "serve", "--port", "0", **{variable: value})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert variable in done.stderr


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tracker.db").write_bytes(b"not a database, whatever its name says" * 100)
    for arguments in (["migrate"], ["metrics", "--org", "acme"], ["serve", "--port", "0"]):
        done = run_tracker(tmp_path, *arguments)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "database" in done.stderr


def test_migrate_says_whether_it_changed_anything(tmp_path: Path) -> None:
    assert run_tracker(tmp_path, "migrate").stdout == "The schema is now at head.\n"
    assert run_tracker(tmp_path, "migrate").stdout == "The schema was at head already.\n"


@pytest.mark.parametrize("form", ["plain", "gzip", "stdin"])
def test_an_import_can_be_repeated(tmp_path: Path, form: str) -> None:
    content = ndjson(*(record(deployment_node_id=str(number)) for number in range(1500)))
    if form == "gzip":
        (tmp_path / "history.ndjson.gz").write_bytes(gzip.compress(content))
        arguments, stdin = ["import", "history.ndjson.gz"], None
    else:
        (tmp_path / "history.ndjson").write_bytes(content)
        arguments, stdin = ["import", "history.ndjson"], None
    if form == "stdin":
        arguments, stdin = ["import", "-"], content.decode()
    first = run_tracker(tmp_path, *arguments, "--org", "acme", stdin=stdin)
    assert (first.returncode, first.stdout) == (0, "1500 recorded, 0 repeated, 0 failed\n")
    assert first.stderr == ""
    again = run_tracker(tmp_path, *arguments, "--org", "acme", stdin=stdin)
    assert (again.returncode, again.stdout) == (0, "0 recorded, 1500 repeated, 0 failed\n")
    with sqlite3.connect(tmp_path / "data" / "tracker.db") as connection:
        rows = connection.execute("select count(*), min(triggered_by) from deployments").fetchone()
    assert rows == (1500, "import")


def test_an_import_keeps_good_lines_and_names_bad_ones(tmp_path: Path) -> None:
    content = ndjson(record(), {"finished_at": AT}, record(is_fix="yes"), deployment())
    done = run_tracker(tmp_path, "import", "-", "--org", "acme", stdin=content.decode())
    assert done.returncode == 1
    assert done.stdout == "1 recorded, 0 repeated, 3 failed\n"
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["line 2", "line 3", "line 4", "tracker"]
    assert "repository_url" in lines[0]


def test_metrics_are_shown_as_a_table_and_as_the_endpoint_answers(tmp_path: Path) -> None:
    history = ndjson(record(commit_id="b" * 40), record(is_hotfix=True, deployment_node_id="2"))
    run_tracker(tmp_path, "import", "-", "--org", "acme", stdin=history.decode())
    window = ["--org", "acme", "--from", "2026-03-02", "--to", "2026-03-03", "--tz", "Europe/Berlin"]
    table = run_tracker(tmp_path, "metrics", *window)
    assert table.returncode == 0
    for said in ("Change failure rate", "50.0%", "1 of 2 (hotfix 1)", "2.00 a day", "no commits"):
        assert said in table.stdout
    answer = json.loads(run_tracker(tmp_path, "metrics", "change_failure_rate", "--json", *window).stdout)
    assert list(answer["metrics"]) == ["change_failure_rate"]
    with Server(tmp_path) as server, server.client(server.token("metrics:read")) as client:
        query = "from=2026-03-02&to=2026-03-03&tz=Europe/Berlin"
        assert (
            client.get(f"/api/v1/metrics/change_failure_rate?{query}").json()
            == answer["metrics"]["change_failure_rate"]
        )


def test_profiles_are_shown_side_by_side_and_what_moved_a_number_in_a_sentence(tmp_path: Path) -> None:
    history = ndjson(record(commit_id="b" * 40), record(is_hotfix=True, deployment_node_id="2"))
    run_tracker(tmp_path, "import", "-", "--org", "acme", stdin=history.decode())
    window = ["--org", "acme", "--from", "2026-03-02", "--to", "2026-03-03"]
    table = run_tracker(tmp_path, "metrics", "profiles", "change_failure_rate", *window).stdout
    for said in ("default", "50.0%", "devlake", "0.0%", "middleware", "Only incidents"):
        assert said in table
    for option in (["--profile", "devlake"], ["--interval", "month"], ["--compare"]):
        refused = run_tracker(tmp_path, "metrics", "profiles", "change_failure_rate", *window, *option)
        assert (refused.returncode, option[0] in refused.stderr) == (2, True)
    run_tracker(tmp_path, "settings", "--org", "acme", "failure_signals=incident")
    explained = run_tracker(tmp_path, "metrics", "explain", "change_failure_rate", *window).stdout
    said = "under incident, rollback, hotfix, fix, the one before, it would be 50.0%."
    assert said in " ".join(explained.split())


def test_commands_work_beside_a_running_service(tmp_path: Path) -> None:
    with Server(tmp_path) as server, server.client(server.token()) as client:
        client.post("/api/v1/deployments", json=deployment())
        done = run_tracker(tmp_path, "import", "-", "--org", "acme", stdin=ndjson(record()).decode())
        assert done.returncode == 0
        assert client.get("/api/v1/metrics/deployment_frequency?from=2026-01-01").json()["deployments"] == 2
        shown = json.loads(
            run_tracker(tmp_path, "metrics", "--org", "acme", "--from", "2026-01-01", "--json").stdout
        )
        assert shown["metrics"]["deployment_frequency"]["deployments"] == 2
        stores = (tmp_path / "data" / "stores").glob("*/acme.duckdb")
        assert {path.parent.name for path in stores} == {"0", "1"}


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        port = server.url.rpartition(":")[2]
        done = run_tracker(tmp_path, "serve", "--port", port)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert port in done.stderr


CSV = """﻿repository_url;commit_id;finished_at;status;is_hotfix;commits_count;labels;title;environment
https://github.com/acme/shop;aaaaaaa;2026-03-02T10:00:00Z;succeeded;;3;;"two
lines";
https://github.com/acme/shop;bbbbbbb;2026-03-02 11:00:00+0000;failure;;;;;
https://github.com/acme/shop;ccccccc;2026-03-02T12:00:00Z;;yes;;"{""region"": ""eu""}";'=1+1;Production
https://github.com/acme/shop;ddddddd;2026-03-02T12:00:00Z;;maybe;;;;
"""


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_csv_with_a_header_is_imported(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "history.csv").write_bytes(pack(CSV.encode()))
    done = run_tracker(tmp_path, "import", "history.csv", "--org", "acme")
    assert (done.returncode, done.stdout) == (1, "3 recorded, 0 repeated, 1 failed\n")
    assert done.stderr.startswith("line 6: /is_hotfix must be true or false")
    lines = run_tracker(tmp_path, "export", "--org", "acme").stdout.splitlines()
    told = [json.loads(line) for line in lines if '"type":"deployment"' in line]
    assert [(one["status"], one["commits_count"], one["title"]) for one in told] == [
        ("success", 3, "two\nlines"), ("fail", None, None), ("success", None, "=1+1"),
    ]  # fmt: skip
    assert (told[2]["is_hotfix"], told[2]["labels"], told[2]["environment"]) == (
        True,
        {"region": "eu"},
        "Production",
    )


def test_an_exported_csv_is_imported_again(tmp_path: Path) -> None:
    post = {"repository_url": "https://github.com/acme/shop", "version": "@1", "deployment_node_id": "7"}
    times = {"started_at": "2026-03-02T09:00:00Z", "finished_at": "2026-03-02T10:00:00Z"}
    commits = [{"sha": "a" * 40, "committed_at": "2026-03-01T10:00:00Z"}]
    lines = [
        {**post, **times, "commits": commits, "title": "=x"},
        {"key": "PD-1", "started_at": "2026-03-02T10:30:00Z", "title": "+down", "labels": {"a": "b"}},
    ]
    (tmp_path / "history.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run_tracker(tmp_path, "import", "history.ndjson", "--org", "acme")
    assert done.stdout == "2 recorded, 0 repeated, 0 failed\n", done.stderr
    for options in ([], ["--incidents"]):
        run_tracker(tmp_path, "export", "--org", "acme", "-o", "table.csv", *options)
        again = run_tracker(tmp_path, "import", "table.csv", "--org", "acme")
        assert again.stdout == "0 recorded, 1 repeated, 0 failed\n", again.stderr
    answered = run_tracker(
        tmp_path, "metrics", "change_failure_rate", "--org", "acme", "--json", "--from", "2026-03-01"
    )
    assert json.loads(answered.stdout)["metrics"]["change_failure_rate"]["denominator"] == 1


@pytest.mark.parametrize("command", [["metrics"], ["export"], ["teams", "list"], ["settings"]])
def test_an_organization_that_is_not_there_is_said(tmp_path: Path, command: list[str]) -> None:
    line = json.dumps(record(version="v1")) + "\n"
    run_tracker(tmp_path, "import", "-", "--org", "checkout", stdin=line)
    done = run_tracker(tmp_path, *command, "--org", "chekkout")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "tracker: there is no organization chekkout: is checkout meant?\n"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        # A comma that nobody quoted, a quote that nobody closed.
        (["b,2026-03-02T10:00:00Z,fix a, b"], "line 3: /cell 5 is not a field"),
        (['b,2026-03-02T10:00:00Z,"open', "c,2026-03-02T10:00:00Z,x"], "line 3: the CSV cannot be read on"),
    ],
)
def test_a_row_of_csv_that_is_wrong_is_named_and_those_before_are_kept(
    tmp_path: Path, rows: list[str], said: str
) -> None:
    lines = [f"https://github.com/acme/shop,{row}" for row in ("a,2026-03-02T10:00:00Z,ok", *rows)]
    text = "repository_url,version,finished_at,title\n" + "\n".join(lines) + "\n"
    done = run_tracker(tmp_path, "import", "-", "--org", "acme", stdin=text)
    assert (done.returncode, done.stdout) == (1, "1 recorded, 0 repeated, 1 failed\n")
    assert done.stderr.startswith(said)


def test_a_long_cell_and_an_incident_of_a_commit_come_back_from_csv(tmp_path: Path) -> None:
    commits = [{"sha": f"{number:040x}", "committed_at": AT} for number in range(2_000)]
    lines = [
        record(commit_id="a" * 40, deployment_node_id="1", commits=commits),
        {"key": "i", "started_at": AT, "commit_id": "a" * 40},
    ]
    run_tracker(
        tmp_path, "import", "-", "--org", "acme", stdin="".join(json.dumps(line) + "\n" for line in lines)
    )
    for options in ([], ["--incidents"]):
        run_tracker(tmp_path, "export", "--org", "acme", "-o", "table.csv", *options)
        again = run_tracker(tmp_path, "import", "table.csv", "--org", "acme")
        assert again.stdout == "0 recorded, 1 repeated, 0 failed\n", again.stderr


ODD_NAMES = {
    "team": "[/foo]",
    "service": "\x1b]0;owned\x07\x1b[2J\x1b[31mweb\u202e",
    "branch": "[link=https://evil.example]x[/link]",
    "environment": "production",
    "version": "[bold]1[/bold]",
}


def test_what_is_recorded_neither_breaks_nor_steers_the_terminal(tmp_path: Path) -> None:
    run_tracker(tmp_path, "token", "--org", "acme", "--scope", "admin")
    record = {
        "repository_url": "https://github.com/acme/shop",
        "finished_at": "2026-03-02T10:00:00Z",
        **ODD_NAMES,
    }
    assert run_tracker(tmp_path, "import", "-", "--org", "acme", stdin=json.dumps(record)).returncode == 0
    window = ("--org", "acme", "--from", "2026-03-01", "--to", "2026-04-01")
    for command in (
        ("metrics", *window, "--group-by", "team"), ("metrics", *window, "--group-by", "service"), ("metrics", *window, "--group-by", "branch"),
        ("metrics", "explain", "deployment_frequency", *window), ("teams", "list", "--org", "acme"),
    ):  # fmt: skip
        done = run_tracker(tmp_path, *command)
        assert (done.returncode, done.stderr) == (0, ""), command
        assert not [one for one in done.stdout if not one.isprintable() and one != "\n"], command
    # As it was recorded, and not as markup.
    assert "[/foo]" in run_tracker(tmp_path, "metrics", *window, "--group-by", "team").stdout
