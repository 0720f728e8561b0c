"""What an organization sets, over HTTP and by the command line, in force for the next answer."""

from collections.abc import Callable

import httpx
import pytest

from tests.server import Server, deployment

PATH = "/api/v1/settings"
DEFAULTS = {
    "timezone": "UTC",
    "production_environments": ["production", "prod", "live"],
    "failure_signals": ["incident", "rollback", "hotfix", "fix"],
    "attribution_gap_days": 30,
    "benchmark": 2023,
    "fix_patterns": [],
}
FREQUENCY = "/api/v1/metrics/deployment_frequency"


def test_a_new_organization_has_the_defaults(client: httpx.Client) -> None:
    assert client.get(PATH).json() == DEFAULTS


def test_a_patch_sets_what_it_names_and_null_brings_the_default_back(client: httpx.Client) -> None:
    changed = client.patch(
        PATH, json={"timezone": "Europe/Berlin", "production_environments": ["Blue", "green", "BLUE"]}
    )
    assert changed.status_code == 200
    assert changed.json() == DEFAULTS | {
        "timezone": "Europe/Berlin",
        "production_environments": ["blue", "green"],
    }
    assert client.patch(PATH, json={"production_environments": None}).json() == DEFAULTS | {
        "timezone": "Europe/Berlin"
    }
    assert client.get(PATH).json() == DEFAULTS | {"timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"timezone": "../etc/passwd"}, "/timezone"),
        ({"production_environments": []}, "/production_environments"),
        ({"production_environments": "production"}, "/production_environments"),
        ({"failure_signals": []}, "/failure_signals"),
        ({"failure_signals": ["luck"]}, "/failure_signals/0"),
        ({"attribution_gap_days": 0}, "/attribution_gap_days"),
        ({"attribution_gap_days": "30"}, "/attribution_gap_days"),
        ({"benchmark": 1999}, "/benchmark"),
        ({"fix_patterns": ["hotfix/*"]}, "/fix_patterns/0"),
        ({"fix_patterns": ["urgent:branch:hotfix/*"]}, "/fix_patterns/0"),
        ({"fix_patterns": ["hotfix:branch: "]}, "/fix_patterns/0"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_set(
    client: httpx.Client, patch: dict[str, object], pointer: str
) -> None:
    answered = client.patch(PATH, json={"benchmark": 2022} | patch)
    assert answered.status_code == 400
    assert [error["pointer"] for error in answered.json()["errors"]] == [pointer]
    assert client.get(PATH).json() == DEFAULTS


def test_settings_need_admin_and_the_whole_organization(client_with: Callable[..., httpx.Client]) -> None:
    writer = client_with("deployments:write deployments:read metrics:read")
    assert (writer.get(PATH).status_code, writer.patch(PATH, json={}).status_code) == (403, 403)
    assert client_with("admin", "acme/shop").patch(PATH, json={"benchmark": 2022}).status_code == 403


def test_the_next_answer_follows_the_settings(client: httpx.Client) -> None:
    for environment in ("production", "blue"):
        client.post(PATH.replace("settings", "deployments"), json=deployment(environment=environment))
    client.patch(PATH, json={"production_environments": ["blue", "production"], "timezone": "Asia/Kolkata"})
    answer = client.get(FREQUENCY).json()
    assert (answer["deployments"], answer["tz"]) == (2, "Asia/Kolkata")
    client.patch(PATH, json={"production_environments": ["nowhere"], "timezone": None})
    answer = client.get(FREQUENCY).json()
    assert (answer["deployments"], answer["tz"]) == (0, "UTC")


def test_a_date_is_a_local_midnight_of_the_organization(client: httpx.Client) -> None:
    client.patch(PATH, json={"timezone": "America/New_York"})
    answer = client.get(FREQUENCY, params={"from": "2026-03-02", "to": "2026-03-03"}).json()
    assert (answer["from"], answer["to"]) == ("2026-03-02T05:00:00Z", "2026-03-03T05:00:00Z")
    answer = client.get(FREQUENCY, params={"from": "2026-03-02", "to": "2026-03-03", "tz": "UTC"}).json()
    assert answer["from"] == "2026-03-02T00:00:00Z"


def test_failure_signals_and_the_attribution_gap_are_the_organizations(client: httpx.Client) -> None:
    deployments = PATH.replace("settings", "deployments")
    client.post(deployments, json=deployment(commit_id="a" * 40, finished_at="2026-03-02T10:00:00Z"))
    client.post(
        deployments, json=deployment(commit_id="b" * 40, finished_at="2026-03-12T10:00:00Z", is_fix=True)
    )
    rate = "/api/v1/metrics/change_failure_rate?from=2026-03-01&to=2026-04-01"
    assert client.get(rate).json()["numerator"] == 1
    client.patch(PATH, json={"attribution_gap_days": 5})
    assert client.get(rate).json()["numerator"] == 0
    client.patch(PATH, json={"attribution_gap_days": 10})
    assert client.get(rate).json()["numerator"] == 1
    client.patch(PATH, json={"failure_signals": ["hotfix"]})
    assert client.get(rate).json()["by_signal"] == {"hotfix": 0}


def test_the_command_line_shows_and_sets(server: Server, client: httpx.Client, organization: str) -> None:
    shown = server.run(
        "settings", "--org", organization, "timezone=Asia/Tokyo", "failure_signals=fix,incident"
    )
    assert shown.returncode == 0, shown.stderr
    assert client.get(PATH).json() == DEFAULTS | {
        "timezone": "Asia/Tokyo",
        "failure_signals": ["incident", "fix"],
    }
    assert client.get(FREQUENCY).json()["tz"] == "Asia/Tokyo"
    assert server.run("settings", "--org", organization, "timezone=").returncode == 0
    assert client.get(PATH).json()["timezone"] == "UTC"


@pytest.mark.parametrize("argument", ["timezone", "timezone=Mars", "benchmark=soon", "colour=red"])
def test_the_command_line_names_what_is_wrong(server: Server, organization: str, argument: str) -> None:
    failed = server.run("settings", "--org", organization, argument)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert argument.partition("=")[0] in failed.stderr


def test_a_team_is_set_for_a_repository_and_for_a_service(client: httpx.Client) -> None:
    deployments = "/api/v1/deployments"
    client.post(deployments, json=deployment())
    client.post(deployments, json=deployment(service="web"))
    client.post(deployments, json=deployment(service="web", team="own"))
    whole, web = client.get("/api/v1/repositories").json()["items"]
    assert (whole["service"], web["service"], whole["team"]) == ("", "web", None)
    assert client.patch(f"/api/v1/repositories/{whole['id']}", json={"team": "shop"}).json()["team"] == "shop"
    of = lambda team: len(client.get(deployments, params={"team": team}).json()["items"])  # noqa: E731
    assert (of("shop"), of("own")) == (2, 1)
    client.patch(f"/api/v1/repositories/{web['id']}", json={"team": "frontend"}).raise_for_status()
    assert (of("shop"), of("frontend"), of("own")) == (1, 1, 1)
    client.patch(f"/api/v1/repositories/{web['id']}", json={"team": None}).raise_for_status()
    assert (of("shop"), of("frontend")) == (2, 0)


def test_a_team_needs_a_field_a_repository_and_the_right_to_it(
    client_with: Callable[..., httpx.Client],
) -> None:
    client = client_with()
    client.post("/api/v1/deployments", json=deployment())
    path = f"/api/v1/repositories/{client.get('/api/v1/repositories').json()['items'][0]['id']}"
    assert client.patch(path, json={}).json()["errors"][0]["pointer"] == "/team"
    assert client.patch("/api/v1/repositories/none", json={"team": "x"}).status_code == 404
    assert client_with("metrics:read").patch(path, json={"team": "x"}).status_code == 403
    assert client_with("admin", "acme/other").patch(path, json={"team": "x"}).status_code == 404


OLD, NEW = "https://github.com/acme/shop", "https://gitlab.com/newacme/shop2"


def repository_id(client: httpx.Client, host: str) -> str:
    items = client.get("/api/v1/repositories").json()["items"]
    return next(str(one["id"]) for one in items if one["host"] == host and not one["service"])


def test_an_alias_makes_two_identities_one_repository_until_it_is_withdrawn(client: httpx.Client) -> None:
    at, commits = (
        "2026-03-02T{:02}:00:00Z".format,
        [{"sha": "a" * 40, "committed_at": "2026-03-02T08:00:00Z"}],
    )
    for url, hour, is_hotfix in ((OLD, 9, False), (NEW, 10, True)):
        fields = {"repository_url": url, "finished_at": at(hour), "is_hotfix": is_hotfix, "commits": commits}
        client.post(
            "/api/v1/deployments", json=deployment(**fields, deployment_node_id="1", commit_id=f"{hour:07}")
        )
    incident = {"started_at": at(11), "resolved_at": at(12), "repository_url": OLD}
    client.post("/api/v1/incidents", json=incident).raise_for_status()

    def figures(query: str = "") -> tuple[int, int, int, int]:
        asked = f"?from=2026-03-02&to=2026-03-03{query}"
        rate = client.get(f"/api/v1/metrics/change_failure_rate{asked}").json()
        lead = client.get(f"/api/v1/metrics/lead_time_for_changes{asked}").json()
        return rate["numerator"], rate["denominator"], rate["unattributed"], lead["commits"]

    apart = figures()
    assert apart == (1, 2, 1, 2)
    url = f"/api/v1/repositories/{repository_id(client, 'gitlab.com')}"
    said = client.patch(url, json={"aliases": [OLD, "github.com/Acme/Shop"]})
    assert (said.status_code, said.json()["aliases"]) == (200, ["github.com/acme/shop"])
    # The hotfix repairs what went out before it, and the incident is the last one's.
    assert (
        figures() == figures("&repository=newacme/shop2") == figures("&repository=acme/shop") == (2, 2, 0, 1)
    )
    grouped = client.get(
        "/api/v1/metrics/change_failure_rate?from=2026-03-02&to=2026-03-03&group_by=repository"
    )
    assert [group["repository"] for group in grouped.json()["groups"]] == ["newacme/shop2"]
    for repository in ("acme/shop", "newacme/shop2"):
        assert len(client.get(f"/api/v1/deployments?repository={repository}").json()["items"]) == 2

    again = deployment(
        repository_url=NEW, deployment_node_id="2", finished_at=at(13), version="v", commit_id=None
    )
    moved = client.post("/api/v1/deployments", json={**again, "repository_url": OLD})
    repeat = client.post("/api/v1/deployments", json={**again, "title": "told again"})
    assert (repeat.status_code, repeat.json()["id"]) == (200, moved.json()["id"])

    assert client.patch(url, json={"aliases": None}).json()["aliases"] == []
    assert figures()[:3] == (1, 3, 1)


@pytest.mark.parametrize(
    ("alias", "detail"),
    [
        (NEW, "other identities than its own"),
        ("no repository", "git URL"),
        ("https://github.com/acme/twice", "is an alias of"),
        ("https://github.com/acme/holder", "has aliases itself"),
    ],
)
def test_an_alias_that_cannot_be_is_refused(client: httpx.Client, alias: str, detail: str) -> None:
    for url in (NEW, "https://codeberg.org/acme/holder"):
        client.post("/api/v1/deployments", json=deployment(repository_url=url)).raise_for_status()
    holder = f"/api/v1/repositories/{repository_id(client, 'codeberg.org')}"
    twice = client.patch(holder, json={"aliases": ["github.com/acme/twice"]})
    assert twice.status_code == 200
    if "holder" in alias:
        alias = "codeberg.org/acme/holder"
    refused = client.patch(
        f"/api/v1/repositories/{repository_id(client, 'gitlab.com')}", json={"aliases": [alias]}
    )
    assert refused.status_code == 400
    assert detail in refused.text
    assert client.get("/api/v1/repositories").json()["items"][1]["aliases"] == []


def test_teams_and_aliases_are_an_admins(client: httpx.Client, server: Server, organization: str) -> None:
    client.post("/api/v1/deployments", json=deployment()).raise_for_status()
    url = f"/api/v1/repositories/{repository_id(client, 'github.com')}"
    with server.client(server.token("deployments:write", organization)) as writer:
        for change in ({"team": "shop"}, {"aliases": []}):
            assert writer.patch(url, json=change).status_code == 403


def test_a_token_reaches_the_aliases_of_its_repository_and_not_the_repository_of_an_alias(
    client: httpx.Client, client_with: Callable[..., httpx.Client]
) -> None:
    recorded = {}
    for url in (OLD, NEW):
        body = deployment(repository_url=url, deployment_node_id=url[-5:], finished_at="2026-03-02T10:00:00Z")
        recorded[url] = client.post("/api/v1/deployments", json=body).json()["id"]
    alias = {"aliases": [OLD]}
    client.patch(f"/api/v1/repositories/{repository_id(client, 'gitlab.com')}", json=alias).raise_for_status()
    frequency = "/api/v1/metrics/deployment_frequency?from=2026-03-02&to=2026-03-03"

    def seen(reader: httpx.Client) -> tuple[int, int, list[int]]:
        items = reader.get("/api/v1/deployments").json()["items"]
        found = [reader.get(f"/api/v1/deployments/{recorded[url]}").status_code for url in (OLD, NEW)]
        return reader.get(frequency).json()["deployments"], len(items), found

    own, alias_alone = client_with("admin", "newacme/shop2"), client_with("admin", "acme/shop")
    assert seen(own) == (2, 2, [200, 200])
    assert seen(alias_alone) == (0, 1, [200, 404])
    repeat = deployment(repository_url=OLD, deployment_node_id=NEW[-5:], title="taken over")
    assert alias_alone.post("/api/v1/deployments", json=repeat).status_code == 403
    incident = {"started_at": "2026-03-02T11:00:00Z", "repository_url": OLD, "deployment": NEW[-5:]}
    assert client.post("/api/v1/incidents", json=incident).json()["warnings"] == []
