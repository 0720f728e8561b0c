"""CDEvents come in: structured, binary and several at once."""

import json
from typing import Any

import httpx
import pytest

from tests.events import Sender, Told, read, reason, recorded
from tracker.intakes.events import DeploymentTold, Ignored, IncidentTold
from tracker.integrations.events.cdevents import SOURCE

SHA = "8f2c1d7e4b5a69780c1d2e3f4a5b6c7d8e9f0a1b"
AT = "2026-03-02T10:0{}:00Z".format
LIVE = {"environment": {"id": "live", "source": "/clusters/eu"}}


def event(kind: str, at: str, content: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    return {
        "context": {
            "version": "0.4.1",
            "id": f"{kind}-{at}",
            "source": "/delivery/acme",
            "type": f"dev.cdevents.{kind}.0.2.0",
            "timestamp": at,
            **parts.pop("context", {}),
        },
        "subject": {"id": "checkout", "source": "/clusters/eu", "content": content or {}, **parts},
    }


def structured(one: dict[str, Any]) -> dict[str, Any]:
    context = one["context"]
    return {
        "specversion": "1.0",
        "id": context["id"],
        "source": context["source"],
        "type": context["type"],
        "datacontenttype": "application/json",
        "data": one,
    }


DEPLOYED = event("service.deployed", AT(0), {**LIVE, "artifactId": f"pkg:github/acme/shop@{SHA}"})
DETECTED = event(
    "incident.detected", AT(1), {**LIVE, "service": {"id": "checkout"}, "description": "Slow"}, id="i-1"
)
RESOLVED = event(
    "incident.resolved",
    AT(9),
    {**LIVE, "description": "Fast again", "ticketURI": "https://t.example/1"},
    id="i-1",
)


def all_of(*events: Any, **options: str) -> list[Told]:
    return [one for part in events for one in read(SOURCE, part, **options)]


@pytest.mark.parametrize(
    ("payload", "headers"),
    [
        (structured(DEPLOYED), {"content-type": "application/cloudevents+json"}),
        ([structured(DEPLOYED)], {"content-type": "application/cloudevents-batch+json"}),
        (DEPLOYED, {"ce-specversion": "1.0", "ce-type": "dev.cdevents.service.deployed.0.2.0", "ce-id": "1"}),
    ],
    ids=["structured", "batch", "binary"],
)
def test_a_service_that_was_deployed_is_a_success(payload: Any, headers: dict[str, str]) -> None:
    told = read(SOURCE, payload, headers)
    assert recorded(told) == {
        "service": "checkout",
        "environment": "live",
        "repository_url": "https://github.com/acme/shop",
        "version": SHA,
        "commit_id": SHA,
        "status": "success",
        "finished_at": "2026-03-02T10:00:00+00:00",
    }
    assert [one.key for one in told if isinstance(one, DeploymentTold)] == [
        f"cdevents:service:/delivery/acme#service.deployed-{AT(0)}"
    ]


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "0.3.0-draft"])
def test_any_version_of_a_type_is_read(version: str) -> None:
    back = event(
        "service.rolledback", AT(3), LIVE, context={"type": f"dev.cdevents.service.rolledback.{version}"}
    )
    assert recorded(all_of(back))["is_rollback"] is True
    assert "is_rollback" not in recorded(all_of(event("service.upgraded", AT(3), LIVE)))


@pytest.mark.parametrize(
    ("package", "fields"),
    [
        ("pkg:oci/shop@sha256%3Aab12?repository_url=registry.example&tag=1.4", {"version": "sha256:ab12"}),
        (
            f"pkg:golang/acme.example/shop@v1.4.0?vcs_url=git%2Bhttps://git.acme.example/acme/shop%40{SHA}",
            {"version": "v1.4.0", "repository_url": "https://git.acme.example/acme/shop", "commit_id": SHA},
        ),
        ("pkg:npm/%40acme/shop", {}),
        ("no package", {}),
    ],
)
def test_a_package_url_tells_version_commit_and_repository(package: str, fields: dict[str, str]) -> None:
    found = recorded(all_of(event("service.deployed", AT(0), {"artifactId": package})))
    assert {
        name: found[name] for name in ("version", "repository_url", "commit_id") if name in found
    } == fields


