"""Nobody sees or changes what belongs to another organization, or to a repository that a token is not for.

One table of every route; what is not in it fails.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient

from metrics.definitions.catalog import MetricName
from tests.server import Server, deployment, ndjson
from tests.waiting import wait_until
from tracker.app import create_app
from tracker.records.engine import connect
from tracker.records.migrations import migrate
from tracker.settings import Settings

pytestmark = pytest.mark.on_one_database

DEPLOYMENTS, INCIDENTS = "/api/v1/deployments", "/api/v1/incidents"
WORKSPACE, JOB, QOVERY = "/api/workspaces/{workspace_id}", "/api/jobs/{job_id}", "/job/{job_id}"
WEBHOOK, DELIVERY = "/api/v1/webhooks/{webhook_id}", "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"
SHOP, OTHER = "https://github.com/acme/shop", "https://github.com/acme/other"
AT = "2026-03-02T{:02}:00:00Z".format
MARCH = "from=2026-03-01&to=2026-04-01"
# What the victim's records say, and nobody else's.
SECRET = "Hush"
# What clients call things themselves, the same for everybody.
NAMED = {
    "project": "acme%2Flab",
    "group": "acme",
    "sentry_organization": "acme",
    "version": "v9",
    "sleuth_organization": "acme",
    "slug": "shop",
    "view": "deployments",
}
OF_NO_ORGANIZATION = {
    "/healthz", "/readyz", "/metrics", "/schema", "/schema/openapi.json", "/schema/{path}", "/static/{name}", "/docs",
    "/docs/{name}", "/sign-in", "/login",
    # What GitHub's clients ask of an installation and of whoever has the token.
    *(f"{prefix}{path}" for prefix in ("", "/api/v3") for path in ("/user", "/rate_limit", "/meta")), "/api/v3",
    "/graphql", "/api/graphql",
    # What GitLab's and Sentry's ask.
    "/api/v4/user", "/api/v4/version", "/api/0",
    # What Matatika's ask: the profile is the token's own.
    "/api/profiles", "/api/profiles/{profile_id}",
    # Public on purpose: whoever has a badge's link sees its figure.
    "/badges/{badge_file}",
}  # fmt: skip
DEPLOYED = {"deployment_node_id": "run-1", "finished_at": AT(10)}
REPAIRED = {"deployment_node_id": "run-2", "finished_at": AT(13), "commit_id": "f" * 40}
BEGUN = {
    "title": "Release", "branch": "main", "commit_id": "d" * 40, "repository_url": SHOP, "member_id": "mona",
    "pull_request_number": 7,
}  # fmt: skip


# Marks where a history begins, and records nothing.
BEFORE_ALL = {"sha": "5" * 40, "commits": [{"revision": "5" * 40, "files": ["ignored"]}]}


@dataclass(frozen=True)
class Route:
    """A call, and how an admin of another organization and one limited to another repository are answered.

    A parameter in the path is the victim's. 200 to a GET: with the caller's own things, whatever the
    victim has.
    """

    method: str
    path: str
    stranger: int
    limited: int
    query: str = ""
    body: Any = None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}{self.query}"

    def paths(self, things: Sequence[Mapping[str, str]]) -> list[str]:
        """The path to each of the things."""
        template = self.path.replace(QOVERY, "/job/{workspace_id}") + self.query
        return list(
            dict.fromkeys(template.format(**one, name=metric) for one in things for metric in MetricName)
        )


PUSHED = {"repository_url": SHOP, "before": "a" * 40, "commits": [{"sha": "b" * 40, "committed_at": AT(9)}]}


def github(prefix: str) -> list[Route]:
    """GitHub's interface, at each of the places where its clients look for it."""
    one = f"{prefix}/repos/{{owner}}/{{repo}}"
    number = f"{one}/deployments/{{number}}"
    return [
        Route("GET", one, 200, 404),
        Route("GET", f"{one}/deployments", 200, 404),
        Route("GET", f"{one}/deployments", 200, 404, "?task=seed-database"),
        Route("POST", f"{one}/deployments", 201, 404, body={"ref": "main"}),
        Route("GET", number, 404, 404),
        Route("DELETE", number, 404, 404),
        Route("GET", f"{number}/statuses", 404, 404),
        Route("POST", f"{number}/statuses", 404, 404, body={"state": "failure"}),
        Route("GET", f"{number}/statuses/{{status}}", 404, 404),
    ]


