"""GitLab's webhooks come in: what each says becomes a record, and what is none is told.

The payloads are those of the vendor's page, with its forms of times.
"""

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.conftest import now
from tests.events import Sender
from tracker.intakes.events import DeploymentTold, Happened, Ignored, IncidentTold, PushTold, Turn
from tracker.intakes.sources import Incoming, UnreadableEvent
from tracker.integrations.events.gitlab import SOURCE

SHA = "279484c09fbe69ededfced8c1bb6e6d24616b468"
PROJECT = {"id": 30, "web_url": "http://gitlab.example/acme/shop", "path_with_namespace": "acme/shop"}


def deployment(status: str, at: str, **fields: Any) -> dict[str, Any]:
    return {
        "object_kind": "deployment",
        "status": status,
        "status_changed_at": at,
        "deployment_id": 15,
        "deployable_id": 796,
        "deployable_url": "http://gitlab.example/acme/shop/-/jobs/796",
        "environment": "staging",
        "environment_tier": "staging",
        "environment_slug": "staging",
        "project": PROJECT,
        "ref": "main",
        "short_sha": "279484c0",
        "user": {"id": 1, "username": "root"},
        "commit_url": f"http://gitlab.example/acme/shop/-/commit/{SHA}",
        "commit_title": "Add new file",
        **fields,
    }


def build(**fields: Any) -> dict[str, Any]:
    return {
        "id": 380,
        "stage": "deploy",
        "name": "production",
        "status": "success",
        "created_at": "2016-08-12 15:23:28 UTC",
        "started_at": "2016-08-12 15:24:45 UTC",
        "finished_at": "2016-08-12 15:26:12 UTC",
        "user": {"username": "mona"},
        "environment": {"name": "live", "action": "start", "deployment_tier": "production"},
        **fields,
    }


