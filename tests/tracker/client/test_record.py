"""`tracker record` as a pipeline calls it: a real repository, a real service, a CI system's variables."""

import json
import signal
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.git_repository import START, Repository
from tests.pipeline import Job
from tests.server import Server
from tests.tracker.client.test_systems import GITHUB, GITLAB
from tests.waiting import wait_until

DEPLOYMENTS = "/api/v1/deployments"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "hello-world", remote="https://github.com/octocat/hello-world.git")


@pytest.fixture
def job(server: Server, organization: str, repository: Repository, tmp_path: Path) -> Job:
    return Job(repository.folder, {
        "TRACKER_URL": server.url, "TRACKER_TOKEN": server.token("deployments:write", organization),
        "TRACKER_SPOOL_DIR": str(tmp_path / "spool"),
    })  # fmt: skip


def on_github(repository: Repository, run: int = 1, **more: str) -> dict[str, str]:
    """The variables of a run of GitHub Actions over what is checked out."""
    return GITHUB | {"GITHUB_SHA": repository.head(), "GITHUB_RUN_ID": str(run)} | more


def recorded(client: httpx.Client, **filters: str) -> list[dict[str, Any]]:
    """What was recorded, the latest first."""
    answered = client.get(DEPLOYMENTS, params=filters)
    assert answered.status_code == 200, answered.text
    items: list[dict[str, Any]] = answered.json()["items"]
    return items


def shas(record: dict[str, Any]) -> list[str]:
    return [commit["sha"] for commit in record["commits"]]


