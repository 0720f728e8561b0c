"""GitHub's webhooks come in: what each says becomes a record, and what is none is told."""

import itertools
import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.events import Sender
from tests.node import FOLDER, require_package
from tracker.intakes.events import Ignored, PushTold
from tracker.intakes.sources import Incoming
from tracker.integrations.events.github import SOURCE

SHA = "4335991842388c4896724fe6c7c09c2255d0ae03"
REPOSITORY = {"html_url": "https://github.com/acme/shop", "full_name": "acme/shop"}


def deployment(**fields: Any) -> dict[str, Any]:
    return {
        "id": 42,
        "sha": SHA,
        "ref": "main",
        "task": "deploy",
        "environment": "production",
        "production_environment": True,
        "created_at": "2026-03-02T10:00:00Z",
        "creator": {"login": "octo"},
        **fields,
    }


def status(number: int, state: str, at: str, **fields: Any) -> dict[str, Any]:
    return {
        "action": "created",
        "deployment": deployment(**fields.pop("deployment", {})),
        "deployment_status": {
            "id": number,
            "state": state,
            "created_at": at,
            "environment": "production",
            **fields,
        },
        "repository": REPOSITORY,
    }


STATUSES = [
    status(1, "in_progress", "2026-03-02T10:02:00Z"),
    status(2, "success", "2026-03-02T10:05:00Z", log_url="https://ci.example/7"),
    status(3, "inactive", "2026-03-03T10:00:00Z"),
]


def send(sender: Sender, event: str, payload: Any) -> dict[str, Any]:
    return sender.signed(payload, "X-Hub-Signature-256", "sha256=", **{"X-GitHub-Event": event})


@pytest.fixture
def github(client: httpx.Client) -> Sender:
    return Sender.to(client, "github")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_statuses_become_one_deployment_in_whatever_order(github: Sender, order: tuple[int, ...]) -> None:
    outcomes = [send(github, "deployment_status", STATUSES[index])["outcome"] for index in order]
    assert set(outcomes) <= {"recorded", "updated", "ignored"}
    send(github, "deployment", {"action": "created", "deployment": deployment(), "repository": REPOSITORY})
    (found,) = github.deployments()
    expected = {
        "repository": "acme/shop",
        "commit_id": SHA,
        "branch": "main",
        "environment": "production",
        "production": True,
        "status": "success",
        "started_at": "2026-03-02T10:02:00Z",
        "finished_at": "2026-03-02T10:05:00Z",
        "url": "https://ci.example/7",
        "member_id": "octo",
        "triggered_by": "webhook",
        "deployment_node_id": "github:github.com:deployment:42",
    }
    assert {name: found[name] for name in expected} == expected


def test_a_redelivery_is_a_repeat(github: Sender) -> None:
    assert send(github, "deployment_status", STATUSES[1])["outcome"] == "recorded"
    assert send(github, "deployment_status", STATUSES[1])["outcome"] == "repeated"
    assert len(github.deployments()) == 1


def test_other_tasks_are_no_deployments(github: Sender) -> None:
    answered = send(
        github,
        "deployment_status",
        status(1, "success", "2026-03-02T10:05:00Z", deployment={"task": "migrate"}),
    )
    assert (answered["outcome"], answered["reason"]) == ("ignored", "other_task: migrate")


def test_an_intake_reaches_its_repositories_alone(client: httpx.Client) -> None:
    github = Sender.to(client, "github", repositories=["github.com/acme/web"])
    answered = send(github, "deployment_status", STATUSES[1])
    assert (answered["outcome"], answered["reason"]) == (
        "ignored", "out_of_reach: the intake does not reach this repository",
    )  # fmt: skip
    assert github.deployments() == []