RUN = [
    event("pipelinerun.queued", AT(0), {"pipelineName": "deploy"}, id="run-7"),
    event(
        "pipelinerun.started", AT(1), {"pipelineName": "deploy", "uri": "https://ci.example/7"}, id="run-7"
    ),
    event("pipelinerun.finished", AT(5), {"pipelineName": "deploy", "outcome": "error"}, id="run-7"),
]


def test_the_runs_of_named_pipelines_are_deployments_where_the_intake_says_so() -> None:
    found = recorded(all_of(*RUN, deployments="pipelineruns", pipelines="Deploy, release"))
    assert found == {
        "service": "deploy",
        "url": "https://ci.example/7",
        "status": "fail",
        "started_at": "2026-03-02T10:01:00+00:00",
        "finished_at": "2026-03-02T10:05:00+00:00",
    }
    assert reason(all_of(RUN[0], deployments="pipelineruns", pipelines="release")) == "other_pipeline: deploy"
    assert reason(all_of(RUN[0])) == "deployments_from: services"
    assert reason(all_of(DEPLOYED, deployments="taskruns")) == "deployments_from: taskruns"


@pytest.mark.parametrize(
    ("outcome", "status"), [("success", "success"), ("failure", "fail"), ("cancel", "cancelled")]
)
def test_a_deployment_has_an_outcome_since_version_0_6(outcome: str, status: str) -> None:
    finished = event(
        "deployment.finished", AT(5), {**LIVE, "outcome": outcome}, context={"specversion": "0.6.0"}
    )
    found = recorded(all_of(event("deployment.started", AT(1), LIVE), finished, deployments="deployments"))
    assert (found["status"], found["started_at"]) == (status, "2026-03-02T10:01:00+00:00")


def test_an_incident_is_one_record_in_whatever_order() -> None:
    reported = event("incident.reported", AT(2), {**LIVE, "ticketURI": "https://t.example/1"}, id="i-1")
    assert recorded(all_of(DETECTED, reported, RESOLVED)) == {
        "service": "checkout",
        "environment": "live",
        "title": "Slow",
        "url": "https://t.example/1",
        "started_at": "2026-03-02T10:01:00+00:00",
        "resolved_at": "2026-03-02T10:09:00+00:00",
    }


def test_what_else_is_told_is_ignored() -> None:
    assert reason(all_of(event("artifact.published", AT(0)))) == "event_not_used: artifact.published"
    other = {"context": {"type": "com.acme.order.placed"}}
    assert reason(all_of(other)) == "event_not_used: com.acme.order.placed"


def test_what_cannot_be_read_leaves_the_rest_of_a_batch_as_it_is() -> None:
    told = read(SOURCE, [7, structured(DEPLOYED), {"specversion": "1.0"}, DETECTED])
    assert [type(one) for one in told] == [Ignored, DeploymentTold, Ignored, IncidentTold]
    assert told[2] == Ignored("unreadable", "[2].context.type is missing")


def test_a_sender_asks_whether_it_may_and_shows_the_secret(client: httpx.Client) -> None:
    sender = Sender.to(client, "cdevents")
    url = f"{client.base_url}{sender.url}"
    asked = httpx.options(url, headers={"WebHook-Request-Origin": "ci.acme.example"})
    assert asked.is_success
    assert asked.headers["WebHook-Allowed-Origin"] == "ci.acme.example"
    assert "WebHook-Allowed-Origin" not in httpx.options(url).headers
    kind = {"Content-Type": "application/cloudevents+json"}
    right = {"Authorization": f"Bearer {sender.secret}"}
    assert sender.post(structured(DEPLOYED), kind).status_code == 401
    assert sender.taken(sender.post(structured(DEPLOYED), {**kind, **right}))["outcome"] == "recorded"
    binary = {
        **right,
        **{f"ce-{name}": text for name, text in structured(DEPLOYED).items() if name != "data"},
    }
    assert sender.taken(sender.post(DEPLOYED, binary))["outcome"] == "repeated"
    batch = json.dumps([structured(RESOLVED), structured(DETECTED)]).encode()
    several = {**right, "Content-Type": "application/cloudevents-batch+json"}
    assert sender.taken(sender.post(None, several, raw=batch))["outcome"] == "recorded"
    assert len(sender.deployments()) == len(sender.incidents()) == 1