def pipeline(*builds: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {
        "object_kind": "pipeline",
        "object_attributes": {"id": 31, "ref": "master", "tag": False, "sha": SHA, **attributes},
        "user": {"username": "root"},
        "project": PROJECT,
        "commit": {"id": SHA, "title": "test"},
        "builds": list(builds),
    }


def job(**fields: Any) -> dict[str, Any]:
    return {
        "object_kind": "build",
        "ref": "v1.2",
        "tag": True,
        "sha": SHA,
        "build_id": 1977,
        "build_name": "deploy",
        "build_status": "failed",
        "build_created_at": "2021-02-23T02:41:37.886Z",
        "build_started_at": "2021-02-23T02:42:00.000Z",
        "build_finished_at": "2021-02-23T02:43:00.000Z",
        "user": {"username": "root"},
        # The pipeline's number, and no commit.
        "commit": {"id": 2366, "sha": SHA, "message": "test\n"},
        "project": PROJECT,
        "environment": {"name": "production", "action": "start", "deployment_tier": "production"},
        **fields,
    }


def issue(action: str, at: str, **fields: Any) -> dict[str, Any]:
    return {
        "object_kind": "issue",
        "project": PROJECT,
        "object_attributes": {
            "id": 301,
            "iid": 23,
            "type": "Incident",
            "title": "Shop is down",
            "action": action,
            "created_at": "2026-03-02 10:00:00 UTC",
            "updated_at": at,
            "severity": "high",
            "url": "http://gitlab.example/acme/shop/-/issues/23",
            "labels": [],
            **fields,
        },
    }


def read(event: str, payload: Any, **options: str) -> list[DeploymentTold | IncidentTold | Ignored]:
    return list(SOURCE.read(Incoming({"x-gitlab-event": event}, payload, options)))


def told(event: str, payload: Any, **options: str) -> DeploymentTold:
    (one,) = read(event, payload, **options)
    assert isinstance(one, DeploymentTold), one
    return one


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_deployment_says_what_and_when() -> None:
    one = told(
        "Deployment Hook",
        deployment("success", "2021-04-28 21:50:00 +0200", environment_tier="production"),
    )
    assert (one.key, one.at, one.happened) == (
        "gitlab:gitlab.example:deployment:15", at("2021-04-28T19:50:00Z"), Happened.SUCCESS,
    )  # fmt: skip
    assert one.fields == {
        "repository_url": "http://gitlab.example/acme/shop",
        "commit_id": SHA,
        "branch": "main",
        "environment": "staging",
        "production": True,
        "title": "Add new file",
        "url": "http://gitlab.example/acme/shop/-/jobs/796",
        "member_id": "root",
    }
    short = told("Deployment Hook", deployment("running", "2021-04-28 21:50:00 +0200", commit_url=None))
    assert short.fields["commit_id"] == "279484c0"
    assert "production" not in short.fields


@pytest.mark.parametrize(
    ("status", "happened"),
    [
        ("created", Happened.ASKED_FOR), ("blocked", Happened.ASKED_FOR), ("running", Happened.RUNNING),
        ("failed", Happened.FAIL), ("canceled", Happened.CANCELLED), ("skipped", Happened.CANCELLED),
    ],
)  # fmt: skip
def test_each_status_of_a_deployment(status: str, happened: Happened) -> None:
    one = told("Deployment Hook", deployment(status, "2021-04-28 21:50:00 +0200"))
    assert one.happened is happened


def test_an_outcome_within_the_second_of_its_start_is_later() -> None:
    begun, ended = (
        told("Deployment Hook", deployment(status, "2021-04-28 21:50:00 +0200"))
        for status in ("running", "success")
    )
    assert begun.rank < ended.rank


def test_a_pipelines_deploying_jobs_are_deployments() -> None:
    payload = pipeline(
        build(),
        build(id=381, name="test", environment=None),
        build(id=382, environment={"name": "review", "action": "stop"}),
        build(id=383, status="running", finished_at=None),
        build(id=384, status="manual"),
    )
    done, running, waiting = read("Pipeline Hook", payload, deployments="pipeline")
    assert isinstance(done, DeploymentTold)
    assert isinstance(running, DeploymentTold)
    assert (done.key, done.started_at, done.at) == (
        "gitlab:gitlab.example:job:380", at("2016-08-12T15:24:45Z"), at("2016-08-12T15:26:12Z"),
    )  # fmt: skip
    assert (done.fields["commit_id"], done.fields["branch"], done.fields["environment"]) == (
        SHA, "master", "live",
    )  # fmt: skip
    assert (done.fields["production"], done.fields["member_id"]) == (True, "mona")
    assert (running.happened, running.at) == (Happened.RUNNING, at("2016-08-12T15:24:45Z"))
    assert waiting == Ignored("state_not_used", "manual")


def test_a_jobs_commit_is_not_its_pipelines_number() -> None:
    one = told("Job Hook", job(), deployments="job")
    assert (one.key, one.happened, one.started_at) == (
        "gitlab:gitlab.example:job:1977", Happened.FAIL, at("2021-02-23T02:42:00Z"),
    )  # fmt: skip
    assert (one.fields["commit_id"], one.fields["version"], "branch" in one.fields) == (SHA, "v1.2", False)
    # Never begun, and cancelled: there is no start.
    never = told(
        "Job Hook",
        job(build_status="canceled", build_started_at=None),
        deployments="job",
        jobs="lint, deploy",
    )
    assert (never.happened, never.started_at) == (Happened.CANCELLED, None)


def test_a_release_that_was_made_is_a_deployment() -> None:
    payload = {
        "object_kind": "release",
        "action": "create",
        "tag": "v1.1",
        "name": "Spring",
        "created_at": "2020-11-02 12:55:12 UTC",
        "released_at": "2020-11-02 13:00:00 UTC",
        "commit": {"id": SHA},
        "project": PROJECT,
    }
    one = told("Release Hook", payload, deployments="release")
    assert (one.key, one.at, one.happened) == (
        "gitlab:gitlab.example:release:v1.1", at("2020-11-02T13:00:00Z"), Happened.SUCCESS,
    )  # fmt: skip
    assert (one.fields["version"], one.fields["commit_id"]) == ("v1.1", SHA)
    assert read("Release Hook", {**payload, "action": "update"}, deployments="release") == [
        Ignored("event_not_used")
    ]


IGNORED: list[tuple[str, Any, Mapping[str, str], str]] = [
    ("Merge Request Hook", {"object_kind": "merge_request"}, {}, "event_not_used"),
    ("Pipeline Hook", pipeline(build()), {}, "deployments_from"),
    (
        "Deployment Hook",
        deployment("success", "2021-04-28 21:50:00 +0200"),
        {"deployments": "job"},
        "deployments_from",
    ),
    ("Deployment Hook", deployment("approved", "2021-04-28 21:50:00 +0200"), {}, "state_not_used"),
    ("Pipeline Hook", pipeline(), {"deployments": "pipeline"}, "no_deploying_job"),
    ("Job Hook", job(environment=None), {"deployments": "job"}, "no_deploying_job"),
    ("Job Hook", job(), {"deployments": "job", "jobs": "release"}, "no_deploying_job"),
    ("Issue Hook", issue("open", "2026-03-02 10:00:00 UTC", type="Issue"), {}, "no_incident"),
]


@pytest.mark.parametrize(("event", "payload", "options", "reason"), IGNORED)
def test_what_records_nothing(event: str, payload: Any, options: Mapping[str, str], reason: str) -> None:
    (one,) = read(event, payload, **options)
    assert isinstance(one, Ignored)
    assert one.reason == reason


@pytest.mark.parametrize(
    ("payload", "turn", "when"),
    [
        (issue("open", "2026-03-02 10:00:05 UTC"), Turn.BEGUN, "2026-03-02T10:00:00Z"),
        (issue("close", "2026-03-02 11:00:00 UTC"), Turn.RESOLVED, "2026-03-02T11:00:00Z"),
        (
            issue("close", "2026-03-02 11:00:00 UTC", closed_at="2026-03-02 10:59:00 UTC"),
            Turn.RESOLVED,
            "2026-03-02T10:59:00Z",
        ),
        (
            issue("close", "2026-03-02 11:00:00 UTC", duplicated_to_id=7),
            Turn.WITHDRAWN,
            "2026-03-02T11:00:00Z",
        ),
        (issue("reopen", "2026-03-02 12:00:00 UTC"), Turn.REOPENED, "2026-03-02T12:00:00Z"),
        (issue("update", "2026-03-02 12:00:00 UTC"), Turn.DESCRIBED, "2026-03-02T12:00:00Z"),
        (
            issue("open", "2026-03-02 10:00:00 UTC", type="Issue", labels=[{"title": "Incident"}]),
            Turn.BEGUN,
            "2026-03-02T10:00:00Z",
        ),
        (
            {
                **issue("update", "2026-03-02 12:00:00 UTC", type="Issue"),
                "changes": {"labels": {"previous": [{"title": "incident"}], "current": []}},
            },
            Turn.WITHDRAWN,
            "2026-03-02T12:00:00Z",
        ),
    ],
)
def test_each_turn_of_an_incident(payload: Any, turn: Turn, when: str) -> None:
    (one,) = read("Issue Hook", payload)
    assert isinstance(one, IncidentTold)
    assert (one.key, one.turn, one.at) == ("gitlab:gitlab.example:issue:301", turn, at(when))
    assert one.started_at == at("2026-03-02T10:00:00Z")
    assert one.fields["severity"] == "high"


def test_what_the_contract_promises_is_named_where_it_is_missing() -> None:
    for payload, name in (
        ({}, "status"),
        (deployment("success", ""), "status_changed_at"),
        (deployment("success", "2021-04-28 21:50:00 +0200", project={}), "project.web_url"),
    ):
        with pytest.raises(UnreadableEvent, match=name):
            read("Deployment Hook", payload)
    with pytest.raises(UnreadableEvent, match="X-Gitlab-Event"):
        SOURCE.event_of(Incoming({}, {}))


def test_an_event_is_believed_by_its_token_or_its_signature(client: httpx.Client) -> None:
    secret = "whsec_" + base64.b64encode(b"made by GitLab itself, 32 bytes.").decode()
    gitlab = Sender.to(client, "gitlab", secret=secret)
    event = {"X-Gitlab-Event": "Deployment Hook"}
    running = deployment("running", "2021-04-28 21:50:00 +0200")
    assert gitlab.post(running, {**event, "X-Gitlab-Token": "nonsense"}).status_code == 401
    begun = gitlab.post(running, {**event, "X-Gitlab-Token": secret, "Idempotency-Key": "delivery-1"})
    assert gitlab.taken(begun)["outcome"] == "recorded"
    raw, when = json.dumps(deployment("success", "2021-04-28 21:52:00 +0200")).encode(), now()
    signed = {
        **event,
        "webhook-id": "delivery-2",
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(secret).sign("delivery-2", when, raw.decode()),
    }
    assert gitlab.post(None, {**signed, "webhook-id": "other"}, raw=raw).status_code == 401
    assert gitlab.taken(gitlab.post(None, signed, raw=raw))["outcome"] == "updated"
    (found,) = gitlab.deployments()
    assert (found["repository"], found["status"], found["started_at"], found["finished_at"]) == (
        "acme/shop", "success", "2021-04-28T19:50:00Z", "2021-04-28T19:52:00Z",
    )  # fmt: skip
    listed = client.get("/api/v1/events").json()["items"]
    assert [one["delivery_id"] for one in listed] == ["delivery-2", "delivery-1"]


def pushed(*letters: str, **fields: Any) -> dict[str, Any]:
    commits = [
        {"id": letter * 40, "message": "Change", "timestamp": "2016-08-12T15:23:28+02:00"}
        for letter in letters
    ]
    project = {**PROJECT, "default_branch": "main"}
    return {
        "object_kind": "push", "ref": "refs/heads/main", "before": "a" * 40, "after": letters[-1] * 40,
        "project": project, "commits": commits, "total_commits_count": len(commits), **fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "before"),
    [
        (pushed("b", "c"), "a" * 40),
        (pushed(*"bcdef" * 4), "a" * 40),
        (pushed(*"bcdef" * 4, total_commits_count=21), None),
        (pushed("b", before="0" * 40), None),
    ],
    ids=["all", "just all", "cut", "new branch"],
)
def test_a_push_tells_what_it_was_built_on_where_all_its_commits_are_listed(
    payload: dict[str, Any], before: str | None
) -> None:
    (told,) = SOURCE.read(Incoming({"x-gitlab-event": "Push Hook"}, payload))
    assert isinstance(told, PushTold)
    assert (told.before, told.repository_url) == (before, "http://gitlab.example/acme/shop")
    assert [one.sha for one in told.commits] == [one["id"] for one in payload["commits"]]


def test_a_push_to_another_branch_is_no_history() -> None:
    payload = pushed("b", ref="refs/heads/topic")
    assert SOURCE.read(Incoming({"x-gitlab-event": "Push Hook"}, payload)) == [
        Ignored("other_branch", "refs/heads/topic")
    ]
