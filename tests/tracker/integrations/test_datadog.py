"""Datadog's DORA API, spoken by Datadog's own client with another host; and what it sends, recorded."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import ApiException, ForbiddenException, NotFoundException
from datadog_api_client.v2.api.dora_metrics_api import DORAMetricsApi
from datadog_api_client.v2.model.dora_deployment_patch_by_version_remediation_by_version import (
    DORADeploymentPatchByVersionRemediationByVersion,
)
from datadog_api_client.v2.model.dora_deployment_patch_by_version_request import (
    DORADeploymentPatchByVersionRequest,
)
from datadog_api_client.v2.model.dora_deployment_patch_by_version_request_attributes import (
    DORADeploymentPatchByVersionRequestAttributes,
)
from datadog_api_client.v2.model.dora_deployment_patch_by_version_request_data import (
    DORADeploymentPatchByVersionRequestData,
)
from datadog_api_client.v2.model.dora_deployment_patch_remediation import DORADeploymentPatchRemediation
from datadog_api_client.v2.model.dora_deployment_patch_remediation_type import (
    DORADeploymentPatchRemediationType,
)
from datadog_api_client.v2.model.dora_deployment_patch_request import DORADeploymentPatchRequest
from datadog_api_client.v2.model.dora_deployment_patch_request_attributes import (
    DORADeploymentPatchRequestAttributes,
)
from datadog_api_client.v2.model.dora_deployment_patch_request_data import DORADeploymentPatchRequestData
from datadog_api_client.v2.model.dora_deployment_patch_request_data_type import (
    DORADeploymentPatchRequestDataType,
)
from datadog_api_client.v2.model.dora_deployment_request import DORADeploymentRequest
from datadog_api_client.v2.model.dora_deployment_request_attributes import DORADeploymentRequestAttributes
from datadog_api_client.v2.model.dora_deployment_request_data import DORADeploymentRequestData
from datadog_api_client.v2.model.dora_failure_request import DORAFailureRequest
from datadog_api_client.v2.model.dora_failure_request_attributes import DORAFailureRequestAttributes
from datadog_api_client.v2.model.dora_failure_request_data import DORAFailureRequestData
from datadog_api_client.v2.model.dora_git_info import DORAGitInfo
from datadog_api_client.v2.model.dora_list_deployments_request import DORAListDeploymentsRequest
from datadog_api_client.v2.model.dora_list_deployments_request_attributes import (
    DORAListDeploymentsRequestAttributes,
)
from datadog_api_client.v2.model.dora_list_deployments_request_data import DORAListDeploymentsRequestData
from datadog_api_client.v2.model.dora_list_failures_request import DORAListFailuresRequest
from datadog_api_client.v2.model.dora_list_failures_request_attributes import (
    DORAListFailuresRequestAttributes,
)
from datadog_api_client.v2.model.dora_list_failures_request_data import DORAListFailuresRequestData

from tests.server import Server

SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
SHOP = DORAGitInfo(repository_url="https://github.com/acme/shop.git", commit_sha=SHA)
MARCH = {"from": "2026-03-01", "to": "2026-04-01"}
PATH = "/api/v2/dora"


def at(hour: int) -> int:
    """Seconds since 1970 of an hour of 2026-03-02."""
    return int(datetime(2026, 3, 2, hour, tzinfo=UTC).timestamp())


@pytest.fixture
def datadog(server: Server, organization: str) -> Iterator[DORAMetricsApi]:
    configuration = Configuration(host=server.url)
    configuration.api_key["apiKeyAuth"] = server.token("admin", organization)
    configuration.api_key["appKeyAuth"] = "not used"
    with ApiClient(configuration) as client:
        yield DORAMetricsApi(client)


def send(datadog: DORAMetricsApi, hour: int, **fields: Any) -> str:
    """Send a deployment of half an hour; its id."""
    attributes = {
        "service": "checkout",
        "started_at": at(hour) - 1_800,
        "finished_at": at(hour),
        "git": SHOP,
        **fields,
    }
    body = DORADeploymentRequest(
        data=DORADeploymentRequestData(attributes=DORADeploymentRequestAttributes(**attributes))
    )
    sent: str = datadog.create_dora_deployment(body).data.id
    return sent


def records(client: httpx.Client, kind: str = "deployments") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/api/v1/{kind}").json()["items"]
    return found


def rate(client: httpx.Client) -> tuple[int, int]:
    found = client.get("/api/v1/metrics/change_failure_rate", params=MARCH).json()
    return found["numerator"], found["denominator"]


def test_datadogs_client_sends_reads_marks_and_deletes(datadog: DORAMetricsApi, client: httpx.Client) -> None:
    failed = send(
        datadog, 10, version="v1", env="production", id="attempt-0123456789", team="payments",
        custom_tags=["language:java", "canary"],
    )  # fmt: skip
    assert failed == "attempt-0123456789"
    # Nanoseconds, as datadog-ci has them; without git the service's repository is known by now.
    repair = send(
        datadog, 12, version="v2", env="production", git=DORAGitInfo(repository_url=SHOP.repository_url, commit_sha="b" * 40),
        started_at=at(11) * 1_000_000_000, finished_at=at(12) * 1_000,
    )  # fmt: skip
    first = next(one for one in records(client) if one["version"] == "v1")
    expected = {
        "repository": "acme/shop", "service": "checkout", "environment": "production", "status": "success",
        "commit_id": SHA, "started_at": "2026-03-02T09:30:00Z", "finished_at": "2026-03-02T10:00:00Z",
        "team": "payments", "labels": {"language": "java", "canary": ""},
        "deployment_node_id": "datadog:deployment:attempt-0123456789",
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected

    read = datadog.get_dora_deployment(failed).data
    assert (read.id, read.attributes.service, read.attributes.started_at) == (
        failed, "checkout", datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
    )  # fmt: skip
    assert (read.attributes.git.repository_id, read.attributes.custom_tags) == (
        "github.com/acme/shop", ["language:java", "canary"],
    )  # fmt: skip
    asked = DORAListDeploymentsRequestAttributes(
        query="service:checkout env:production", _from=datetime(2026, 3, 1, tzinfo=UTC), limit=10
    )
    listed = datadog.list_dora_deployments(
        DORAListDeploymentsRequest(data=DORAListDeploymentsRequestData(attributes=asked))
    )
    assert [one.id for one in listed.data] == [repair, failed]

    assert rate(client) == (0, 2)
    datadog.patch_dora_deployment(
        failed,
        DORADeploymentPatchRequest(
            data=DORADeploymentPatchRequestData(
                id=failed,
                type=DORADeploymentPatchRequestDataType.DORA_DEPLOYMENT_PATCH_REQUEST,
                attributes=DORADeploymentPatchRequestAttributes(
                    change_failure=True,
                    remediation=DORADeploymentPatchRemediation(
                        id=repair, type=DORADeploymentPatchRemediationType.ROLLFORWARD
                    ),
                ),
            )
        ),
    )
    assert rate(client) == (1, 2)
    recovery = client.get("/api/v1/metrics/mean_time_to_recover", params=MARCH).json()
    assert recovery["value"] == 2 * 3_600
    datadog.delete_dora_deployment(repair)
    assert [one["version"] for one in records(client)] == ["v1"]
    with pytest.raises(NotFoundException):
        datadog.get_dora_deployment(repair)


def by_version(failed: bool, **fields: Any) -> DORADeploymentPatchByVersionRequest:
    return DORADeploymentPatchByVersionRequest(
        data=DORADeploymentPatchByVersionRequestData(
            type=DORADeploymentPatchRequestDataType.DORA_DEPLOYMENT_PATCH_REQUEST,
            attributes=DORADeploymentPatchByVersionRequestAttributes(
                change_failure=failed, service="checkout", env="production", version="v1", **fields
            ),
        )
    )


def test_a_version_is_marked_and_sound_again(datadog: DORAMetricsApi, client: httpx.Client) -> None:
    send(datadog, 10, version="v1", env="production")
    send(datadog, 12, version="v2", env="production", git=DORAGitInfo(repository_url=SHOP.repository_url, commit_sha="b" * 40))  # fmt: skip
    datadog.patch_dora_deployment_by_version(by_version(True))
    # Nothing has put it right: it is open.
    assert (rate(client), [one["resolved_at"] for one in records(client, "incidents")]) == ((1, 2), [None])
    rollforward = DORADeploymentPatchByVersionRemediationByVersion(
        type=DORADeploymentPatchRemediationType.ROLLFORWARD, version="v2"
    )
    datadog.patch_dora_deployment_by_version(by_version(True, remediation=rollforward))
    (incident,) = records(client, "incidents")
    assert incident["resolved_at"] == "2026-03-02T12:00:00Z"
    assert [bool(one["remediates"]) for one in records(client)] == [True, False]
    # What marks deployments is no failure that was sent.
    everything = DORAListFailuresRequest(
        data=DORAListFailuresRequestData(attributes=DORAListFailuresRequestAttributes())
    )
    assert datadog.list_dora_failures(everything).data == []
    datadog.patch_dora_deployment_by_version(by_version(False))
    assert (rate(client), records(client, "incidents")) == ((0, 2), [])
    assert [one["remediates"] for one in records(client)] == [None, None]


def test_failures_are_incidents_of_each_service(datadog: DORAMetricsApi, client: httpx.Client) -> None:
    def report(**fields: Any) -> str:
        attributes = DORAFailureRequestAttributes(started_at=at(10), id="incident-0123456789", **fields)
        answered = datadog.create_dora_failure(
            DORAFailureRequest(data=DORAFailureRequestData(attributes=attributes))
        )
        found: str = answered.data.id
        return found

    services = ["checkout", "search"]
    assert report(services=services, name="Shop is down", severity="High", team="payments") == (
        "incident-0123456789"
    )  # fmt: skip
    assert sorted((one["service"], one["title"], one["resolved_at"]) for one in records(client, "incidents")) == [
        ("checkout", "Shop is down", None), ("search", "Shop is down", None),
    ]  # fmt: skip
    report(services=services, name="Shop was down", finished_at=at(11))
    assert {(one["title"], one["resolved_at"]) for one in records(client, "incidents")} == {
        ("Shop was down", "2026-03-02T11:00:00Z")
    }
    read = datadog.get_dora_failure("incident-0123456789").data.attributes
    assert (read.services, read.severity, read.team) == (["checkout"], "High", "payments")
    datadog.delete_dora_failure("incident-0123456789")
    with pytest.raises(NotFoundException):
        datadog.get_dora_failure("incident-0123456789")


def test_refusals_have_datadogs_form(datadog: DORAMetricsApi, server: Server, organization: str) -> None:
    with pytest.raises(ApiException) as refused:
        send(datadog, 10, finished_at=at(9), started_at=at(10))
    assert (refused.value.status, refused.value.body["errors"][0]["source"]["pointer"]) == (
        400, "/data/attributes/finished_at",
    )  # fmt: skip
    configuration = Configuration(host=server.url)
    configuration.api_key["apiKeyAuth"] = "nonsense"
    with ApiClient(configuration) as client, pytest.raises(ForbiddenException) as forbidden:
        send(DORAMetricsApi(client), 10)
    assert isinstance(forbidden.value.body["errors"][0], str)
    with server.client(
        server.token("deployments:write deployments:read", organization, ("acme/web",))
    ) as limited:
        attributes = {"service": "checkout", "started_at": at(9), "finished_at": at(10)}
        for git, status in (({"repository_url": "https://github.com/acme/shop"}, 403), (None, 400)):
            body = {"data": {"attributes": attributes | {"git": git}}}
            assert limited.post(f"{PATH}/deployment", json=body).status_code == status
        body["data"]["attributes"]["git"] = {"repository_url": "https://github.com/acme/web"}
        assert limited.post(f"{PATH}/deployment", json=body).status_code == 200
        # From now on the service has a repository; a release that nobody names is not known.
        body["data"]["attributes"]["git"] = None
        assert limited.post(f"{PATH}/deployment", json=body).status_code == 200
        assert [one["version"] for one in records(limited)] == ["latest", "latest"]
        wrong = limited.post(f"{PATH}/deployments", json={"data": {"attributes": {"query": "@x:y"}}})
        assert wrong.status_code == 400