def run(**fields: Any) -> dict[str, Any]:
    return {
        "action": "completed",
        "workflow_run": {
            "id": 7,
            "run_attempt": 1,
            "name": "Deploy",
            "path": ".github/workflows/deploy.yml@refs/heads/main",
            "head_sha": SHA,
            "head_branch": "main",
            "event": "push",
            "status": "completed",
            "conclusion": "success",
            "created_at": "2026-03-02T09:00:00Z",
            "run_started_at": "2026-03-02T10:00:00Z",
            "updated_at": "2026-03-02T10:05:00Z",
            "html_url": "https://github.com/acme/shop/actions/runs/7",
            "head_repository": {"html_url": "https://github.com/acme/shop"},
            **fields,
        },
        "repository": REPOSITORY,
    }


@pytest.fixture
def runs(client: httpx.Client) -> Sender:
    return Sender.to(
        client, "github", options={"deployments": "workflow_run", "workflows": "deploy.yml, Release"}
    )


def test_a_run_of_a_named_workflow_is_a_deployment_and_a_rerun_another(runs: Sender) -> None:
    begun = run(status="in_progress", conclusion=None, updated_at="2026-03-02T10:00:05Z")
    assert send(runs, "workflow_run", begun)["outcome"] == "recorded"
    assert send(runs, "workflow_run", run())["outcome"] == "updated"
    again = run(
        run_attempt=2,
        conclusion="timed_out",
        run_started_at="2026-03-02T11:00:00Z",
        updated_at="2026-03-02T11:30:00Z",
    )
    assert send(runs, "workflow_run", again)["outcome"] == "recorded"
    assert [(one["status"], one["started_at"], one["finished_at"]) for one in runs.deployments()] == [
        ("fail", "2026-03-02T11:00:00Z", "2026-03-02T11:30:00Z"),
        ("success", "2026-03-02T10:00:00Z", "2026-03-02T10:05:00Z"),
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"path": ".github/workflows/test.yml", "name": "Test"},
            "other_workflow: .github/workflows/test.yml",
        ),
        ({"event": "pull_request"}, "pull_request"),
        (
            {"head_repository": {"html_url": "https://github.com/stranger/shop"}},
            "fork: https://github.com/stranger/shop",
        ),
    ],
)
def test_other_runs_are_none(runs: Sender, fields: dict[str, Any], reason: str) -> None:
    assert send(runs, "workflow_run", run(**fields))["reason"] == reason
    assert runs.deployments() == []


def test_a_run_that_never_began_has_no_start(runs: Sender) -> None:
    send(runs, "workflow_run", run(conclusion="cancelled", updated_at="2026-03-02T09:59:00Z"))
    (found,) = runs.deployments()
    assert (found["status"], found["started_at"]) == ("cancelled", None)


def test_the_same_release_is_told_by_one_kind_of_event_alone(runs: Sender) -> None:
    assert send(runs, "deployment_status", STATUSES[1])["reason"] == "deployments_from: workflow_run"


def release(**fields: Any) -> dict[str, Any]:
    return {
        "action": "published",
        "release": {
            "id": 9,
            "tag_name": "v1.2",
            "target_commitish": "main",
            "name": "Spring",
            "draft": False,
            "prerelease": False,
            "created_at": "2026-02-01T00:00:00Z",
            "published_at": "2026-03-02T10:00:00Z",
            "html_url": "https://github.com/acme/shop/releases/v1.2",
            **fields,
        },
        "repository": REPOSITORY,
    }


def test_a_published_release_is_a_deployment(client: httpx.Client) -> None:
    releases = Sender.to(
        client, "github", options={"deployments": "release"}, defaults={"environment": "live"}
    )
    assert send(releases, "release", {**release(), "action": "created"})["reason"] == "event_not_used"
    assert send(releases, "release", release(prerelease=True))["reason"] == "prerelease"
    send(releases, "release", release())
    send(releases, "release", release(id=10, tag_name="v1.3", target_commitish=SHA))
    found = [
        (one["version"], one["commit_id"], one["environment"], one["finished_at"])
        for one in releases.deployments()
    ]
    assert sorted(found) == [
        ("v1.2", None, "live", "2026-03-02T10:00:00Z"),
        ("v1.3", SHA, "live", "2026-03-02T10:00:00Z"),
    ]


