"""What admins change on pages is what the interface changes, and a wrong form says so and changes nothing."""

import re
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from tests.server import Server, deployment
from tests.tracker.pages.conftest import form_key, monday, text_of
from tests.waiting import wait_until

pytestmark = pytest.mark.on_one_database

Make = Callable[..., httpx.Client]


@pytest.fixture
def admin(signed_in: Make) -> httpx.Client:
    return signed_in()


def send(browser: httpx.Client, path: str, **fields: object) -> httpx.Response:
    return browser.post(path, data={"form_key": form_key(browser.get("/settings").text), **fields})


def test_settings_are_changed_and_the_history_says_by_whom(client: httpx.Client, admin: httpx.Client) -> None:
    answered = send(
        admin, "/settings", timezone="Europe/Berlin", production_environments="production prod-*",
        failure_signals=["incident", "rollback"], attribution_gap_days="14", benchmark="2022",
        fix_patterns="hotfix:branch:hotfix/* fix:commit:fix",
    )  # fmt: skip
    assert (answered.status_code, "Saved." in answered.text) == (200, True)
    assert client.get("/api/v1/settings").json() == {
        "timezone": "Europe/Berlin", "production_environments": ["production", "prod-*"],
        "failure_signals": ["incident", "rollback"], "attribution_gap_days": 14, "benchmark": 2022,
        "fix_patterns": ["hotfix:branch:hotfix/*", "fix:commit:fix"],
    }  # fmt: skip
    answered = send(
        admin, "/settings", timezone="Europe/Berlin", production_environments="production prod-*",
        failure_signals=["incident", "rollback"], attribution_gap_days="30", benchmark="2022",
        fix_patterns="hotfix:branch:hotfix/* fix:commit:fix",
    )  # fmt: skip
    words = text_of(answered.text)
    assert "attribution_gap_days 14 → 30" in words
    assert "test" in words


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("timezone", "Europe/Berln", "Timezone must be an IANA time zone"),
        ("attribution_gap_days", "0", "Attribution gap days"),
        ("attribution_gap_days", "many", "Attribution gap days"),
        ("failure_signals", "luck", "Failure signals"),
        ("production_environments", "x" * 5_000, "Production environments"),
        ("attribution_gap_days", "²", "Attribution gap days"),
        ("failure_signals", "", "Failure signals"),
    ],
)
def test_a_wrong_setting_changes_nothing(
    client: httpx.Client, admin: httpx.Client, field: str, value: str, said: str
) -> None:
    before = client.get("/api/v1/settings").json()
    right = {"timezone": "UTC", "production_environments": "production", "failure_signals": "incident"}
    answered = send(admin, "/settings", **{**right, "benchmark": "2021", field: value})
    assert answered.status_code == 400
    assert "Nothing was saved" in answered.text
    assert said in answered.text
    assert client.get("/api/v1/settings").json() == before


def test_a_repository_gets_its_team_and_its_other_name(client: httpx.Client, admin: httpx.Client) -> None:
    at = monday(2)
    for url, service in (("https://github.com/acme/shop", "web"), ("https://github.com/acme/store", "")):
        body = deployment(repository_url=url, service=service, finished_at=at.isoformat())
        assert client.post("/api/v1/deployments", json=body).status_code == 201
    known = {
        (one["repository"], one["service"]): one["id"]
        for one in client.get("/api/v1/repositories").json()["items"]
    }
    shop, web = known["acme/shop", ""], known["acme/shop", "web"]
    form = admin.get(f"/repositories/{shop}").text
    assert f'name="team-{web}"' in form
    answered = send(
        admin,
        f"/repositories/{shop}",
        **{"team": "checkout", f"team-{web}": "front", "aliases": "github.com/acme/store"},
    )
    assert "Saved." in answered.text
    groups = client.get("/api/v1/metrics/deployment_frequency?last=4w&group_by=team").json()["groups"]
    assert {group["team"]: group["deployments"] for group in groups} == {"checkout": 1, "front": 1}
    groups = client.get("/api/v1/metrics/deployment_frequency?last=4w&group_by=repository").json()["groups"]
    assert [(group["repository"], group["deployments"]) for group in groups] == [("acme/shop", 2)]
    # What a form did not show it does not clear.
    answered = send(admin, f"/repositories/{shop}", team="checkout", aliases="github.com/acme/store")
    groups = client.get("/api/v1/metrics/deployment_frequency?last=4w&group_by=team").json()["groups"]
    assert {group["team"] for group in groups} == {"checkout", "front"}
    answered = send(admin, f"/repositories/{shop}", team="other", aliases="not a repository!")
    assert answered.status_code == 400
    items = client.get("/api/v1/repositories").json()["items"]
    assert next(one["team"] for one in items if one["id"] == shop) == "checkout"


