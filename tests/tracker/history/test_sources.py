"""What is found in the answers and tables of other systems: pure readings of files."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from tracker.integrations.history.json_stream import json_objects, texts
from tracker.integrations.history.options import HistoryOptions
from tracker.integrations.history.sources import SOURCES
from tracker.transfer.imports.items import Found, Item, PassedOver, Remark, SourceError, Unreadable

SHA = "4335991842388c4896724fe6c7c09c2255d0ae03"
GITHUB, GITLAB = "https://api.github.com/repos/acme/shop", "https://gitlab.example/acme/shop"
Read = Callable[..., list[Item]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """What a source finds in a file of that content."""

    def run(source: str, content: Any, **options: Any) -> list[Item]:
        file = tmp_path / "file"
        if not isinstance(content, bytes):
            content = (content if isinstance(content, str) else json.dumps(content)).encode()
        file.write_bytes(content)
        return list(SOURCES[source].read(str(file), HistoryOptions(**options)))

    return run


def records(items: list[Item]) -> list[dict[str, Any]]:
    return [dict(one.record) for one in items if isinstance(one, Found)]


def told(items: list[Item]) -> list[tuple[str, str]]:
    return [(one.place, one.detail) for one in items if isinstance(one, Unreadable)]


def passed(items: list[Item]) -> list[str]:
    return [one.reason for one in items if isinstance(one, PassedOver)]


def deployment(**fields: Any) -> dict[str, Any]:
    return {
        "id": 42, "sha": SHA, "ref": "main", "task": "deploy", "environment": "production", "payload": {},
        "created_at": "2026-03-02T10:00:00Z", "repository_url": GITHUB, "creator": {"login": "mona"},
        "statuses_url": f"{GITHUB}/deployments/42/statuses",
    } | fields  # fmt: skip


def status(state: str, minute: int, **fields: Any) -> dict[str, Any]:
    created_at = f"2026-03-02T10:{minute:02}:00Z"
    return {"id": minute, "state": state, "created_at": created_at, "environment": "production"} | fields


def test_a_github_deployment_has_its_latest_final_status(read: Read) -> None:
    # The newest of an old one says that a later deployment took its place.
    statuses = [status("inactive", 50), status("success", 9), status("failure", 5), status("in_progress", 2)]
    assert records(read("github", {"deployment": deployment(), "statuses": statuses})) == [
        {
            "repository_url": "https://github.com/acme/shop", "commit_id": SHA, "branch": "main", "member_id": "mona",
            "environment": "production", "status": "success", "started_at": "2026-03-02T10:02:00+00:00",
            "finished_at": "2026-03-02T10:09:00+00:00", "deployment_node_id": "github:github.com:deployment:42",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    "printed",
    [
        "{0}\n{1}\n",
        "[{0}][{1}]",
        "[{0},{1}]",
        "[[{0}],[{1}]]",
        "[\n  {0},\n  {1}\n]\n",
        "\ufeff{0}\r\n\r\n{1}",
    ],
)
def test_however_gh_prints_them(read: Read, printed: str) -> None:
    both = [
        json.dumps({"deployment": deployment(id=one), "statuses": [status("success", 9)]}) for one in (1, 2)
    ]
    printed = printed.format(*both)
    keys = ["github:github.com:deployment:1", "github:github.com:deployment:2"]
    for content in (
        printed.encode(),
        gzip.compress(printed.encode()),
        printed.lstrip("\ufeff").encode("utf-16"),
    ):
        assert [one["deployment_node_id"] for one in records(read("github", content))] == keys


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.integers() | st.lists(st.none())),
        max_size=5,
    ),
    st.integers(1, 40),
    st.booleans(),
)
def test_a_stream_is_read_whole_wherever_it_is_cut(
    values: list[dict[str, Any]], size: int, is_array: bool
) -> None:
    printed = json.dumps(values) if is_array else "\n".join(json.dumps(one, indent=1) for one in values)
    pieces = [printed[start : start + size] for start in range(0, len(printed), size)]
    assert [value for _, value in json_objects(pieces)] == values


def test_what_is_no_json_is_named_and_the_rest_read(read: Read) -> None:
    good = json.dumps({"deployment": deployment(), "statuses": [status("success", 9)]})
    items = read(
        "github",
        f'{good}\n{{"deployment": oops}}\n{good}\n[1]\n{{"deployment": {{"id": 7}}, "statuses": []}}\n{{"deploy',
    )
    assert len(records(items)) == 2
    assert [place for place, _ in told(items)] == [
        "element 2 (line 2)", "element 4 (line 4)", "element 5 (line 5)", "element 6 (line 6)",
    ]  # fmt: skip
    details = [detail for _, detail in told(items)]
    assert details[1:3] == ["must be a JSON object", "deployment.repository_url is missing"]
    assert "not valid JSON" in details[0]
    assert "not valid JSON" in details[3]
    with pytest.raises(SourceError, match="UTF-8"):
        list(texts(io.BytesIO(b"\xff\xfa{}")))


def test_what_of_github_is_no_deployment_that_is_over(read: Read) -> None:
    items = read(
        "github",
        [
            deployment(),
            {"deployment": deployment(task="deploy:migrations"), "statuses": [status("success", 9)]},
            {"deployment": deployment(), "statuses": [status("queued", 1), status("inactive", 50)]},
            {"message": "Not Found", "documentation_url": "https://docs.github.com"},
            {"deployment": deployment(id=8), "statuses": [status("error", 9, environment="blue")]},
        ],
    )
    assert passed(items) == [
        "deployments without their statuses", "other task deploy:migrations", "not over, as far as GitHub says",
    ]  # fmt: skip
    assert told(items) == [("element 4 (line 1)", "is GitHub's error: Not Found")]
    assert [(one["status"], one["environment"]) for one in records(items)] == [("fail", "blue")]
    assert "docs/history.md" in SOURCES["github"].hints["deployments without their statuses"]


def test_runs_releases_and_issues_of_github(read: Read) -> None:
    run = {
        "id": 7, "run_attempt": 2, "name": "Deploy", "path": ".github/workflows/deploy.yml", "event": "push",
        "head_sha": SHA, "head_branch": "main", "status": "completed", "conclusion": "timed_out", "workflow_id": 1,
        "run_started_at": "2026-03-02T10:00:00Z", "updated_at": "2026-03-02T10:05:00Z",
        "repository": {"html_url": "https://github.com/acme/shop"},
    }  # fmt: skip
    release = {
        "id": 9, "tag_name": "v1.2.0", "target_commitish": "main", "draft": False, "prerelease": False, "body": "New",
        "html_url": "https://github.com/acme/shop/releases/tag/v1.2.0", "published_at": "2026-03-02T10:00:00Z",
    }  # fmt: skip
    issue = {
        "id": 5, "number": 3, "labels": [{"name": "incident"}], "title": "Down", "created_at": "2026-03-02T10:00:00Z",
        "closed_at": "2026-03-02T11:00:00Z", "html_url": "https://github.com/acme/shop/issues/3", "state_reason": "completed",
    }  # fmt: skip
    items = read(
        "github",
        [
            {"total_count": 2, "workflow_runs": [run, run | {"id": 8, "path": ".github/workflows/test.yml", "name": "Test"}]},
            [release, release | {"prerelease": True}], [issue, issue | {"pull_request": {}}, issue | {"labels": []}],
        ],
        workflows=["deploy.yml"], service="web",
    )  # fmt: skip
    ran, released, incident = records(items)
    assert (ran["status"], ran["deployment_node_id"]) == ("fail", "github:github.com:run:7.2")
    assert (ran["started_at"], ran["finished_at"]) == (
        "2026-03-02T10:00:00+00:00",
        "2026-03-02T10:05:00+00:00",
    )
    assert (released["version"], released["deployment_node_id"]) == ("v1.2.0", "github:github.com:release:9")
    assert (incident["key"], incident["resolved_at"]) == (
        "github:github.com:issue:5",
        "2026-03-02T11:00:00+00:00",
    )
    assert {ran["service"], released["service"], incident["service"]} == {"web"}
    assert passed(items) == [
        "other workflow .github/workflows/test.yml", "prerelease", "pull requests", "no incident",
    ]  # fmt: skip
    with pytest.raises(SourceError, match="--workflow"):
        read("github", run)


def test_gitlabs_deployments_with_and_without_a_job(read: Read) -> None:
    job = {
        "started_at": "2026-03-02T10:00:00.000+01:00", "finished_at": "2026-03-02 10:05:00 +0100", "tag": False,
        "commit": {"title": "Add search"}, "pipeline": {"web_url": f"{GITLAB}/-/pipelines/5"},
    }  # fmt: skip
    plain = {
        "id": 42, "iid": 2, "ref": "main", "sha": SHA, "created_at": "2026-03-02T09:00:00.000Z",
        "updated_at": "2026-03-02T09:06:00.000Z", "status": "success", "environment": {"name": "production", "tier": "production"},
        "user": {"username": "tanuki"}, "deployable": job,
    }  # fmt: skip
    by_interface = plain | {"id": 43, "deployable": None, "status": "canceled"}
    items = read(
        "gitlab",
        [
            plain,
            by_interface,
            plain | {"status": "running"},
            plain | {"status": "odd"},
            {"message": "401 Unauthorized"},
        ],
    )
    assert records(items) == [
        {
            "repository_url": GITLAB, "commit_id": SHA, "branch": "main", "environment": "production", "production": True,
            "status": "success", "started_at": "2026-03-02T09:00:00+00:00", "finished_at": "2026-03-02T09:05:00+00:00",
            "title": "Add search", "url": f"{GITLAB}/-/pipelines/5", "member_id": "tanuki",
            "deployment_node_id": "gitlab:gitlab.example:deployment:42",
        }
    ]  # fmt: skip
    assert [detail for _, detail in told(items)] == [
        "names no repository: say it by --repository URL", "status odd is none that GitLab has",
        "is GitLab's error: 401 Unauthorized",
    ]  # fmt: skip
    assert passed(items) == ["not over, as far as GitLab says"]
    (found,) = records(read("gitlab", [by_interface], repository_url=GITLAB))
    assert (found["status"], found["finished_at"]) == ("cancelled", "2026-03-02T09:06:00+00:00")
    release = {
        "tag_name": "v1.2.0", "released_at": "2026-03-02T10:00:00.000Z", "commit": {"id": SHA},
        "_links": {"self": f"{GITLAB}/-/releases/v1.2.0"},
    }  # fmt: skip
    items = read("gitlab", [release, release | {"upcoming_release": True}])
    assert [(one["version"], one["deployment_node_id"]) for one in records(items)] == [
        ("v1.2.0", "gitlab:gitlab.example:release:v1.2.0")
    ]
    assert passed(items) == ["releases that are to come"]


def test_datadogs_lists_with_what_repairs_what(read: Read) -> None:
    def entry(own_id: str, **attributes: Any) -> dict[str, Any]:
        common = {
            "service": "shop", "env": "prod", "started_at": 1772445600000, "finished_at": 1772445900000000000,
            "git": {"repository_url": "https://github.com/acme/shop", "commit_sha": SHA}, "custom_tags": ["region:eu", "odd"],
        }  # fmt: skip
        return {"id": own_id, "type": "dora_deployment", "attributes": common | attributes}

    failure = {
        "id": "f1", "type": "dora_failure",
        "attributes": {"started_at": "2026-03-02T10:10:00Z", "services": ["shop"], "severity": "High", "name": "Down"},
    }  # fmt: skip
    items = read(
        "datadog",
        {
            "data": [
                entry("later"), entry("broken", remediation={"id": "later", "type": "rollback"}),
                entry("none", git={}), failure,
            ]
        },
    )  # fmt: skip
    later, broken, incident = records(items)
    assert (later["remediates"], later["is_rollback"]) == ("datadog:deployment:broken", True)
    assert broken == {
        "repository_url": "https://github.com/acme/shop", "commit_id": SHA, "service": "shop", "environment": "prod",
        "started_at": "2026-03-02T10:00:00+00:00", "finished_at": "2026-03-02T10:05:00+00:00",
        "labels": {"region": "eu"}, "deployment_node_id": "datadog:deployment:broken",
    }  # fmt: skip
    assert incident == {
        "key": "datadog:failure:f1", "title": "Down", "started_at": "2026-03-02T10:10:00+00:00", "service": "shop", "severity": "High",
    }  # fmt: skip
    assert told(items) == [
        ("element 1 (line 1), data[2]", "git.repository_url is missing: say it by --repository URL")
    ]


DEVLAKE = {
    "cicd_deployment_commits": [
        "id,cicd_deployment_id,commit_sha,repo_url,ref_name,name,result,status,environment,started_date,finished_date",
        f"c1,d1,{SHA},https://github.com/acme/shop,main,Deploy,SUCCESS,DONE,PRODUCTION,2026-03-02 10:00:00,2026-03-02 10:05:00.123",
        f"c2,d2,{SHA},https://github.com/acme/shop,main,,FAILURE,DONE,STAGING,,2026-03-02 11:05:00",
        f"c3,d3,{SHA},https://github.com/acme/shop,main,,SUCCESS,IN_PROGRESS,PRODUCTION,,",
        f"c4,d4,{SHA},https://github.com/acme/shop,main,,SUCCESS,DONE,,,2026-03-02 11:05:00",
        f"c5,d5,{SHA},,main,,SUCCESS,DONE,PRODUCTION,,2026-03-02 11:05:00",
    ],
    "incidents": [
        "id,incident_key,title,created_date,resolution_date,severity,url,component",
        "jira:1,SHOP-1,Down,2026-03-02 10:10:00,2026-03-02 10:40:00,High,https://jira.example/SHOP-1,web",
    ],
    "project_incident_deployment_relationships": ["id,deployment_id,project_name", "jira:1,d1,shop"],
    "project_pr_metrics": ["id,project_name,deployment_commit_id", "pr1,shop,c1", "pr2,shop,"],
    "pull_request_commits": [
        "pull_request_id,commit_sha,commit_authored_date",
        f"pr1,{'a' * 40},2026-03-01 10:00:00", f"pr2,{'b' * 40},2026-03-01 10:00:00",
    ],
}  # fmt: skip


def devlake_folder(folder: Path) -> str:
    for table, lines in DEVLAKE.items():
        (folder / f"{table}.csv").write_text("\n".join(lines) + "\n")
    return str(folder)


def devlake_database(folder: Path) -> str:
    """DevLake's tables in a database, with times as SQLite keeps them."""
    url = f"sqlite:///{folder / 'lake.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        for table, lines in DEVLAKE.items():
            names = lines[0].split(",")
            connection.execute(text(f"create table {table} ({', '.join(names)})"))
            for line in lines[1:]:
                row = dict(zip(names, (cell or None for cell in line.split(",")), strict=True))
                connection.execute(
                    text(f"insert into {table} values ({', '.join(f':{name}' for name in names)})"), row
                )
    engine.dispose()
    return url