def issue(action: str, at: str, **fields: Any) -> dict[str, Any]:
    return {
        "action": action,
        "issue": {
            "id": 77,
            "number": 5,
            "title": "Shop is down",
            "html_url": "https://github.com/acme/shop/issues/5",
            "labels": [{"name": "Incident"}],
            "state": "open",
            "created_at": "2026-03-02T10:00:00Z",
            "updated_at": at,
            "closed_at": None,
            **fields,
        },
        "repository": REPOSITORY,
    }


CLOSED = {"state": "closed", "closed_at": "2026-03-02T11:00:00Z", "state_reason": "completed"}


def test_an_issue_with_the_label_is_an_incident(github: Sender) -> None:
    other = issue("opened", "2026-03-02T10:00:00Z", labels=[])
    assert send(github, "issues", other)["reason"] == "no_incident"
    send(github, "issues", issue("opened", "2026-03-02T10:00:00Z"))
    send(github, "issues", issue("closed", "2026-03-02T11:00:00Z", **CLOSED))
    (found,) = github.incidents()
    expected = {
        "title": "Shop is down",
        "repository": "acme/shop",
        "started_at": "2026-03-02T10:00:00Z",
        "resolved_at": "2026-03-02T11:00:00Z",
        "change_related": True,
        "key": "github:github.com:issue:77",
    }
    assert {name: found[name] for name in expected} == expected
    send(github, "issues", issue("reopened", "2026-03-02T12:00:00Z"))
    assert github.incidents()[0]["resolved_at"] is None


@pytest.mark.parametrize(
    "withdrawn",
    [
        issue("closed", "2026-03-02T11:00:00Z", **{**CLOSED, "state_reason": "not_planned"}),
        {**issue("unlabeled", "2026-03-02T11:00:00Z", labels=[]), "label": {"name": "incident"}},
        issue("deleted", "2026-03-02T11:00:00Z"),
    ],
    ids=["not planned", "unlabelled", "deleted"],
)
def test_an_issue_that_was_no_incident_after_all_is_of_no_change(
    github: Sender, withdrawn: dict[str, Any]
) -> None:
    send(github, "issues", issue("opened", "2026-03-02T10:00:00Z"))
    send(github, "issues", withdrawn)
    (found,) = github.incidents()
    assert found["change_related"] is False


def test_a_form_is_as_good_as_json(github: Sender) -> None:

    raw = urlencode({"payload": json.dumps(STATUSES[1])}).encode()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-GitHub-Event": "deployment_status",
        "Authorization": f"Bearer {github.secret}",
    }
    assert github.taken(github.post(None, headers, raw=raw))["outcome"] == "recorded"


def push(
    before: str, *commits: dict[str, Any], ref: str = "refs/heads/main", **fields: Any
) -> dict[str, Any]:
    repository = {**REPOSITORY, "default_branch": "main"}
    after = commits[-1]["id"] if commits else "0" * 40
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "commits": commits,
        "repository": repository,
        **fields,
    }


def pushed(letter: str, hour: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": letter * 40,
        "message": f"Change {letter}",
        "timestamp": f"2026-03-02T{hour:02}:00:00+00:00",
        "distinct": False,
        "author": {"name": "Ada", "username": "ada"},
        **fields,
    }