def test_one_line_records_what_the_pipeline_knows(
    client: httpx.Client, job: Job, repository: Repository
) -> None:
    repository.commit("deployed before", 0)
    job.run(**on_github(repository, 1))
    one, two = repository.commit("one", 1), repository.commit("two (#7)", 2)
    done = job.run(
        "--service", "web", "--label", "region=eu", "--team", "checkout", **on_github(repository, 2)
    )
    assert done.returncode == 0
    done = job.run("--label", "region=eu", "--team", "checkout", **on_github(repository, 3))
    assert done.stderr.startswith(
        f"tracker: recorded: octocat/hello-world {two[:7]} in production: success, 2 commits since"
    )
    assert done.stderr.count("\n") == 1
    record, of_web, first = recorded(client)
    assert shas(first) == shas(of_web) == []
    assert "the first of its stream" in job.lines[0]
    assert "the first of its stream" in job.lines[1]
    expected = {
        "repository": "octocat/hello-world", "commit_id": two, "branch": "main", "environment": "production", "status": "success",
        "url": "https://github.com/octocat/hello-world/actions/runs/3/attempts/1", "member_id": "octocat", "deployment_node_id": "github:3:1",
        "commits_count": 2, "pull_request_number": 7, "title": "two (#7)", "labels": {"region": "eu"}, "team": "checkout", "triggered_by": "api",
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected
    assert shas(record) == [two, one]
    assert [commit["committed_at"] for commit in record["commits"]] == [
        "2026-03-02T11:00:00Z",
        "2026-03-02T10:00:00Z",
    ]


def test_the_lead_time_is_what_a_person_counts(
    client: httpx.Client, job: Job, repository: Repository
) -> None:
    """Commits at 1, 2 and 7 h, deployed at 10 h: 9, 8 and 3 h, whose median is 8 h. A second one adds 6 h."""
    at = [(START + timedelta(hours=hour)).isoformat() for hour in (0.5, 10, 20)]
    repository.commit("deployed before", 0)
    job.run("--finished-at", at[0], **on_github(repository, 1))
    repository.git("switch", "--quiet", "--create", "feature")
    repository.commit("a", 1, committed_hour=9)
    repository.commit("b", 2)
    repository.git("switch", "--quiet", "main")
    repository.commit("c", 7)
    repository.merge("feature", 8)
    job.run("--finished-at", at[1], **on_github(repository, 2))
    repository.commit("d", 14)
    job.run("--finished-at", at[2], **on_github(repository, 3))
    answered = client.get(
        "/api/v1/metrics/lead_time_for_changes", params={"from": "2026-03-01", "to": "2026-04-01"}
    ).json()
    assert (answered["value"], answered["commits"]) == (7 * 3600, 4)
    assert [item["lead_time_seconds"] for item in recorded(client)] == [6 * 3600, 8 * 3600, None]


def test_start_and_finish_are_one_record(client: httpx.Client, job: Job, repository: Repository) -> None:
    repository.commit("deployed before", 0)
    job.run(**on_github(repository, 1))
    repository.commit("one", 1)
    job.run("start", **on_github(repository, 2))
    begun = recorded(client)[0]
    assert (begun["status"], begun["finished_at"], len(shas(begun))) == ("in_progress", None, 1)
    job.run("finish", "--status", "failure", **on_github(repository, 2))
    ended = recorded(client)[0]
    assert (ended["id"], ended["status"], ended["started_at"]) == (begun["id"], "fail", begun["started_at"])
    # A step that is tried again says the same once more.
    job.run("finish", "--status", "failure", **on_github(repository, 2))
    # A re-run is another attempt.
    job.run("finish", "--status", "success", **on_github(repository, 2, GITHUB_RUN_ATTEMPT="2"))
    assert [item["status"] for item in recorded(client)] == ["success", "fail", "success"]


@pytest.mark.parametrize(
    ("word", "status"),
    [("success", "success"), ("SUCCESS", "success"), ("failure", "fail"), ("failed", "fail"), ("Canceled", "cancelled"), ("UNSTABLE", "success"), ("SucceededWithIssues", "success"), ("cancelled", "cancelled"), ("ABORTED", "cancelled")],
)  # fmt: skip
def test_the_words_of_ci_systems_are_understood(
    client: httpx.Client, job: Job, repository: Repository, word: str, status: str
) -> None:
    repository.commit("one", 0)
    job.run("finish", "--status", word, **on_github(repository))
    assert recorded(client)[0]["status"] == status


def test_a_status_that_is_empty_is_no_success(client: httpx.Client, job: Job, repository: Repository) -> None:
    repository.commit("one", 0)
    done = job.run("finish", "--status", "", **on_github(repository))
    assert (done.returncode, recorded(client)) == (0, [])
    assert "--status is empty" in done.stderr


def test_where_the_system_says_how_the_job_ended_that_is_taken(
    client: httpx.Client, job: Job, repository: Repository
) -> None:
    repository.commit("one", 0)
    variables = GITLAB | {"CI_COMMIT_SHA": repository.head()}
    job.run(**variables)
    job.run(**variables | {"CI_JOB_STATUS": "failed", "CI_JOB_ID": "303", "CI_ENVIRONMENT_NAME": "staging"})
    # The job began in 2022.
    assert [(one["status"], one["environment"], one["started_at"]) for one in recorded(client)] == [
        ("fail", "staging", "2022-01-31T16:47:55Z"), ("success", "production", "2022-01-31T16:47:55Z"),
    ]  # fmt: skip
    assert recorded(client)[0]["repository_url"] == "https://gitlab.example.com/my-group/my-project"


@pytest.mark.parametrize("exit_status", [0, 3])
def test_around_a_command_both_ends_are_recorded_and_its_status_is_passed_on(
    client: httpx.Client, job: Job, repository: Repository, exit_status: int
) -> None:
    repository.commit("one", 0)
    done = job.run("--service", "web", "--", "sh", "-c", f"echo out; sleep 0.4; exit {exit_status}")
    assert (done.returncode, done.stdout) == (exit_status, "out\n")
    (record,) = recorded(client)
    assert (record["status"], record["service"]) == ("fail" if exit_status else "success", "web")
    assert 0.4 <= record["duration_seconds"] < 10


def test_a_command_that_is_not_there_has_failed(
    client: httpx.Client, job: Job, repository: Repository
) -> None:
    repository.commit("one", 0)
    done = job.run("--", "no-such-command")
    assert done.returncode == 127
    assert [one["status"] for one in recorded(client)] == ["fail"]


def test_a_cancelled_job_is_recorded_as_cancelled(
    client: httpx.Client, job: Job, repository: Repository
) -> None:
    repository.commit("one", 0)
    process = job.start("--", "sh", "-c", "trap 'exit 7' TERM; while true; do sleep 0.1; done")
    wait_until(lambda: recorded(client))
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 7
    assert [one["status"] for one in recorded(client)] == ["cancelled"]


def test_a_pushed_tag_is_the_version(client: httpx.Client, job: Job, repository: Repository) -> None:
    repository.commit("one", 0)
    job.run(**on_github(repository, GITHUB_REF="refs/tags/v1.2.3", GITHUB_REF_TYPE="tag"))
    (record,) = recorded(client)
    assert (record["version"], record["commit_id"], record["branch"]) == ("v1.2.3", repository.head(), None)


def test_a_promotion_says_what_it_promotes(client: httpx.Client, job: Job, repository: Repository) -> None:
    old = repository.commit("old", 0)
    built = repository.commit("built", 1)
    repository.commit("newer", 2)
    job.run("--commit", old, **on_github(repository, 1))
    job.run("--environment", "staging", **on_github(repository, 2))
    job.run("--commit", built, **on_github(repository, 3))
    job.run("--version", "1.4.2", "--no-commit", **on_github(repository, 4))
    of_version, promoted, *_ = recorded(client)
    assert (promoted["commit_id"], shas(promoted)) == (built, [built])
    assert (of_version["commit_id"], of_version["version"], shas(of_version)) == (None, "1.4.2", [])


def test_services_of_one_repository_are_streams_of_their_own(
    client: httpx.Client, job: Job, repository: Repository
) -> None:
    repository.commit("deployed", 0, file="web/a")
    for service in ("web", "api"):
        job.run("--service", service, "--path", service, **on_github(repository, 1))
    web = repository.commit("web", 1, file="web/b")
    api = repository.commit("api", 2, file="api/b")
    for service in ("web", "api"):
        job.run("--service", service, "--path", service, **on_github(repository, 2))
    assert {one["service"]: shas(one) for one in recorded(client)[:2]} == {"web": [web], "api": [api]}


def test_a_rollback_carries_nothing_and_the_way_forward_no_commit_twice(
    client: httpx.Client, job: Job, repository: Repository
) -> None:
    a = repository.commit("a", 0)
    b = repository.commit("b", 1)
    for run, commit in enumerate((a, b, a, b)):
        job.run(
            "--commit",
            commit,
            "--finished-at",
            (START + timedelta(hours=2 + run)).isoformat(),
            **on_github(repository, run),
        )
    assert [shas(one) for one in recorded(client)] == [[b], [], [b], []]
    answered = client.get(
        "/api/v1/metrics/lead_time_for_changes", params={"from": "2026-03-01", "to": "2026-04-01"}
    ).json()
    assert (answered["commits"], answered["value"]) == (1, 2 * 3600)


def test_a_shallow_clone_is_deepened_before_it_is_recorded(
    client: httpx.Client, job: Job, repository: Repository, tmp_path: Path
) -> None:
    repository.commit("deployed before", 0)
    job.run(**on_github(repository, 1))
    carried = [repository.commit(f"commit {hour}", hour) for hour in range(1, 5)]
    clone = Repository.cloned(repository, tmp_path / "clone", "--depth", "1")
    Job(clone.folder, job.environment).run(**on_github(clone, 2))
    assert shas(recorded(client)[0]) == carried[::-1]


@pytest.mark.parametrize(
    ("patterns", "branch", "subject", "flags"),
    [
        (["hotfix:branch:hotfix/*"], "hotfix/pay", "feat: x", ["is_hotfix"]),
        (["hotfix:branch:hotfix/*"], "feature", "fix: x", []),
        (["fix:commit:fix"], "feature", "fix(pay)!: x", ["is_fix"]),
        (["fix:commit:fix", "hotfix:branch:HOTFIX*"], "hotfix", "fix: x", ["is_fix", "is_hotfix"]),
        ([], "hotfix/pay", "fix: x", []),
    ],
)  # fmt: skip
def test_what_is_a_fix_the_organization_says(
    client: httpx.Client,
    job: Job,
    repository: Repository,
    patterns: Sequence[str],
    branch: str,
    subject: str,
    flags: Sequence[str],
) -> None:
    assert client.patch("/api/v1/settings", json={"fix_patterns": patterns}).status_code == 200
    repository.commit("deployed before", 0)
    job.run(**on_github(repository, 1))
    repository.git("switch", "--quiet", "--create", branch)
    repository.commit(subject, 1)
    repository.git("switch", "--quiet", "main")
    repository.merge(branch, 2, f"Merge pull request #1 from acme/{branch}")
    job.run(**on_github(repository, 2))
    assert [name for name in ("is_fix", "is_hotfix") if recorded(client)[0][name]] == flags
    # Whoever says it knows better.
    repository.commit(subject, 3)
    job.run("--no-fix", "--no-hotfix", **on_github(repository, 3))
    assert [name for name in ("is_fix", "is_hotfix") if recorded(client)[0][name]] == []


def test_a_label_of_the_pull_request_makes_a_hotfix(
    client: httpx.Client, job: Job, repository: Repository, tmp_path: Path
) -> None:
    client.patch("/api/v1/settings", json={"fix_patterns": ["hotfix:label:urgent"]})
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 9, "labels": [{"name": "Urgent"}]}}))
    repository.commit("one", 0)
    job.run(**on_github(repository, GITHUB_EVENT_PATH=str(event)))
    (record,) = recorded(client)
    assert (record["is_hotfix"], record["pull_request_number"]) == (True, 9)


