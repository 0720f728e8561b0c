"""Tokens: who is let in, for what, and how a refusal is said."""

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.server import Server, deployment, ndjson, run_tracker
from tests.waiting import wait_until
from tracker.auth.callers import Authenticator
from tracker.auth.keys import KeyRing, KeyRingError, generate, load_keys, load_or_create_keys
from tracker.auth.tokens import Claims, Scope, mint, verify
from tracker.errors import Unauthenticated
from tracker.settings import Settings, SigningAlgorithm

PATH = "/api/v1/deployments"
Client = Callable[..., httpx.Client]


def sign(ring: KeyRing, **changes: Any) -> str:
    """A token with claims of one's own; None leaves a claim out."""
    now = datetime.now(UTC)
    claims = {
        "iss": "tracker", "aud": "tracker", "sub": "ci", "org": "acme", "scope": "admin", "jti": "1",
        "iat": now, "exp": now + timedelta(hours=1),
    } | changes  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    key = ring.newest
    assert key.signing is not None
    return jwt.encode(claims, key.signing.key, algorithm=key.algorithm, headers={"kid": key.key_id})


@pytest.fixture
def ring(server: Server) -> KeyRing:
    return load(server.folder / "data" / "keys.json")


def test_without_a_token_the_challenge_names_the_scheme(server: Server) -> None:
    with server.client() as nobody:
        for answered in (nobody.get(PATH), nobody.post(PATH, json={}), nobody.get("/api/v1/metrics")):
            assert answered.status_code == 401
            assert answered.headers["WWW-Authenticate"] == 'Bearer realm="tracker"'
            assert answered.headers["Content-Type"] == "application/problem+json"
            assert answered.json()["status"] == 401


def test_who_the_token_is_for_is_told_as_far_as_it_says(server: Server) -> None:
    ring = load_keys(Settings(keys_file=server.folder / "data" / "keys.json"))
    told = verify(sign(ring, name="Mona", email="mona@example.com", handle=7), ring)
    assert told.profile == {"name": "Mona", "email": "mona@example.com"}


def forged(ring: KeyRing, **changes: Any) -> str:
    """A token whose content was changed after it was signed."""
    head, _, signature = sign(ring).split(".")
    payload = {"org": "other", "scope": "admin", "aud": "tracker", "exp": time.time() + 60} | changes
    return f"{head}.{urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip('=')}.{signature}"


def unsigned(_: KeyRing) -> str:
    return jwt.encode({"org": "acme", "scope": "admin", "aud": "tracker"}, None, algorithm="none")


def signed_by_another(ring: KeyRing) -> str:
    """The right kid and claims, and a key that is not the ring's."""
    now = datetime.now(UTC)
    claims = {
        "iss": "tracker", "aud": "tracker", "sub": "ci", "org": "acme", "scope": "admin", "jti": "1", "exp": now + timedelta(hours=1),
    }  # fmt: skip
    return jwt.encode(claims, "another secret of thirty-two bytes", headers={"kid": ring.newest.key_id})


WRONG_TOKENS: dict[str, Callable[[KeyRing], str]] = {
    "malformed": lambda _: "not-a-token",
    "three parts of nothing": lambda _: "a.b.c",
    "not ascii": lambda _: "é.é.é",
    "forged": forged,
    "unsigned": unsigned,
    "signed by another": signed_by_another,
    "of an unknown key": lambda _: jwt.encode({"sub": "x"}, "s" * 32, headers={"kid": "nobody"}),
    "with a kid that is no text": lambda _: jwt.encode({"sub": "x"}, "s" * 32),
    "expired": lambda ring: sign(ring, exp=datetime.now(UTC) - timedelta(seconds=60)),
    "without an end": lambda ring: sign(ring, exp=None),
    "for another audience": lambda ring: sign(ring, aud="elsewhere"),
    "without an audience": lambda ring: sign(ring, aud=None),
    "without an organization": lambda ring: sign(ring, org=None),
    "without a scope": lambda ring: sign(ring, scope=None),
    "without an id": lambda ring: sign(ring, jti=None),
    "without a subject": lambda ring: sign(ring, sub=None),
    "without an issuer": lambda ring: sign(ring, iss=None),
    "whose organization is a number": lambda ring: sign(ring, org=7),
    "whose organization is no slug": lambda ring: sign(ring, org="../etc"),
    "whose scope is a list": lambda ring: sign(ring, scope=["admin"]),
    "whose repositories are text": lambda ring: sign(ring, repositories="acme/shop"),
    "whose end is text": lambda ring: sign(ring, exp="soon"),
    "whose end is no number": lambda ring: sign(ring, exp=float("inf")),
    "valid only later": lambda ring: sign(ring, nbf=datetime.now(UTC) + timedelta(hours=1)),
}


