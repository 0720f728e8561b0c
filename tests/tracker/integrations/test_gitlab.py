"""GitLab's deployments and DORA APIs, spoken by python-gitlab as it is, and by what curl sends."""

from collections.abc import Callable
from typing import Any

import gitlab
import httpx
import pytest
from gitlab.exceptions import GitlabAuthenticationError, GitlabCreateError, GitlabGetError, GitlabUpdateError

from tests.server import Server, deployment

SHA = "a91957a858320c0e17f3a0eca7cfacbff50ea29a"
SHOP = "https://gitlab.com/acme/web/shop"
NAMED = "/api/v4/projects/acme%2Fweb%2Fshop"
CREATED = {"environment": "production", "sha": SHA, "ref": "main", "tag": False, "status": "running"}


@pytest.fixture
def api(server: Server, organization: str) -> gitlab.Gitlab:
    return gitlab.Gitlab(server.url, private_token=server.token("admin", organization))


def records(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/deployments").json()["items"]
    return found


def test_python_gitlab_makes_finishes_and_lists_deployments(api: gitlab.Gitlab, client: httpx.Client) -> None:
    api.auth()
    assert api.user is not None
    assert api.user.username == "test"
    # No record has named it yet.
    project = api.projects.get("acme/web/shop")
    made = project.deployments.create(CREATED)
    assert (made.status, made.ref, made.sha, made.environment["name"]) == (
        "running",
        "main",
        SHA,
        "production",
    )
    made.status = "success"
    made.save()
    (found,) = records(client)
    assert (found["repository_url"], found["status"], found["commit_id"], found["branch"]) == (
        SHOP, "success", SHA, "main",
    )  # fmt: skip
    assert found["started_at"] <= found["finished_at"]

    known = api.projects.get("acme/web/shop")
    assert isinstance(known.id, int)
    tagged = {**CREATED, "ref": "v1.2", "tag": True, "status": "failed", "environment": "staging"}
    by_number = api.projects.get(known.id, lazy=True).deployments
    last = by_number.create(tagged)
    assert (records(client)[0]["version"], records(client)[0]["branch"]) == ("v1.2", None)
    assert by_number.get(last.id).environment["id"] == last.environment["id"]
    listed = by_number.list(order_by="id", sort="desc", per_page=1, iterator=True)
    assert [one.id for one in listed] == [last.id, made.id]
    assert [one.id for one in by_number.list(get_all=True)] == [made.id, last.id]
    assert [one.id for one in by_number.list(status="success", get_all=True)] == [made.id]
    assert [one.id for one in by_number.list(environment="staging", get_all=True)] == [last.id]
    assert by_number.list(updated_before="2020-01-01T00:00:00Z", get_all=True) == []


def test_refusals_are_python_gitlabs_exceptions(api: gitlab.Gitlab, server: Server) -> None:
    project = api.projects.get("acme/web/shop", lazy=True)
    with pytest.raises(GitlabCreateError, match="status") as refused:
        project.deployments.create({**CREATED, "status": "done"})
    assert refused.value.response_code == 400
    with pytest.raises(GitlabGetError, match="404 Deployment Not Found"):
        project.deployments.get(987654321)
    with pytest.raises(GitlabGetError, match="404 Project Not Found"):
        api.projects.get(987654321)
    made = project.deployments.create({**CREATED, "status": "success"})
    with pytest.raises(GitlabUpdateError, match="in_progress"):
        project.deployments.update(made.id, {"status": "running"})
    with pytest.raises(GitlabAuthenticationError, match="401 Unauthorized"):
        gitlab.Gitlab(server.url, private_token="nonsense").auth()


@pytest.mark.parametrize("header", ["PRIVATE-TOKEN", "JOB-TOKEN", "Authorization"])
def test_what_curl_sends_is_a_form(
    server: Server, organization: str, client: httpx.Client, header: str
) -> None:
    token = server.token("deployments:write", organization)
    shown = {header: f"Bearer {token}" if header == "Authorization" else token}
    form = {**CREATED, "tag": "false"}
    made = httpx.post(f"{server.url}{NAMED}/deployments", data=form, headers=shown)
    assert made.status_code == 201, made.text
    number = made.json()["id"]
    done = httpx.put(f"{server.url}{NAMED}/deployments/{number}", data={"status": "canceled"}, headers=shown)
    assert done.json()["status"] == "canceled"
    assert [one["status"] for one in records(client)] == ["cancelled"]
    lacking = httpx.post(f"{server.url}{NAMED}/deployments", data={"sha": SHA}, headers=shown)
    assert lacking.json()["error"].startswith("environment is missing, ref is missing")


def test_a_pipelines_own_number_is_the_project_that_its_token_is_for(
    client_with: Callable[..., httpx.Client],
) -> None:
    writer = client_with("deployments:write", "gitlab.com/acme/web/shop")
    made = writer.post("/api/v4/projects/278964/deployments", json={**CREATED, "status": "success"})
    assert made.status_code == 201, made.text
    assert (
        client_with("deployments:write", "gitlab.com/acme/*").get("/api/v4/projects/278964").status_code
        == 404
    )
    assert writer.get("/api/v4/projects/acme%2Fother").json() == {"message": "404 Project Not Found"}


DEPLOYED = [
    {"finished_at": "2026-03-02T10:00:00Z"},
    {"finished_at": "2026-03-02T12:00:00Z", "commit_id": "b" * 40, "is_hotfix": True},
    {"finished_at": "2026-04-03T12:00:00Z", "commit_id": "c" * 40, "commits": [{"sha": "c" * 40, "committed_at": "2026-04-03T11:00:00Z"}]},
    {"finished_at": "2026-03-03T10:00:00Z", "environment": "staging-eu"},
]  # fmt: skip
SPRING = {"start_date": "2026-03-01", "end_date": "2026-04-30"}


def test_gitlabs_dora_metrics_are_the_services_figures(api: gitlab.Gitlab, client: httpx.Client) -> None:
    for fields in DEPLOYED:
        client.post("/api/v1/deployments", json=deployment(repository_url=SHOP, **fields)).raise_for_status()
    other = "https://gitlab.com/acme/api"
    client.post(
        "/api/v1/deployments", json=deployment(repository_url=other, finished_at="2026-03-02T11:00:00Z")
    )

    def ask(metric: str, where: str = "projects/acme%2Fweb%2Fshop", **given: Any) -> Any:
        return api.http_get(f"/{where}/dora/metrics", query_data={"metric": metric, **SPRING, **given})

    monthly = {"interval": "monthly"}
    assert ask("deployment_frequency", **monthly) == [
        {"date": "2026-03-01", "value": 2}, {"date": "2026-04-01", "value": 1},
    ]  # fmt: skip
    daily = ask("deployment_frequency")
    assert (len(daily), [one for one in daily if one["value"]]) == (
        61, [{"date": "2026-03-02", "value": 2}, {"date": "2026-04-03", "value": 1}],
    )  # fmt: skip
    for group, count in (("acme", 3), ("acme%2Fweb", 2), ("nobody", 0)):
        assert ask("deployment_frequency", f"groups/{group}", **monthly)[0]["value"] == count
    assert ask("change_failure_rate", **monthly) == [
        {"date": "2026-03-01", "value": 0.5}, {"date": "2026-04-01", "value": 0},
    ]  # fmt: skip
    assert [one["value"] for one in ask("time_to_restore_service", **monthly)] == [7_200, None]
    assert ask("lead_time_for_changes", interval="all") == [{"date": None, "value": 3_600}]
    tiers = {"interval": "all", "environment_tiers[]": ["staging", "production"]}
    assert ask("deployment_frequency", **tiers)[0]["value"] == 4
    for wrong in (
        {"metric": "speed"},
        {"interval": "weekly"},
        {"start_date": "soon"},
        {"start_date": "2026-05-01"},
    ):
        with pytest.raises(gitlab.GitlabHttpError, match=next(iter(wrong))) as refused:
            ask(**{"metric": "deployment_frequency", **wrong})
        assert refused.value.response_code == 400