@pytest.mark.parametrize("made", [devlake_folder, devlake_database])
def test_devlakes_tables_from_a_database_and_as_files(tmp_path: Path, made: Callable[[Path], str]) -> None:
    items = list(SOURCES["devlake"].read(made(tmp_path), HistoryOptions()))
    first, second, incident = records(items)
    assert first == {
        "repository_url": "https://github.com/acme/shop", "commit_id": SHA, "branch": "main", "title": "Deploy",
        "environment": "production", "status": "success", "commits_count": 1,
        "started_at": "2026-03-02T10:00:00+00:00", "finished_at": "2026-03-02T10:05:00.123000+00:00",
        "commits": [{"sha": "a" * 40, "committed_at": "2026-03-01T10:00:00+00:00"}],
        "deployment_node_id": f"devlake:deployment:d1:{SHA}",
    }  # fmt: skip
    assert (second["status"], second["environment"]) == ("fail", "staging")
    assert incident == {
        "key": "devlake:incident:SHOP-1", "title": "Down", "severity": "High", "url": "https://jira.example/SHOP-1",
        "started_at": "2026-03-02T10:10:00+00:00", "resolved_at": "2026-03-02T10:40:00+00:00",
        "deployment": f"devlake:deployment:d1:{SHA}",
    }  # fmt: skip
    assert passed(items) == [
        "not over, as far as DevLake says", "of no environment that DevLake knows (--environment names it)",
    ]  # fmt: skip
    assert told(items) == [
        ("cicd_deployment_commits, row 5", "repo_url is missing: say it by --repository URL")
    ]