@pytest.mark.parametrize("make", WRONG_TOKENS.values(), ids=WRONG_TOKENS.keys())
def test_a_token_that_cannot_be_believed_is_refused(
    server: Server, ring: KeyRing, make: Callable[[KeyRing], str]
) -> None:
    with server.client() as client:
        answered = client.get(PATH, headers={b"Authorization": b"Bearer " + make(ring).encode()})
    assert answered.status_code == 401
    assert answered.headers["WWW-Authenticate"].startswith('Bearer realm="tracker"')
    assert 'error="invalid_token"' in answered.headers["WWW-Authenticate"]
    assert answered.json()["type"] == "urn:tracker:problem:unauthenticated"


def test_a_clock_that_is_half_a_minute_off_is_forgiven(server: Server, ring: KeyRing) -> None:
    late = sign(ring, exp=datetime.now(UTC) - timedelta(seconds=20))
    with server.client(late) as client:
        assert client.get(PATH).status_code == 200


def test_the_scheme_is_compared_without_case(server: Server) -> None:
    with server.client() as client:
        header = {"Authorization": f"bearer {server.token()}"}
        assert client.get(PATH, headers=header).status_code == 200


CALLS: dict[str, tuple[str, str, set[str]]] = {
    "record": ("POST", PATH, {"deployments:write", "deployments:record"}),
    "batch": ("POST", f"{PATH}/batch", {"deployments:write"}),
    "list": ("GET", PATH, {"deployments:read"}),
    "read": ("GET", f"{PATH}/1", {"deployments:read"}),
    "report": ("POST", "/api/v1/incidents", {"deployments:write", "deployments:record"}),
    "revise": ("PATCH", "/api/v1/incidents/1", {"deployments:write"}),
    "incidents": ("GET", "/api/v1/incidents", {"deployments:write", "deployments:read"}),
    "last": ("GET", f"{PATH}/last", {"deployments:write", "deployments:record", "deployments:read"}),
    "team": ("PATCH", "/api/v1/repositories/1", set()),
    "trusts": ("GET", "/api/v1/trusts", set()),
    "repositories": ("GET", "/api/v1/repositories", {"metrics:read"}),
    "metrics": ("GET", "/api/v1/metrics", {"metrics:read"}),
    "metric": ("GET", "/api/v1/metrics/change_failure_rate", {"metrics:read"}),
}


@pytest.mark.parametrize(("method", "path", "scopes"), CALLS.values(), ids=CALLS.keys())
def test_each_call_needs_its_scope(client_with: Client, method: str, path: str, scopes: set[str]) -> None:
    for scope in Scope:
        answered = client_with(scope).request(method, path)
        if scope in scopes | {"admin"}:
            assert answered.status_code not in (401, 403)
        else:
            assert answered.status_code == 403
            assert 'error="insufficient_scope"' in answered.headers["WWW-Authenticate"]
            assert answered.json()["type"] == "urn:tracker:problem:insufficient_scope"


def test_who_may_not_call_is_not_told_whether_the_body_was_right(client_with: Client) -> None:
    assert client_with("metrics:read").post(PATH, content=b"{").status_code == 403


def test_a_token_comes_from_the_command_line_alone_on_standard_output(server: Server) -> None:
    done = server.run("token", "--org", "cli-org", "--scope", "deployments:write", "--days", "7", "--create")
    assert done.returncode == 0
    assert done.stderr == ""
    token = done.stdout.removesuffix("\n")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["org"], claims["scope"], claims["aud"]) == ("cli-org", "deployments:write", "tracker")
    assert claims["exp"] - claims["iat"] == 7 * 86_400
    with server.client(token) as client:
        assert client.post(PATH, json=deployment()).status_code == 201