def test_flags_are_recorded_as_they_are_given(client: httpx.Client, job: Job, repository: Repository) -> None:
    repository.commit("one", 0)
    job.run("--id", "first", "--no-rollback", "--forced")
    job.run(
        "--id",
        "second",
        "--hotfix",
        "--rollback",
        "--remediates",
        "first",
        "--production",
        "--environment",
        "blue",
    )
    second, first = recorded(client)
    assert (first["is_rollback"], first["is_forced"]) == (False, True)
    assert (second["is_hotfix"], second["is_rollback"], second["remediates"], second["production"]) == (
        True,
        True,
        "first",
        True,
    )


def test_an_incident_is_reported_and_resolved_under_its_key(client: httpx.Client, job: Job) -> None:
    done = job.run(
        "incident",
        "--key",
        "INC-7",
        "--title",
        "Checkout down",
        "--service",
        "web",
        "--severity",
        "high",
        "--started-at",
        "2026-03-02 10:00:00+0000",
    )
    assert done.stderr.startswith("tracker: recorded: incident INC-7: began at 2026-03-02T10:00:00Z")
    done = job.run("incident", "resolve", "--key", "INC-7", "--resolved-at", "2026-03-02T11:00:00Z")
    assert done.stderr.startswith("tracker: recorded: incident INC-7: resolved at")
    (incident,) = client.get("/api/v1/incidents").json()["items"]
    assert (incident["title"], incident["severity"], incident["started_at"], incident["resolved_at"]) == (
        "Checkout down", "high", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z",
    )  # fmt: skip
    done = job.run("incident", "resolve")
    assert (done.returncode, "--key is needed" in done.stderr) == (0, True)


