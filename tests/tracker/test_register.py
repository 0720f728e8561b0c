"""The register of tokens: renewed one by one or as a fleet, and told of before they die."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import jwt
import pytest

from tests.server import Server, run_tracker
from tests.waiting import wait_until
from tracker.auth.keys import load_or_create_keys
from tracker.auth.register import mint_registered, note_uses
from tracker.auth.tokens import Scope, verify
from tracker.housekeeping import Housekeeping
from tracker.records.engine import connect, write_transaction
from tracker.records.migrations import migrate
from tracker.settings import Settings

DEPLOYMENTS = "/api/v1/deployments"


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator["Tokens"]:
    made = Tokens(tmp_path)
    yield made
    made.engine.dispose()


class Tokens:
    """A record database with tokens that a test mints as it likes."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder / "data")
        self.engine = connect(self.settings.record_database_url)
        migrate(self.engine)
        self.ring = load_or_create_keys(self.settings)

    def mint(self, subject: str, days: float, *, org: str = "acme", used: bool = True) -> str:
        """A token's id; it was used, or was not."""
        with write_transaction(self.engine) as connection:
            token = mint_registered(
                connection, self.ring, organization=org, subject=subject, scopes=[Scope.DEPLOYMENTS_WRITE],
                lifetime=timedelta(days=days), minted_by="test", repositories=("acme/*",),
            )  # fmt: skip
        claims = verify(token, self.ring)
        if used:
            note_uses(self.engine, [(claims, datetime.now(UTC).timestamp())])
        return claims.token_id


def said(token: str) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(token.strip(), options={"verify_signature": False})
    return found


def test_a_token_is_renewed_for_the_same_holder_scope_and_reach(server: Server, organization: str) -> None:
    before = server.run(
        "token",
        "--org",
        organization,
        "--scope",
        "deployments:write metrics:read",
        "--create",
        "--days",
        "30",
        "--subject",
        "ci-shop",
        "--repositories",
        "acme/*",
    )
    old = said(before.stdout.strip())
    done = server.run("token", "renew", str(old["jti"]))
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")
    new = said(done.stdout.strip())
    assert {name: new[name] for name in ("org", "sub", "repositories")} == {
        name: old[name] for name in ("org", "sub", "repositories")
    }
    assert set(str(new["scope"]).split()) == set(str(old["scope"]).split())
    assert new["jti"] != old["jti"]
    lifetimes = [int(str(one["exp"])) - int(str(one["iat"])) for one in (old, new)]
    assert lifetimes == [30 * 86_400, 30 * 86_400]
    # Both are honoured until whoever holds it has taken up the new one.
    for token in (before.stdout, done.stdout):
        with server.client(token.strip()) as client:
            assert client.get("/api/v1/metrics").status_code == 200
    done = server.run("token", "renew", str(new["jti"]), "--days", "7", "--revoke")
    assert int(str(said(done.stdout)["exp"])) - int(str(said(done.stdout)["iat"])) == 7 * 86_400
    with server.client(before.stdout.strip()) as client:
        assert client.get("/api/v1/metrics").status_code == 200


def test_what_cannot_be_renewed_is_named_and_nothing_is_minted(server: Server, organization: str) -> None:
    known = said(server.run("token", "--org", organization, "--scope", "admin", "--create").stdout)["jti"]
    done = server.run("token", "renew", str(known), "nobody-has-this")
    assert (done.returncode, done.stdout, "nobody-has-this" in done.stderr) == (1, "", True)
    assert server.run("token", "renew").returncode == 2
    with server.client(server.token(org=organization)) as admin:
        of_it = [one for one in admin.get("/api/v1/tokens").json()["items"] if one["minted_by"]]
    assert [one["id"] for one in of_it] == [known]


def test_a_fleet_is_renewed_by_one_command(tmp_path: Path, tokens: Tokens) -> None:
    soon = {tokens.mint(f"ci-{number}", 5) for number in range(3)}
    tokens.mint("later", 60)
    tokens.mint("never-used", 5, used=False)
    other = tokens.mint("ci-of-other", 5, org="other")
    done = run_tracker(tmp_path, "token", "renew", "--expiring", "--org", "acme")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert {line[2] for line in lines} == soon
    assert {(line[0], line[1]) for line in lines} == {("acme", f"ci-{number}") for number in range(3)}
    assert all(said(line[3])["sub"] == line[1] for line in lines)
    # Whose old one is not used any more is not asked about again; until then it is.
    assert run_tracker(tmp_path, "token", "renew", "--expiring", "--revoke").stdout.count("\n") == 4
    assert run_tracker(tmp_path, "token", "renew", "--expiring").stdout == ""
    assert other


def test_before_a_token_dies_the_figures_and_the_log_say_so(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    dying = tokens.mint("ci-shop", 5)
    tokens.mint("later", 60)
    tokens.engine.dispose()
    with Server(tmp_path, TRACKER_LOG_FORMAT="json") as server, server.client() as nobody:
        wait_until(lambda: "tracker_expiring_tokens 1.0" in nobody.get("/metrics").text)
        (line,) = [
            line
            for line in nobody.get("/metrics").text.splitlines()
            if line.startswith("tracker_next_token_expiry")
        ]
        left = float(line.split()[1]) - datetime.now(UTC).timestamp()
        assert timedelta(days=4) < timedelta(seconds=left) < timedelta(days=5)
        wait_until(lambda: any("a token expires soon" in line for line in server.output))
        events = [json.loads(line) for line in server.output if "a token expires soon" in line]
    assert [(event["organization"], event["subject"], event["token_id"]) for event in events] == [
        ("acme", "ci-shop", dying)
    ]


def test_a_dying_token_is_told_of_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(tmp_path)
    tokens.mint("ci-shop", 5)
    chores = Housekeeping(SimpleNamespace(engine=tokens.engine))  # type: ignore[arg-type]  it looks at nothing else
    heard: list[str] = []
    monkeypatch.setattr(
        "tracker.housekeeping._log.warning", lambda event, **_: heard.append(event), raising=False
    )
    for _ in range(3):
        chores.tell_expiring()
    assert heard == ["a token expires soon"]
    tokens.engine.dispose()


def test_who_records_may_not_deploy(server: Server, organization: str) -> None:
    with server.client(server.token("deployments:write", organization)) as client:
        answered = client.post("/api/workspaces/0197-0000/deployments")
        assert (answered.status_code, "deploy" in answered.text) == (403, True)
    with server.client(server.token("deploy", organization)) as client:
        assert client.post("/api/workspaces/0197-0000/deployments").status_code == 404
        assert client.post(DEPLOYMENTS, json={}).status_code == 403