def test_a_revoked_token_is_refused_within_five_seconds(server: Server) -> None:
    token = server.token(org="revoking")
    token_id = jwt.decode(token, options={"verify_signature": False})["jti"]
    with server.client(token) as client:
        assert client.get(PATH).status_code == 200
        done = server.run("token", "revoke", token)
        assert (done.returncode, done.stdout) == (0, f"Revoked {token_id}.\n")
        deadline = time.monotonic() + 5
        while (answered := client.get(PATH)).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert answered.status_code == 401
        assert "revoked" in answered.json()["detail"]


def wait_for_status(client: httpx.Client, status: int) -> float:
    """Seconds until the service answers with the status; 5 is what is promised."""
    began = time.monotonic()
    while client.get(PATH).status_code != status and time.monotonic() - began < 10:
        time.sleep(0.1)
    assert client.get(PATH).status_code == status
    return time.monotonic() - began


def test_a_rotated_key_signs_and_a_removed_one_is_not_honoured(tmp_path: Path) -> None:
    with Server(tmp_path) as running:
        early = running.token()
        old = running.run("keys", "list").stdout.split("  ")[0]
        assert running.run("keys", "rotate", "--algorithm", "EdDSA").returncode == 0
        lines = [line.split("  ") for line in running.run("keys", "list").stdout.splitlines()]
        assert [line[1:] for line in lines] == [["HS256", "signed before"], ["EdDSA", "signs"]]
        late = running.run("token", "--org", "acme", "--scope", "admin").stdout.strip()
        assert jwt.get_unverified_header(late)["kid"] == lines[1][0]
        with running.client(early) as before, running.client(late) as after:
            assert wait_for_status(after, 200) < 5
            assert before.get(PATH).status_code == 200
            assert running.run("keys", "remove", old).returncode == 0
            assert wait_for_status(before, 401) < 5
            assert after.get(PATH).status_code == 200
        last = running.run("keys", "remove", lines[1][0])
        assert (last.returncode, last.stdout) == (1, "")
        assert "the only key" in last.stderr
        assert (tmp_path / "data" / "keys.json").stat().st_mode & 0o777 == 0o600


def test_hosts_share_keys_by_a_setting(tmp_path: Path) -> None:
    keys = json.dumps({"keys": [generate(SigningAlgorithm.ES256)]})
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with Server(folders[0], TRACKER_KEYS=keys) as one, Server(folders[1], TRACKER_KEYS=keys) as two:
        token = one.run("token", "--org", "acme", "--scope", "admin").stdout.strip()
        with two.client(token) as client:
            assert client.get(PATH).status_code == 200
        refused = one.run("keys", "rotate")
        assert refused.returncode == 1
        assert "TRACKER_KEYS" in refused.stderr
        assert not (folders[0] / "data" / "keys.json").exists()
        assert json.loads(one.run("keys", "generate").stdout)["alg"] == "HS256"


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_every_algorithm_signs_and_verifies(tmp_path: Path, algorithm: SigningAlgorithm) -> None:
    ring = load_or_create_keys(Settings(data_dir=tmp_path, signing_algorithm=algorithm))
    claims = verify(token_of(ring), ring)
    assert claims == Claims("ci", "acme", frozenset({"admin"}), claims.token_id, claims.expires_at)
    assert ring.newest.algorithm == algorithm
    assert (
        load_or_create_keys(Settings(data_dir=tmp_path, signing_algorithm=algorithm)).newest.key_id
        == ring.newest.key_id
    )


def test_the_key_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    load_or_create_keys(Settings(data_dir=tmp_path / "new"))
    assert (tmp_path / "new" / "keys.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["keys.json"]


def test_the_newest_key_signs_and_all_verify(tmp_path: Path) -> None:
    old, new = generate(SigningAlgorithm.HS256), generate(SigningAlgorithm.ES256)
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [old]}))
    early = token_of(load(file))
    file.write_text(json.dumps({"keys": [old, new]}))
    both = load(file)
    assert jwt.get_unverified_header(token_of(both))["kid"] == new["kid"]
    assert verify(early, both).organization == "acme"
    file.write_text(json.dumps({"keys": [new]}))
    with pytest.raises(Unauthenticated, match="not known"):
        verify(early, load(file))