def test_a_token_is_made_used_listed_and_revoked(
    client: httpx.Client, admin: httpx.Client, server: Server
) -> None:
    answered = send(
        admin, "/tokens", subject="ci-shop", scope="deployments:write", days="30", repositories="acme/shop"
    )
    (token,) = re.findall(r"<code>(eyJ[\w.-]+)</code>", answered.text)
    with server.client(token) as pipeline:
        assert pipeline.post("/api/v1/deployments", json=deployment()).status_code == 201
        other = deployment(repository_url="https://github.com/acme/other")
        assert pipeline.post("/api/v1/deployments", json=other).status_code == 403
        assert "Tracker-Token-Expires" not in pipeline.post("/api/v1/deployments", json=deployment()).headers

        def entry() -> dict[str, object]:
            found = client.get("/api/v1/tokens").json()["items"]
            return next(one for one in found if one["subject"] == "ci-shop")

        wait_until(lambda: entry()["last_used_at"], seconds=10)
        assert entry()["scopes"] == ["deployments:write"]
        assert (entry()["repositories"], entry()["minted_by"], entry()["expires_soon"]) == (
            ["acme/shop"],
            "test",
            False,
        )
        # The token itself is kept nowhere.
        assert token not in admin.get("/tokens").text
        assert send(admin, "/tokens/revoke", token_id=str(entry()["id"])).status_code == 200
        wait_until(
            lambda: pipeline.post("/api/v1/deployments", json=deployment()).status_code == 401, seconds=5
        )
    assert "revoked" in admin.get("/tokens").text


def test_who_has_a_token_in_its_last_days_is_told(client: httpx.Client) -> None:
    assert client.get("/api/v1/deployments").headers["Tracker-Token-Expires"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"subject": "", "scope": "admin", "days": "9"}, "Say who will use it"),
        ({"subject": "x", "days": "9"}, "Choose what it may do"),
        ({"subject": "x", "scope": "root", "days": "9"}, "Choose what it may do"),
        ({"subject": "x", "scope": "admin", "days": "0"}, "1 to 3650 days"),
        ({"subject": "x", "scope": "admin", "days": "99999999999"}, "1 to 3650 days"),
        ({"subject": "x", "scope": "admin", "days": "0002900000"}, "1 to 3650 days"),
        ({"subject": "x", "scope": "admin", "days": "²"}, "1 to 3650 days"),
        ({"subject": "x", "scope": "admin", "days": "9", "repositories": "shop"}, "shop is no owner/name"),
    ],
)
def test_a_wrong_form_makes_no_token(
    client: httpx.Client, admin: httpx.Client, fields: dict[str, str], said: str
) -> None:
    before = len(client.get("/api/v1/tokens").json()["items"])
    answered = send(admin, "/tokens", **fields)
    assert answered.status_code == 400
    assert said in answered.text
    assert "eyJ" not in answered.text
    known = [one for one in client.get("/api/v1/tokens").json()["items"] if one["minted_by"]]
    assert len(known) <= before


def test_the_command_line_lists_tokens(server: Server, organization: str) -> None:
    made = server.run(
        "token",
        "--org",
        organization,
        "--create",
        "--scope",
        "metrics:read",
        "--subject",
        "wall",
        "--days",
        "20",
    )
    assert made.returncode == 0
    listed = server.run("token", "list", "--org", organization)
    assert listed.returncode == 0
    assert "wall" in listed.stdout