def test_deployments_carry_what_was_pushed_before_or_after_they_were_told(github: Sender) -> None:
    first = {"sha": "a" * 40, "id": 1, "created_at": "2026-03-02T09:00:00Z"}
    last = {"sha": "d" * 40, "id": 2, "created_at": "2026-03-02T12:00:00Z"}
    send(github, "deployment_status", status(1, "success", "2026-03-02T09:05:00Z", deployment=first))
    # Written at eight, and committed anew when it was rebased.
    rebased = pushed("b", 10, author={"name": "Ada", "date": "2026-03-02T08:05:00Z"})
    merge = pushed("d", 11, message="Merge pull request #7 from acme/topic")
    assert send(github, "push", push("a" * 40, rebased))["outcome"] == "recorded"
    send(github, "deployment_status", status(2, "success", "2026-03-02T12:05:00Z", deployment=last))
    assert send(github, "push", push("b" * 40, pushed("c", 11), merge))["outcome"] == "recorded"
    assert send(github, "push", push("b" * 40, pushed("c", 11), merge))["outcome"] == "repeated"
    answer = github.client.get(
        "/api/v1/metrics/lead_time_for_changes/explain", params={"from": "2026-03-01", "to": "2026-04-01"}
    ).json()
    found = [(row["id"][0], row["seconds"], row["is_derived"]) for row in answer["counted"]]
    assert sorted(found) == [("b", 14_400.0, True), ("c", 3_900.0, True)]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (push("a" * 40, pushed("b", 10), ref="refs/heads/topic"), "other_branch: refs/heads/topic"),
        (push("a" * 40, pushed("b", 10), ref="refs/tags/v1"), "other_branch: refs/tags/v1"),
        (push("a" * 40), "no_commits"),
        (push("a" * 40, {"id": "b" * 40}), "unreadable: commits[0].timestamp is missing"),
    ],
    ids=["branch", "tag", "deleted", "undated"],
)
def test_what_of_pushes_is_no_history_is_ignored(github: Sender, payload: Any, reason: str) -> None:
    answered = send(github, "push", payload)
    assert (answered["outcome"], answered["reason"]) == ("ignored", reason)


@pytest.mark.parametrize(
    ("before", "fields"), [("0" * 40, {}), ("c" * 40, {"forced": True})], ids=["created", "forced"]
)
def test_a_push_that_is_built_on_nothing_known_begins_anew(before: str, fields: dict[str, Any]) -> None:
    (told,) = SOURCE.read(Incoming({"x-github-event": "push"}, push(before, pushed("b", 10), **fields)))
    assert isinstance(told, PushTold)
    assert (told.before, [one.sha for one in told.commits]) == (None, ["b" * 40])


def test_githubs_own_examples_of_every_event_are_understood_or_ignored_for_a_reason() -> None:
    """Those of every event, of github.com and of GitHub Enterprise Server, whichever deployments are."""
    require_package("@octokit/webhooks-examples")
    folder = FOLDER / "node_modules" / "@octokit" / "webhooks-examples"
    examples = [
        (event["name"], example)
        for version in sorted(folder.glob("*/index.json"))
        for event in json.loads(version.read_text())
        for example in event["examples"]
    ]
    assert len(examples) > 300
    kinds: dict[str, set[str]] = {}
    for deployments in ("deployments", "workflow_run", "release"):
        options = {
            "deployments": deployments,
            "workflows": "test.yml,Manually triggered workflow",
            "incident_label": "bug",
        }
        for name, example in examples:
            for told in SOURCE.read(Incoming({"x-github-event": name}, example, options)):
                kind = told.reason if isinstance(told, Ignored) else type(told).__name__
                kinds.setdefault(name, set()).add(kind)
    assert kinds["deployment"] == kinds["deployment_status"] == {"DeploymentTold", "deployments_from"}
    assert kinds["workflow_run"] >= {"DeploymentTold", "deployments_from"}
    assert kinds["release"] >= {"DeploymentTold", "deployments_from", "event_not_used"}
    assert kinds["push"] >= {"PushTold", "other_branch"}
    assert kinds["issues"] >= {"IncidentTold", "no_incident"}
    used = {"deployment", "deployment_status", "workflow_run", "release", "push", "issues", "ping"}
    assert all(found == {"event_not_used"} for name, found in kinds.items() if name not in used)