def test_a_public_key_alone_verifies_and_does_not_sign(tmp_path: Path) -> None:
    private = generate(SigningAlgorithm.EDDSA)
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [private]}))
    token = token_of(load(file))
    file.write_text(json.dumps({"keys": [{name: text for name, text in private.items() if name != "d"}]}))
    assert verify(token, load(file)).subject == "ci"
    with pytest.raises(KeyRingError, match="no private key"):
        _ = load(file).newest


def test_a_token_does_not_choose_its_algorithm(tmp_path: Path) -> None:
    """The classic confusion: an HMAC made with the public key of an asymmetric one."""
    ring = load_or_create_keys(Settings(data_dir=tmp_path))
    token = jwt.encode({"sub": "x"}, "s" * 48, algorithm="HS384", headers={"kid": ring.newest.key_id})
    with pytest.raises(Unauthenticated):
        verify(token, ring)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "oct"}]}', '{"keys": 7}', "[1]"]
)
def test_a_key_file_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(KeyRingError, match=r"keys\.json"):
        load(file)


def test_a_revocation_holds_whatever_the_signature(tmp_path: Path) -> None:
    ring = load_or_create_keys(Settings(data_dir=tmp_path))
    token = token_of(ring)
    authenticator = Authenticator(ring)
    caller = authenticator.authenticate(f"Bearer {token}")
    authenticator.reload(ring, {caller.claims.token_id})
    with pytest.raises(Unauthenticated, match="revoked"):
        authenticator.authenticate(f"Bearer {token}")


def test_a_token_that_was_let_in_before_expires_all_the_same(tmp_path: Path) -> None:
    """Whether or not the keys are ever read again, which they are not while they are away."""
    ring = load_or_create_keys(Settings(data_dir=tmp_path))
    header, authenticator = f"Bearer {token_of(ring)}", Authenticator(ring)
    expires_at = authenticator.authenticate(header).claims.expires_at
    with time_machine.travel(expires_at - 1, tick=False):
        authenticator.authenticate(header)
    with time_machine.travel(expires_at + 60, tick=False), pytest.raises(Unauthenticated, match="expired"):
        authenticator.authenticate(header)


def load(file: Path) -> KeyRing:
    return load_keys(Settings(keys_file=file))


def token_of(ring: KeyRing) -> str:
    return mint(
        ring, organization="acme", subject="ci", scopes=[Scope.ADMIN], lifetime=timedelta(hours=1), now=datetime.now(UTC)
    )  # fmt: skip


def test_a_token_for_one_repository_blames_no_other(server: Server) -> None:
    limited, whole = server.token("admin", "blame", ("acme/shop",)), server.token("admin", "blame")
    with server.client(whole) as admin, server.client(limited) as client:
        other = admin.post(PATH, json=deployment(repository_url="https://github.com/acme/other")).json()["id"]
        own = client.post(PATH, json=deployment()).json()["id"]
        incident = {"started_at": "2026-03-02T10:00:00Z", "repository_url": "https://github.com/acme/shop"}
        refused = [
            client.post(PATH, json=deployment(remediates=other)),
            client.post(f"{PATH}?dry_run=true", json=deployment(remediates=other)),
            client.patch(f"{PATH}/{own}", json={"remediates": other}),
            client.post("/api/v1/incidents", json=incident | {"deployment": other}),
        ]
        assert [answer.status_code for answer in refused] == [403] * 4
        line = ndjson(deployment(remediates=other, finished_at="2026-03-02T10:00:00Z"))
        assert client.post(f"{PATH}/batch", content=line).json()["failed"] == 1
        reported = client.post("/api/v1/incidents", json=incident | {"deployment": own})
        assert reported.status_code == 201
        path = f"/api/v1/incidents/{reported.json()['id']}"
        assert client.patch(path, json={"deployment": other}).status_code == 403
        assert client.patch(path, json={"title": "down"}).status_code == 200
        assert admin.patch(path, json={"deployment": other}).status_code == 200
        # What it names is the admin's doing: to say that it is over is still its repository's own.
        assert client.patch(path, json={"resolved_at": "2026-03-02T11:00:00Z"}).status_code == 200


