"""What a sender calls a service, and which repository and service it is here."""

import io

import httpx
import pytest
from click.testing import CliRunner, Result

from metrics.domain.errors import InvalidInput
from tests.events import EVENTS, INTAKES, Sender
from tests.server import Server
from tests.tracker.events.test_pagerduty_events import RESOLVED, TRIGGERED, event
from tracker.cli.intake import intake
from tracker.intakes.names import read_names, write_names
from tracker.intakes.schemas import Filling

SHOP = "https://github.com/acme/shop"
MAPPED = {"repository_url": SHOP, "service": "checkout", "environment": "production"}


def command(
    server: Server, monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: str | None = None
) -> Result:
    """A command of `tracker intake` on the service's data, without a process of its own."""
    monkeypatch.chdir(server.folder)
    for name, text in server.environment.items():
        monkeypatch.setenv(name, text)
    return CliRunner().invoke(intake, arguments, input=stdin)


def test_a_name_that_is_not_mapped_is_listed_until_it_is(
    client: httpx.Client, server: Server, organization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pagerduty = Sender.to(client, "pagerduty")
    mine = f"{INTAKES}/{pagerduty.url.rpartition('/')[2]}"
    assert client.get(mine).json()["unmapped"] == []
    first = pagerduty.bearer(TRIGGERED)
    assert (first["outcome"], first["reason"]) == ("recorded", "service_not_mapped: Shop / checkout")
    pagerduty.bearer(
        event("incident.triggered", "2026-03-02T10:00:00Z", id="Q9", service={"summary": "Mail"})
    )
    assert client.get(EVENTS).json()["items"][1]["unmapped"] == ["Shop / checkout"]
    assert client.get(mine).json()["unmapped"] == ["Mail", "Shop / checkout"]
    changed = client.patch(mine, json={"names": {"shop / checkout": MAPPED}}).json()
    assert (changed["names"], changed["unmapped"]) == ({"shop / checkout": MAPPED}, ["Mail"])
    assert pagerduty.bearer(RESOLVED)["reason"] is None
    found = {one["key"]: one for one in pagerduty.incidents()}["pagerduty:incident:Q2SHOPDOWN"]
    assert (found["repository"], found["service"], found["environment"]) == (
        "acme/shop", "checkout", "production",
    )  # fmt: skip

    intake_id = mine.rpartition("/")[2]
    printed = command(server, monkeypatch, "map", intake_id, "--org", organization)
    assert printed.stdout.splitlines() == [
        "name,repository_url,service,environment,team",
        f"shop / checkout,{SHOP},checkout,production,",
        "Mail,,,,",
    ]
    filled = printed.stdout.replace("Mail,,,,", f"Mail,{SHOP},mail,,")
    done = command(server, monkeypatch, "map", intake_id, "--org", organization, "--csv", "-", stdin=filled)
    assert (done.exit_code, done.stdout) == (0, "2 read; the intake knows 2 names\n"), done.output
    after = client.get(mine).json()
    assert (after["names"]["Mail"], after["unmapped"]) == ({"repository_url": SHOP, "service": "mail"}, [])


def test_an_intake_is_changed_by_a_merge_patch(client: httpx.Client) -> None:
    pagerduty = Sender.to(
        client, "pagerduty", names={"a": MAPPED, "b": MAPPED}, defaults={"environment": "live", "team": "core"},
        repositories=["github.com/acme/*"], options={"severities": "P1"}, production=["live"],
    )  # fmt: skip
    mine = f"{INTAKES}/{pagerduty.url.rpartition('/')[2]}"
    assert client.patch(mine, json={}).json()["production"] == ["live"]
    changes = {
        "names": {"A": None, "c": {"service": "c"}},
        "defaults": {"team": None, "service": "shop"},
        "repositories": None,
        "production": None,
        "options": {"severities": None},
    }
    changed = client.patch(mine, json=changes).json()
    assert changed["names"] == {"b": MAPPED, "c": {"service": "c"}}
    assert changed["defaults"] == {"environment": "live", "service": "shop"}
    assert (changed["repositories"], changed["production"], changed["options"]) == (None, [], {})
    assert pagerduty.bearer(TRIGGERED)["outcome"] == "recorded"
    for wrong, pointer in (
        ({"options": {"nothing": "x"}}, "/options/nothing"),
        ({"names": {"a": {"repository_url": "nonsense"}}}, "/names/a/repository_url"),
        ({"source": "github"}, "/source"),
    ):
        refused = client.patch(mine, json=wrong)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, pointer)
    assert client.get(mine).json()["names"] == changed["names"]
    assert client.patch(mine, json={"names": None, "defaults": None, "options": None}).json()["names"] == {}


def test_a_file_of_names_is_read_as_it_is_written() -> None:
    names = {"=Shop": {"repository_url": SHOP, "service": "shop"}, "Mail": {"team": "core"}}
    file = io.StringIO()
    write_names(file, names, ["New, one"])
    assert "\n'=Shop," in file.getvalue()
    file.seek(0)
    assert read_names(file) == {
        "=Shop": Filling(repository_url=SHOP, service="shop"),
        "Mail": Filling(team="core"),
        "New, one": None,
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the first line must name the columns"),
        ("name,repository\na,b\n", "the first line must name the columns"),
        ("name,service\na,b,c\n", "line 2 has more values"),
        ("name,service\n,b\n", "line 2 names no service"),
        ("name,service\nA,b\na,c\n", "line 3 names a again"),
        ("name,repository_url\na,nonsense\n", "line 2: "),
    ],
)
def test_what_is_wrong_with_a_file_of_names_is_said(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        read_names(io.StringIO(text))