def test_incidents_are_listed_with_what_they_mark(client: httpx.Client, admin: httpx.Client) -> None:
    at = monday(2)
    one = client.post("/api/v1/deployments", json=deployment(finished_at=at.isoformat())).json()["id"]
    body = {"title": "Slow", "repository_url": "https://github.com/acme/shop", "key": "i-1"}
    begun = (at + timedelta(hours=1)).isoformat()
    assert client.post("/api/v1/incidents", json={**body, "started_at": begun}).status_code == 201
    html = admin.get("/incidents").text
    assert f'href="/deployments/{one}"' in html
    assert "the last deployment before the incident" in html
    assert "open for" in html
    assert "Slow" in admin.get("/").text
    assert "No incident fits" in admin.get("/incidents?open=false").text


def test_an_intake_is_added_and_its_events_are_listed_until_it_is_removed(
    client: httpx.Client, admin: httpx.Client
) -> None:
    added = send(
        admin, "/intakes", source="github", environment="live", repositories="acme/*",
        options="deployments=release\nprereleases = yes\n",
    )  # fmt: skip
    assert added.status_code == 200, added.text
    (intake,) = client.get("/api/v1/intakes").json()["items"]
    assert (intake["options"], intake["defaults"], intake["repositories"]) == (
        {"deployments": "release", "prereleases": "yes"}, {"environment": "live"}, ["acme/*"],
    )  # fmt: skip
    words = text_of(added.text)
    address, secret = re.findall(r"<pre[^>]*><code>([^<]+)</code>", added.text)
    assert address == intake["url"]
    again = text_of(admin.get("/intakes").text)
    assert (secret in words, secret in again) == (True, False)
    headers = {"Authorization": f"Bearer {secret}", "X-GitHub-Event": "ping"}
    httpx.post(address, json={"zen": "<b>"}, headers=headers).raise_for_status()
    assert "ping ignored ping" in text_of(admin.get("/intakes").text)
    removed = send(admin, "/intakes/remove", intake_id=intake["id"])
    assert "Removed." in text_of(removed.text)
    assert client.get("/api/v1/intakes").json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"source": "gopher"}, "source must be one of"),
        ({"source": "github", "options": "colour=red"}, "options/colour is no option of github"),
        ({"source": "github", "repositories": "acme/"}, "repositories"),
        ({"source": "github", "secret": "short"}, "secret"),
        ({"source": "github", "repository_url": "shop"}, "defaults/repository_url"),
    ],
)
def test_a_wrong_intake_is_not_added(
    client: httpx.Client, admin: httpx.Client, fields: dict[str, str], said: str
) -> None:
    answered = send(admin, "/intakes", **fields)
    assert answered.status_code == 400
    assert said in text_of(answered.text)
    assert client.get("/api/v1/intakes").json()["items"] == []


def test_services_that_a_pager_names_are_mapped_where_they_are_missed(
    client: httpx.Client, admin: httpx.Client
) -> None:
    intake = client.post("/api/v1/intakes", json={"source": "pagerduty"}).json()
    incident = {
        "id": "PGR0VU2", "type": "incident", "title": "Down", "created_at": "2026-03-02T10:00:00Z",
        "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2", "service": {"summary": "Checkout, prod"},
    }  # fmt: skip
    event = {
        "id": "01", "event_type": "incident.triggered", "occurred_at": "2026-03-02T10:00:00Z", "data": incident,
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {intake['secret']}"}
    httpx.post(intake["url"], json={"event": event}, headers=headers).raise_for_status()
    page = admin.get("/intakes").text
    assert "1 of its services not mapped" in text_of(page)
    assert "&#34;Checkout, prod&#34;,,,,\n" in page
    names = 'name,repository_url,service\r\n"Checkout, prod",https://github.com/acme/shop,checkout\r\n'
    assert "Saved." in text_of(send(admin, "/intakes/names", intake_id=intake["id"], names=names).text)
    assert client.get(f"/api/v1/intakes/{intake['id']}").json()["names"] == {
        "Checkout, prod": {"repository_url": "https://github.com/acme/shop", "service": "checkout"}
    }
    refused = send(admin, "/intakes/names", intake_id=intake["id"], names="name,colour\r\nx,red\r\n")
    assert (refused.status_code, "Nothing was changed: the first line" in text_of(refused.text)) == (
        400,
        True,
    )