def datadog() -> list[Route]:
    """Datadog's DORA interface."""
    base = "/api/v2/dora"
    at = {"started_at": 1_772_445_600, "finished_at": 1_772_449_200}
    deployed = {
        "data": {
            "attributes": {**at, "service": "web", "git": {"repository_url": SHOP, "commit_sha": "9" * 40}}
        }
    }
    failed = {
        "data": {
            "attributes": {**at, "services": ["web"], "git": {"repository_url": SHOP, "commit_sha": "9" * 40}}
        }
    }
    marked: dict[str, Any] = {"change_failure": True}
    version = {**marked, "service": "web", "env": "production", "version": "v1"}
    return [
        Route("POST", f"{base}/deployment", 200, 403, body=deployed),
        Route("POST", f"{base}/failure", 200, 403, body=failed),
        Route("POST", f"{base}/incident", 200, 403, body=failed),
        Route(
            "PATCH", f"{base}/deployments/{{deployment_id}}", 404, 404, body={"data": {"attributes": marked}}
        ),
        Route("PATCH", f"{base}/deployments", 404, 404, body={"data": {"attributes": version}}),
        Route("POST", f"{base}/deployments", 200, 200, body={"data": {"attributes": {}}}),
        Route("POST", f"{base}/failures", 200, 200, body={"data": {"attributes": {}}}),
        Route("GET", f"{base}/deployments/{{deployment_id}}", 404, 404),
        Route("GET", f"{base}/failures/{{incident_id}}", 404, 404),
        Route("DELETE", f"{base}/deployment/{{deployment_id}}", 404, 404),
        Route("DELETE", f"{base}/failure/{{incident_id}}", 404, 404),
    ]


def devlake(prefix: str) -> list[Route]:
    """DevLake's webhooks, at each of the places where they are posted to."""
    at = {"startedDate": AT(9), "finishedDate": AT(10)}
    commit = {**at, "repoUrl": SHOP, "commitSha": "8" * 40}
    issue = {"issueKey": "I-1", "type": "INCIDENT", "createdDate": AT(10)}
    base = f"/api/rest/plugins/webhook{prefix}/{{webhook}}"
    return [
        Route("POST", f"{base}/deployments", 200, 403, body={**at, "id": "7", "deploymentCommits": [commit]}),
        Route("POST", f"{base}/issues", 200, 403, body=issue),
        Route("POST", f"{base}/issue/{{issue_key}}/close", 404, 404),
    ]


def gitlab() -> list[Route]:
    """GitLab's interface: projects, their deployments, and the metrics of both kinds."""
    one = "/api/v4/projects/{project}"
    made = {"environment": "production", "sha": "7" * 40, "ref": "main", "tag": False, "status": "success"}
    metrics = "dora/metrics?metric=deployment_frequency&start_date=2026-03-01&end_date=2026-04-01"
    return [
        Route("GET", one, 200, 404),
        Route("GET", f"{one}/deployments", 200, 404),
        Route("POST", f"{one}/deployments", 201, 404, body=made),
        Route("GET", f"{one}/deployments/{{deployment_number}}", 404, 404),
        Route("PUT", f"{one}/deployments/{{deployment_number}}", 404, 404, body={"status": "failed"}),
        Route("GET", f"{one}/dora/metrics", 200, 404, metrics.removeprefix("dora/metrics")),
        Route("GET", "/api/v4/groups/{group}/dora/metrics", 200, 200, metrics.removeprefix("dora/metrics")),
    ]


def sentry() -> list[Route]:
    """Sentry's releases and deploys."""
    base = "/api/0/organizations/{sentry_organization}"
    one = f"{base}/releases/{{version}}"
    said = {"version": "v9", "projects": ["shop"]}
    return [
        Route("GET", f"{base}/repos", 200, 200),
        Route("POST", f"{base}/releases", 201, 201, body=said),
        Route("PUT", one, 200, 200, body=said),
        Route("GET", one, 404, 404),
        Route("GET", f"{one}/previous-with-commits", 200, 200),
        Route("POST", f"{one}/deploys", 201, 400, body={"environment": "live", "projects": ["shop"]}),
        Route("GET", f"{one}/deploys", 200, 200),
    ]