def test_a_dry_run_shows_what_would_be_sent_and_records_nothing(
    client: httpx.Client, job: Job, repository: Repository
) -> None:
    repository.commit("one", 0)
    done = job.run("--dry-run", "--environment", "prd", **on_github(repository))
    assert json.loads(done.stdout)["commit_id"] == repository.head()
    assert "would record" in done.stderr
    assert "not_production" in done.stderr
    assert recorded(client) == []


def test_what_is_warned_of_is_said_on_the_line(job: Job, repository: Repository) -> None:
    repository.commit("one", 0)
    done = job.run("--environment", "prd", **on_github(repository))
    assert "not_production: prd is not among the production environments" in done.stderr
    # Why there are no commits is said once.
    assert "no_commits" not in done.stderr


def test_a_record_that_is_wrong_is_refused_with_its_fields(
    client: httpx.Client, job: Job, repository: Repository
) -> None:
    repository.commit("one", 0)
    done = job.run("--environment", "x" * 300, "--status", "perhaps", **on_github(repository))
    assert done.returncode == 0
    assert "not recorded: " in done.stderr
    assert "/environment" in done.stderr
    assert "/status" in done.stderr
    assert job.run("--strict", "--status", "perhaps", **on_github(repository)).returncode == 1
    # A manager finds it among what was refused.
    wait_until(lambda: "/status" in client.get("/api/v1/quality").text)
    assert recorded(client) == []


def test_outside_of_a_repository_everything_can_be_said(
    client: httpx.Client, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    elsewhere = Job(tmp_path / "empty", job.environment)
    assert "--repository-url" in elsewhere.run().stderr
    assert "--commit or --version" in elsewhere.run("--repository-url", "https://github.com/acme/shop").stderr
    assert (
        "give --id"
        in elsewhere.run("start", "--repository-url", "https://github.com/acme/shop", "--version", "1").stderr
    )
    assert (
        elsewhere.run(
            "--repository-url", "https://github.com/acme/shop", "--version", "1", "--strict"
        ).returncode
        == 0
    )
    assert [(one["repository"], one["version"]) for one in recorded(client)] == [("acme/shop", "1")]


def test_without_an_address_nothing_is_recorded_and_the_pipeline_goes_on(
    job: Job, repository: Repository
) -> None:
    repository.commit("one", 0)
    done = job.run(TRACKER_URL="")
    assert (done.returncode, "set TRACKER_URL" in done.stderr) == (0, True)
    assert job.run("--strict", TRACKER_URL="").returncode == 1


def test_no_secret_is_sent_or_said(client: httpx.Client, job: Job, repository: Repository) -> None:
    repository.git(
        "remote", "set-url", "origin", "https://oauth2:glpat-SECRET@gitlab.example.com/acme/shop.git"
    )
    repository.commit("one", 0)
    done = job.run("--dry-run")
    assert "SECRET" not in done.stdout + done.stderr
    job.run("--strict")
    assert "SECRET" not in json.dumps(recorded(client))
    assert job.environment["TRACKER_TOKEN"] not in "".join(job.lines)