def test_what_is_no_devlake_says_what_to_do(tmp_path: Path) -> None:
    for name, said in (
        (str(tmp_path), "no table cicd_deployment_commits"),
        (str(tmp_path / "nowhere"), "is no folder"),
        (f"sqlite:///{tmp_path / 'no' / 'where.db'}", "cannot be read"),
        ("mysql+nodriver://lake:secret@localhost/lake", "cannot be read"),
    ):
        with pytest.raises(SourceError, match=said) as refused:
            list(SOURCES["devlake"].read(name, HistoryOptions()))
        assert "secret" not in str(refused.value)


def test_a_table_with_others_names_is_guessed_and_shown(read: Read) -> None:
    table = "Repo;SHA;Env;Deployed At;Result;Hotfix;Ticket\n" + (
        f"https://github.com/acme/shop;{SHA};prod;2026-03-02 10:00:00;Succeeded;yes;S-1\n"
        f";{SHA};;yesterday;;;\n"
        f"https://github.com/acme/shop;{SHA};prod;1772445600;failed;no;\n"
    )
    items = read("csv", table, repository_url="https://github.com/acme/web", zone=ZoneInfo("Europe/Berlin"))
    assert items[0] == Remark(
        "repository_url=Repo, commit_id=SHA, environment=Env, status=Result, finished_at=Deployed At, is_hotfix=Hotfix"
    )
    first, last = records(items)
    assert first.pop("deployment_node_id").startswith("csv:row:")
    assert first == {
        "repository_url": "https://github.com/acme/shop", "commit_id": SHA, "environment": "prod",
        "finished_at": "2026-03-02T09:00:00+00:00", "status": "Succeeded", "is_hotfix": True,
    }  # fmt: skip
    assert last["finished_at"] == "2026-03-02T10:00:00+00:00"
    ((place, detail),) = told(items)
    assert (place, detail[:20]) == ("line 3", "Deployed At must be ")


def test_a_column_is_mapped_and_a_time_without_a_zone_asked_about(read: Read) -> None:
    table = f"what,when,release\n{SHA},2026-03-02 10:00:00,7\n"
    items = read(
        "csv",
        table,
        repository_url="https://github.com/acme/shop",
        columns={"commit_id": "what", "finished_at": "when"},
    )
    assert told(items) == [
        (
            "line 2",
            "when must carry a time zone, as in 2026-03-02T10:00:00Z (--tz NAME says which zone is meant)",
        )
    ]
    for columns, said in (
        ({}, "no column says the repository"),
        ({"repository_url": "nothing"}, "there is no such column; the columns are what, when, release"),
        ({"velocity": "what"}, "a deployment has no such field"),
    ):
        with pytest.raises(SourceError, match=said):
            read("csv", table, columns=columns)
    with pytest.raises(SourceError, match="no column says when"):
        read("csv", table, repository_url="https://github.com/acme/shop")