TABLE = [
    Route("GET", DEPLOYMENTS, 200, 200),
    Route("GET", DEPLOYMENTS, 200, 200, "?team=checkout"),
    Route("GET", DEPLOYMENTS, 200, 200, "?repository=acme/shop"),
    Route("POST", DEPLOYMENTS, 201, 403, "?receipt=true", deployment(**DEPLOYED)),
    Route("POST", f"{DEPLOYMENTS}/batch", 200, 400, body=ndjson(deployment(**REPAIRED))),
    Route("POST", "/api/v1/pushes", 201, 403, body=PUSHED),
    Route("GET", f"{DEPLOYMENTS}/export", 200, 200),
    Route("GET", f"{DEPLOYMENTS}/export", 200, 200, "?format=csv&team=checkout"),
    Route("POST", f"{DEPLOYMENTS}/export/link", 201, 201),
    Route("GET", f"{DEPLOYMENTS}/last", 200, 403, f"?repository_url={SHOP}"),
    Route("GET", f"{DEPLOYMENTS}/{{deployment_id}}", 404, 404),
    Route("PATCH", f"{DEPLOYMENTS}/{{deployment_id}}", 404, 404, body={"status": "fail"}),
    Route("DELETE", f"{DEPLOYMENTS}/{{deployment_id}}", 404, 404),
    Route("GET", f"{DEPLOYMENTS}/{{deployment_id}}/history", 404, 404),
    Route("GET", f"{DEPLOYMENTS}/{{deployment_id}}/steps", 404, 404),
    Route("PUT", f"{DEPLOYMENTS}/{{deployment_id}}/steps", 404, 404, body={"steps": []}),
    Route("GET", INCIDENTS, 200, 200),
    Route("GET", INCIDENTS, 200, 200, "?repository=acme/shop"),
    Route("POST", INCIDENTS, 201, 403, "?receipt=true", {"key": "i", "started_at": AT(12), "repository_url": SHOP}),
    Route("GET", f"{INCIDENTS}/{{incident_id}}", 404, 404),
    Route("POST", f"{INCIDENTS}/batch", 200, 400, body=ndjson({"started_at": AT(12), "repository_url": SHOP})),
    Route("GET", f"{INCIDENTS}/export", 200, 200),
    Route("GET", f"{INCIDENTS}/export", 200, 200, "?format=csv&repository=acme/shop"),
    Route("POST", f"{INCIDENTS}/export/link", 201, 201),
    Route("DELETE", f"{INCIDENTS}/{{incident_id}}", 404, 404),
    Route("PATCH", f"{INCIDENTS}/{{incident_id}}", 404, 404, body={"change_related": False}),
    Route("GET", f"{INCIDENTS}/{{incident_id}}/history", 404, 404),
    Route("GET", "/api/v1/changes", 200, 200, "?since=2020-01-01T00:00:00Z"),
    Route("GET", "/api/v1/quality", 200, 200, f"?{MARCH}"),
    Route("GET", "/api/v1/quality", 200, 200, f"?{MARCH}&repository=acme/shop"),
    Route("GET", "/api/v1/repositories", 200, 200),
    Route("PATCH", "/api/v1/repositories/{repository_id}", 404, 404, body={"team": "theirs"}),
    Route("PATCH", "/api/v1/repositories/{repository_id}", 404, 403, body={"aliases": ["github.com/a/b"]}),
    Route("GET", "/api/v1/settings", 200, 403),
    Route("PATCH", "/api/v1/settings", 200, 403, body={"failure_signals": ["status"]}),
    Route("GET", "/api/v1/trusts", 200, 403),
    Route("POST", "/api/v1/trusts", 201, 403, body={"kind": "circleci", "organization": "theirs"}),
    Route("DELETE", "/api/v1/trusts/{trust_id}", 404, 403),
    Route("GET", "/api/v1/intakes", 200, 403),
    Route("POST", "/api/v1/intakes", 201, 403, body={"source": "github"}),
    Route("GET", "/api/v1/intakes/{intake_id}", 404, 403),
    Route("PATCH", "/api/v1/intakes/{intake_id}", 404, 403, body={"names": {"theirs": {"service": "theirs"}}}),
    Route("DELETE", "/api/v1/intakes/{intake_id}", 404, 403),
    Route("POST", "/api/v1/intakes/{intake_id}/secrets", 404, 403, body={}),
    Route("DELETE", "/api/v1/intakes/{intake_id}/secrets/oldest", 404, 403),
    Route("GET", "/api/v1/events", 200, 403),
    Route("POST", "/api/v1/events/{source}", 200, 200, body={}),
    Route("POST", "/api/v1/events/{source}/{intake_id}", 404, 403, body={}),
    Route("GET", "/api/v1/badges", 200, 200),
    Route("POST", "/api/v1/badges", 201, 201, body={"metric": "deployment_frequency", "parameters": {"last": "13w"}}),
    Route("DELETE", "/api/v1/badges/{badge_id}", 404, 404),
    # `test_remote_library.py` has every view.
    Route("GET", "/api/v1/facts/{view}", 200, 403),
    Route("GET", "/api/v1/charts/{chart_file}", 200, 200, f"?{MARCH}"),
    Route("GET", "/api/v1/charts/{chart_file}", 200, 200, f"?{MARCH}&repository=acme/shop"),
    Route("GET", "/api/v1/webhooks", 200, 403),
    Route("POST", "/api/v1/webhooks", 201, 403, body={"url": "https://nobody.invalid/theirs"}),
    Route("GET", WEBHOOK, 404, 403),
    Route("PATCH", WEBHOOK, 404, 403, body={"enabled": True}),
    Route("DELETE", WEBHOOK, 404, 403),
    Route("GET", f"{WEBHOOK}/deliveries", 404, 403),
    Route("GET", DELIVERY, 404, 403),
    Route("POST", f"{DELIVERY}/redelivery", 404, 403),
    Route("GET", "/api/v1/metrics", 200, 200, f"?{MARCH}&group_by=team&interval=month"),
    Route("GET", "/api/v1/metrics", 200, 200, f"?{MARCH}&repository=acme/shop"),
    Route("GET", "/api/v1/metrics/{name}", 200, 200, f"?{MARCH}"),
    Route("GET", "/api/v1/metrics/{name}/explain", 200, 200, f"?{MARCH}"),
    Route("GET", "/api/v1/metrics/{name}/explain", 200, 200, f"?{MARCH}&repository=acme/shop"),
    Route("GET", "/api/v1/metrics/{name}/profiles", 200, 200, f"?{MARCH}"),
    Route("POST", "/v1/organization/deployment", 201, 403, body=BEGUN),
    Route("GET", "/api/workspaces", 200, 200),
    Route("GET", WORKSPACE, 404, 404),
    Route("POST", f"{WORKSPACE}/deployments", 404, 404),
    # A signature says who may, no token.
    Route("POST", f"{WORKSPACE}/deployments/github-webhook", 401, 401, body={}),
    Route("GET", f"{WORKSPACE}/jobs", 404, 404),
    Route("GET", JOB, 404, 404),
    Route("DELETE", JOB, 404, 404),
    Route("GET", f"{JOB}/logs", 404, 404),
    Route("PUT", f"{JOB}/stopped", 404, 404),
    Route("POST", f"{QOVERY}/deploy", 404, 404, "?forceEvent=STOP"),
    Route("GET", f"{QOVERY}/status", 404, 404),
    *gitlab(),
    *sentry(),
    Route("POST", "/linearb/api/v1/deployments", 200, 403, body={"repo_url": SHOP, "ref_name": "v9"}),
    Route("POST", "/swarmia/deployments", 201, 403, body={"version": "v9", "repositoryFullName": "acme/shop"}),
    # A name that the limited one does not reach is to it one that nobody knows: then its own repository is meant.
    Route("POST", "/api/1/deployments/{sleuth_organization}/{slug}/register_deploy", 200, 200, body=BEFORE_ALL),
    *datadog(),
    *devlake(""),
    *devlake("/connections"),
    *devlake("/connections/by-name"),
    *github(""),
    *github("/api/v3"),
]  # fmt: skip
# What browsers are shown, and what else is another every minute. The statuses are those of a session of the stranger's, or of the limited one's.
PAGES = [
    Route("GET", "/", 200, 200),
    Route("GET", "/", 200, 200, f"?{MARCH}&team=checkout"),
    Route("GET", "/metric/{name}", 200, 200, f"?{MARCH}"),
    Route("GET", "/metric/{name}", 200, 200, f"?{MARCH}&rows=left_out&repository=acme/shop"),
    Route("GET", "/deployments", 200, 200),
    Route("GET", "/deployments", 200, 200, f"?q={SECRET[1:]}"),
    Route("GET", "/deployments/{deployment_id}", 404, 404),
    Route("GET", "/incidents", 200, 200),
    Route("GET", "/incidents/{incident_id}", 404, 404),
    Route("GET", "/repositories", 200, 200, f"?{MARCH}"),
    Route("GET", "/repositories/{repository_id}", 404, 403),
    Route("GET", "/quality", 200, 200, f"?{MARCH}"),
    Route("GET", "/report", 200, 200, "?month=2026-03"),
    Route("GET", "/api/v1/report.html", 200, 200, "?month=2026-03"),
    # Says when it was used last.
    Route("GET", "/api/v1/tokens", 200, 403),
    Route("GET", "/settings", 200, 403),
    Route("GET", "/tokens", 200, 403),
    Route("GET", "/intakes", 200, 403),
]
FORMS = [
    Route("POST", "/repositories/{repository_id}", 404, 403, body={"team": "theirs"}),
    Route("POST", "/settings", 200, 403, body={"timezone": "UTC", "failure_signals": "status"}),
    Route("POST", "/tokens", 200, 403, body={"subject": "x", "scope": "admin", "days": "9"}),
    Route("POST", "/tokens/revoke", 404, 403, body={"token_id": "{token_id}"}),
    Route("POST", "/intakes", 200, 403, body={"source": "github"}),
    Route("POST", "/intakes/remove", 404, 403, body={"intake_id": "{intake_id}"}),
    Route(
        "POST", "/intakes/names", 404, 403, body={"intake_id": "{intake_id}", "names": "name,service\nx,y"}
    ),
    Route("POST", "/sign-out", 303, 303, body={}),
]
READS = [route for route in TABLE if route.method == "GET"]
WRITES = [route for route in TABLE if route.method != "GET"]
TELLING = {
    f"GET {path}"
    for path in (
        DEPLOYMENTS, "/api/v1/changes?since=2020-01-01T00:00:00Z", f"{DEPLOYMENTS}/{{deployment_id}}/steps",
        "/api/v1/webhooks", f"{WEBHOOK}/deliveries", f"{WORKSPACE}/jobs", f"{QOVERY}/status",
        "/api/v4/projects/{project}/deployments", "/api/0/organizations/{sentry_organization}/releases/{version}",
        "/api/0/organizations/{sentry_organization}/releases/{version}/deploys",
        "/repos/{owner}/{repo}/deployments", "/repos/{owner}/{repo}/deployments/{number}/statuses",
        f"/api/v1/metrics?{MARCH}&repository=acme/shop",
    )
}  # fmt: skip
ASKERS = ["stranger", "limited"]