def test_whether_a_key_is_taken_out_of_reach_is_not_told(server: Server, organization: str) -> None:
    """A limited token that reports an incident under somebody's key has one of its own by it."""
    incidents = "/api/v1/incidents"
    theirs = {"key": "theirs", "started_at": "2026-03-02T10:00:00Z"}
    own = {**theirs, "repository_url": "https://github.com/acme/shop", "title": "own"}
    with (
        server.client(server.token("admin", organization)) as admin,
        server.client(server.token("admin", organization, ("acme/shop",))) as limited,
    ):
        first = admin.post(incidents, json=theirs).json()["id"]
        reported, again = (limited.post(incidents, json=own) for _ in range(2))
        assert (reported.status_code, again.status_code) == (201, 200)
        assert reported.json()["id"] == again.json()["id"] != first
        assert admin.post(incidents, json=theirs).json()["id"] == first
        ended = limited.post(incidents, json=own | {"resolved_at": "2026-03-02T11:00:00Z"}).json()
        assert (ended["id"], ended["resolved_at"]) == (again.json()["id"], "2026-03-02T11:00:00Z")
        assert admin.get(f"{incidents}/{first}").json()["resolved_at"] is None


@pytest.mark.parametrize("repositories", ["", " ", "acme/shop,", "shop", "ac*e/x", "acme/**"])
def test_a_limit_that_names_no_repository_makes_no_token(tmp_path: Path, repositories: str) -> None:
    refused = run_tracker(
        tmp_path, "token", "--org", "acme", "--scope", "admin", "--repositories", repositories
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--repositories" in refused.stderr


def test_an_owner_is_no_host(server: Server) -> None:
    with server.client(server.token("admin", "hosts", ("acme/shop", "octo/*"))) as client:
        for url in ("https://acme/shop", "https://octo/x/y"):
            assert client.post(PATH, json=deployment(repository_url=url)).status_code == 403
        assert client.get("/api/v1/settings").status_code == 403


def test_a_token_is_revoked_by_itself_or_by_its_id_and_is_not_written_down(
    server: Server, organization: str
) -> None:
    for given in ("itself", "id"):
        token = server.run("token", "--org", organization, "--scope", "admin", "--create").stdout.strip()
        token_id = jwt.decode(token, options={"verify_signature": False})["jti"]
        done = server.run("token", "revoke", token if given == "itself" else token_id)
        assert (done.returncode, done.stdout) == (0, f"Revoked {token_id}.\n")
        with server.client(token) as client:
            assert wait_for_status(client, 401) < 5
        assert server.run("token", "revoke", token_id).stdout == f"{token_id} was revoked already.\n"


@pytest.mark.parametrize("given", ["1234", "", "   ", "a b", "x.y.z", "e" * 300, "f" * 32])
def test_what_is_no_known_token_is_not_revoked(server: Server, given: str) -> None:
    done = server.run("token", "revoke", given)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("tracker: ")
    if given == "f" * 32:
        # Of a token that was made elsewhere, whoever revokes it has to know the id.
        assert server.run("token", "revoke", given, "--unknown").returncode == 0


def test_a_mistyped_organization_mints_nothing(tmp_path: Path) -> None:
    assert run_tracker(tmp_path, "token", "--org", "acme", "--scope", "admin").returncode == 0
    done = run_tracker(tmp_path, "token", "--org", "amce", "--scope", "admin")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no organization amce: is acme meant?" in done.stderr
    assert run_tracker(tmp_path, "token", "--org", "amce", "--scope", "admin", "--create").returncode == 0
    assert run_tracker(tmp_path, "organization", "create", "third").returncode == 0
    assert run_tracker(tmp_path, "organization", "list").stdout.split() == ["acme", "amce", "third"]


ODD_CLAIMS = {
    "a NUL in the subject": {"sub": "a\x00b"},
    "half a character in the subject": {"sub": "\ud800"},
    "an escape in the subject": {"sub": "\x1b[31m"},
    "an endless subject": {"sub": "x" * 100_000},
    "an empty subject": {"sub": ""},
    "an id that is a number": {"jti": 7},
    "another issuer": {"iss": "evil"},
    "an issuer that is a number": {"iss": 0},
    "issuers": {"iss": ["tracker"]},
    "an end beyond all numbers": {"exp": 10**400},
}


@pytest.mark.parametrize("claims", ODD_CLAIMS.values(), ids=ODD_CLAIMS)
def test_odd_claims_are_refused_on_both_databases_alike(
    server: Server, ring: KeyRing, claims: dict[str, Any]
) -> None:
    token = sign_text(ring, claims)
    with server.client() as client:
        answered = client.post(PATH, headers={"Authorization": f"Bearer {token}"}, json=deployment())
    assert answered.status_code == 401


def sign_text(ring: KeyRing, changes: dict[str, Any]) -> str:
    """A token whose payload is written by hand: libraries do not write half characters."""
    head = sign(ring).partition(".")[0]
    payload = json.loads(base64_decoded(sign(ring).split(".")[1])) | changes
    signed = f"{head}.{urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip('=')}"
    key = ring.newest.signing
    assert key is not None
    signature = hmac.digest(key.key, signed.encode(), "sha256")
    return f"{signed}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def base64_decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_clock_that_was_set_back_locks_nobody_out(server: Server, ring: KeyRing) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    with server.client(sign(ring, iat=ahead, exp=ahead + timedelta(hours=1))) as client:
        assert client.get(PATH).status_code == 200
    with server.client(sign(ring, nbf=ahead)) as client:
        assert "not valid yet" in client.get(PATH).json()["detail"]


def test_why_nobody_was_let_in_is_logged_and_counted(tmp_path: Path) -> None:
    with Server(tmp_path, TRACKER_LOG_FORMAT="json") as running:
        ring = load(tmp_path / "data" / "keys.json")
        tokens = {
            "expired": sign(ring, exp=datetime.now(UTC) - timedelta(hours=1), jti="t-1"),
            "audience": sign(ring, aud="x", jti="t-2"),
            "malformed": "a.b.c",
        }
        for token in tokens.values():
            with running.client(token) as client:
                client.get(PATH)
        with running.client() as nobody:
            nobody.get(PATH)
            figures = nobody.get("/metrics").text
        wait_until(lambda: sum("refusal" in line for line in running.output) == 4)
        events = {
            event["reason"]: event
            for line in running.output
            if "refusal" in line
            for event in [json.loads(line)]
        }
    for reason in ("expired", "audience", "malformed", "missing"):
        assert f'tracker_failed_logins_total{{reason="{reason}"}} 1.0' in figures
    assert {name: events["expired"][name] for name in ("organization", "subject", "token_id", "refusal")} == {
        "organization": "acme", "subject": "ci", "token_id": "t-1", "refusal": "the token has expired",
    }  # fmt: skip
    assert events["audience"]["token_id"] == "t-2"
    # What nobody has signed is nobody's.
    assert "token_id" not in events["malformed"]


def rsa_key(bits: int, **more: str) -> dict[str, Any]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return {**RSAAlgorithm.to_jwk(private, as_dict=True), "kid": "k", "alg": "RS256"} | more


UNFIT = {
    "has 1024 bits": lambda: [rsa_key(1_024)],
    "has 16 bytes": lambda: [{"kty": "oct", "k": "c2l4dGVlbiBieXRlcy4uLg"[:22], "kid": "k", "alg": "HS256"}],
    "is not for signing": lambda: [generate(SigningAlgorithm.ES256) | {"use": "enc", "kid": "k"}],
    "more than one key k": lambda: [
        generate(SigningAlgorithm.ES256) | {"kid": "k"},
        generate(SigningAlgorithm.HS256) | {"kid": "k"},
    ],
}


@pytest.mark.parametrize("reason", UNFIT)
def test_an_unfit_key_is_refused_at_the_start(tmp_path: Path, reason: str) -> None:
    keys = json.dumps({"keys": UNFIT[reason]()})
    done = run_tracker(tmp_path, "serve", "--port", "0", TRACKER_KEYS=keys)
    assert done.returncode == 1
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