@pytest.mark.filterwarnings("ignore:.*Inferred dependency")
def test_the_table_names_every_route(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    engine = connect(settings.record_database_url)
    migrate(engine)
    engine.dispose()
    with TestClient(create_app(settings)) as running:
        served = {
            (method, route.path_format)
            for route in running.app.routes
            for method in getattr(route, "methods", ())
            if method != "OPTIONS" and route.path_format not in OF_NO_ORGANIZATION
        }
    assert served == {(route.method, route.path) for route in [*TABLE, *PAGES, *FORMS]}


@dataclass
class House:
    """An organization with one of everything, and two who have no business there.

    `seen_before` is what those two read while there was nothing but what they had recorded themselves.
    """

    victim: httpx.Client
    askers: Mapping[str, httpx.Client]
    things: Sequence[Mapping[str, str]]
    seen_before: Mapping[tuple[str, str], str]

    @cached_property
    def seen_at_first(self) -> dict[str, str]:
        """What the victim sees before anybody else has written anything."""
        return self.seen_by_the_victim()

    def seen_by_the_victim(self) -> dict[str, str]:
        """What a change of anything would show in."""
        reads = [route for route in READS if route.name in TELLING]
        return {path: self.victim.get(path).text for route in reads for path in route.paths(self.things)}


@contextmanager
def opened_house(server: Server, name: str, *, is_read: bool) -> Iterator[House]:
    with (
        server.client(server.token(org=name)) as victim,
        server.client(server.token(org=f"{name}-stranger")) as stranger,
        server.client(server.token("admin", name, ("acme/other",))) as limited,
    ):
        askers = {"stranger": stranger, "limited": limited}
        record_some(stranger, SHOP)
        record_some(limited, OTHER)
        nothing = {
            "owner": "acme", "repo": "shop", "chart_file": "lead_time_for_changes.svg", **NAMED,
        }  # fmt: skip
        before = {
            (asker, path): client.get(path).text
            for asker, client in askers.items()
            for route in READS
            if is_read and getattr(route, asker) == 200
            for path in route.paths([nothing])
        }
        yield House(victim, askers, record_everything(server, victim, name), before)


@pytest.fixture(scope="module")
def read_house(server: Server) -> Iterator[House]:
    with opened_house(server, "read-house", is_read=True) as house:
        yield house


@pytest.fixture(scope="module")
def written_house(server: Server) -> Iterator[House]:
    """Strangers record things of their own here."""
    with opened_house(server, "written-house", is_read=False) as house:
        yield house


def sent(client: httpx.Client, method: str, path: str, body: object = None) -> dict[str, Any]:
    answered = client.request(method, path, json=body)
    assert answered.is_success, answered.text
    found: dict[str, Any] = answered.json()
    return found


def record_some(client: httpx.Client, repository: str) -> None:
    """What every metric, list and explanation shows something of."""
    commits = [{"sha": "c" * 40, "committed_at": AT(7)}]
    first = {"finished_at": AT(8), "commits": commits, "deployment_node_id": "run-0"}
    hotfix = {"finished_at": AT(9), "commit_id": "b" * 40, "is_hotfix": True}
    for fields in (first, hotfix):
        sent(client, "POST", DEPLOYMENTS, deployment(repository_url=repository, **fields))
    sent(client, "POST", INCIDENTS, {"started_at": AT(11), "repository_url": repository})


def record_everything(server: Server, client: httpx.Client, organization: str) -> list[dict[str, str]]:
    """One of everything that an organization can have; what is in a path to it, once for each of its numbers."""
    said: dict[str, Any] = {"title": SECRET, "labels": {"secret": SECRET}}
    commits = [{"sha": "e" * 40, "committed_at": AT(6)}]
    first = sent(client, "POST", DEPLOYMENTS, deployment(**DEPLOYED, **said, commits=commits))
    steps = {"steps": [{"step_name": SECRET, "status": "SUCCESS", "duration_sec": 1}]}
    sent(client, "PUT", f"{DEPLOYMENTS}/{first['id']}/steps", steps)
    sent(client, "POST", DEPLOYMENTS, deployment(**REPAIRED, **said, is_hotfix=True, branch=SECRET))
    sent(client, "POST", DEPLOYMENTS, deployment(status="in_progress", started_at=AT(1), **said))
    sent(client, "POST", "/v1/organization/deployment", {**BEGUN, "title": SECRET, "status": "in_progress"})
    incident = {"started_at": AT(12), **said}
    sent(client, "POST", INCIDENTS, incident)
    incident |= {"key": "i", "repository_url": SHOP, "resolved_at": AT(14)}
    incident_id = sent(client, "POST", INCIDENTS, incident)["id"]
    assert client.post(DEPLOYMENTS, json=deployment(branch=7)).status_code == 400
    known = sent(client, "GET", "/api/v1/repositories")["items"]
    (repository_id,) = [one["id"] for one in known if one["repository"] == "acme/shop"]
    sent(client, "PATCH", f"/api/v1/repositories/{repository_id}", {"team": "checkout"})
    sent(client, "PATCH", "/api/v1/settings", {"attribution_gap_days": 5})

    trust_id = sent(
        client, "POST", "/api/v1/trusts", {"kind": "circleci", "organization": f"{SECRET}-{organization}"}
    )["id"]
    intake_id = sent(client, "POST", "/api/v1/intakes", {"source": "github"})["id"]
    sent(client, "POST", f"/api/v1/events/github/{intake_id}", {"zen": SECRET})
    made = {"environment": "production", "sha": "6" * 40, "ref": SECRET, "tag": False, "status": "success"}
    gitlab_number = sent(client, "POST", "/api/v4/projects/acme%2Flab/deployments", made)["id"]
    release = {"version": "v9", "projects": ["shop"], "url": f"https://ci.example/{SECRET}"}
    sent(client, "POST", "/api/0/organizations/acme/releases", release)
    deploy = {"environment": "production", "name": SECRET, "dateFinished": AT(10)}
    sent(client, "POST", "/api/0/organizations/acme/releases/v9/deploys", deploy)
    issue = {"issueKey": "I-9", "type": "INCIDENT", "createdDate": AT(12), "title": SECRET}
    assert client.post("/api/rest/plugins/webhook/1/issues", json=issue).status_code == 200
    badge_id = sent(client, "POST", "/api/v1/badges", {"metric": "deployment_frequency"})["id"]
    # It is known once it was used, and that was written down.
    wait_until(lambda: sent(client, "GET", "/api/v1/tokens")["items"])
    token_id = sent(client, "GET", "/api/v1/tokens")["items"][0]["id"]

    numbers = []
    # A task that deploys nothing has a number and no record.
    for task in ("deploy", "seed-database"):
        asked = {"ref": "main", "task": task, "description": SECRET}
        number = sent(client, "POST", "/repos/acme/shop/deployments", asked)["id"]
        told = {"state": "queued", "description": SECRET}
        status = sent(client, "POST", f"/repos/acme/shop/deployments/{number}/statuses", told)["id"]
        numbers.append({"number": str(number), "status": str(status)})

    made = server.run(
        "workspace", "create", "shop", "--org", organization, "--command", "true", "--repository", SHOP
    )
    workspace = made.stdout.splitlines()[0].removeprefix("workspace: ")
    job = sent(client, "POST", f"/api/workspaces/{workspace}/deployments")["id"]

    webhook = sent(client, "POST", "/api/v1/webhooks", {"url": "https://nobody.invalid/hear"})["id"]
    sent(client, "PATCH", f"{DEPLOYMENTS}/{first['id']}", {"url": "https://ci.example/1"})
    deliveries = f"/api/v1/webhooks/{webhook}/deliveries"
    wait_until(lambda: any(one["attempts"] for one in client.get(deliveries).json()["items"]))
    # What is tried again and again is not the same in two answers.
    sent(client, "PATCH", f"/api/v1/webhooks/{webhook}", {"enabled": False})
    (delivery,) = client.get(deliveries).json()["items"]
    things = {
        "deployment_id": first["id"], "incident_id": incident_id, "repository_id": repository_id,
        "webhook_id": webhook, "delivery_id": delivery["id"], "workspace_id": workspace, "job_id": job,
        "owner": "acme", "repo": "shop", "badge_id": badge_id, "token_id": token_id, "trust_id": trust_id,
        "intake_id": intake_id, "source": "github", "webhook": "1", "issue_key": "I-9",
        **NAMED, "deployment_number": str(gitlab_number),
        "chart_file": "lead_time_for_changes.svg",
    }  # fmt: skip
    return [{**things, **number} for number in numbers]


def cases(routes: Sequence[Route]) -> list[Any]:
    return [pytest.param(route, id=route.name) for route in routes]


@pytest.mark.parametrize("route", cases(READS))
def test_whose_things_they_are_is_shown_them(read_house: House, route: Route) -> None:
    for path in route.paths(read_house.things):
        assert read_house.victim.get(path).is_success, path


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("route", cases(READS))
def test_what_one_records_changes_nothing_that_another_reads(
    read_house: House, route: Route, asker: str
) -> None:
    for path in route.paths(read_house.things):
        answered = read_house.askers[asker].get(path)
        assert answered.status_code == getattr(route, asker), answered.text
        assert SECRET not in answered.text
        if answered.is_success:
            assert answered.text == read_house.seen_before[asker, path]


@pytest.mark.parametrize("route", cases(WRITES))
def test_what_others_write_changes_nothing_of_ones_own(written_house: House, route: Route) -> None:
    before = written_house.seen_at_first
    for asker, path in itertools.product(ASKERS, route.paths(written_house.things)):
        body = {"content": route.body} if isinstance(route.body, bytes) else {"json": route.body}
        answered = written_house.askers[asker].request(route.method, path, **body)
        assert answered.status_code == getattr(route, asker), (asker, answered.text)
        assert SECRET not in answered.text, asker
        if answered.is_success:
            ids = [text for name, text in written_house.things[0].items() if name.endswith("_id")]
            assert not any(one in answered.text for one in ids), asker
    assert written_house.seen_by_the_victim() == before


def test_the_id_of_anothers_deployment_names_nothing(
    client: httpx.Client, server: Server, organization: str
) -> None:
    theirs = sent(client, "POST", DEPLOYMENTS, deployment(**DEPLOYED))["id"]
    with server.client(server.token(org=f"{organization}-stranger")) as stranger:
        hotfix = deployment(**REPAIRED, is_hotfix=True, remediates=theirs)
        repairs = sent(stranger, "POST", f"{DEPLOYMENTS}?receipt=true", hotfix)["receipt"]["repairs"]
        assert (repairs["deployment_id"], repairs["reason"]) == (None, "unknown_name")
        rate = sent(stranger, "GET", f"/api/v1/metrics/change_failure_rate?{MARCH}")
        assert (rate["numerator"], rate["unattributed"]) == (0, 1)
        (row,) = sent(stranger, "GET", f"/api/v1/metrics/deployment_rework_rate/explain?{MARCH}")["counted"]
        assert row["repairs_id"] is None
        incident = {"started_at": AT(12), "deployment": theirs}
        marks = sent(stranger, "POST", f"{INCIDENTS}?receipt=true", incident)["receipt"]["marks"]
        assert (marks["deployment_id"], marks["reason"]) == (None, "unknown_name")
    assert sent(client, "GET", f"/api/v1/metrics/change_failure_rate?{MARCH}")["numerator"] == 0


@contextmanager
def browser_of(server: Server, client: httpx.Client) -> Iterator[httpx.Client]:
    """A browser that has signed in with a client's token."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=server.url, timeout=30) as browser:
        assert browser.post("/sign-in", data={"token": token}).status_code == 303
        yield browser


def form_key_of_page(browser: httpx.Client) -> str:
    found = re.search(r'name="form_key" value="(\w+)"', browser.get("/incidents").text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("route", cases(PAGES))
def test_whose_pages_they_are_is_shown_them(read_house: House, server: Server, route: Route) -> None:
    with browser_of(server, read_house.victim) as browser:
        for path in route.paths(read_house.things):
            assert browser.get(path).status_code == 200, path


def test_pages_tell_what_they_are_about(read_house: House, server: Server) -> None:
    with browser_of(server, read_house.victim) as browser:
        telling = (
            "/",
            "/deployments",
            "/incidents",
            "/deployments/{deployment_id}",
            "/incidents/{incident_id}",
        )
        for path in telling:
            assert SECRET in browser.get(path.format(**read_house.things[0]) + f"?{MARCH}").text, path


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("route", cases(PAGES))
def test_pages_show_nothing_of_anothers(read_house: House, server: Server, route: Route, asker: str) -> None:
    with browser_of(server, read_house.askers[asker]) as browser:
        for path in route.paths(read_house.things):
            answered = browser.get(path)
            assert answered.status_code == getattr(route, asker), path
            assert SECRET not in answered.text.replace(f'value="{SECRET[1:]}"', "")
            ids = [text for name, text in read_house.things[0].items() if name.endswith("_id")]
            # A stranger's own request names what it asks for.
            assert not any(one in answered.text for one in ids if one not in path), path


@pytest.mark.parametrize("route", cases(FORMS))
def test_forms_change_nothing_of_anothers(written_house: House, server: Server, route: Route) -> None:
    before = written_house.seen_at_first
    things = written_house.things[0]
    for asker in ASKERS:
        with browser_of(server, written_house.askers[asker]) as browser:
            body = {name: text.format(**things) for name, text in route.body.items()}
            answered = browser.post(
                route.path.format(**things), data={**body, "form_key": form_key_of_page(browser)}
            )
            assert answered.status_code == getattr(route, asker), (asker, answered.text)
    assert written_house.seen_by_the_victim() == before
    # Nobody has signed the victim out.
    assert written_house.victim.get(DEPLOYMENTS).status_code == 200
