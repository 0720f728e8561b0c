"""Links to exports: files that are read by their address alone, part by part, and stay as they were."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import polars as pl
import pytest
from litestar import Request
from litestar.testing import RequestFactory

import metrics
from metrics.domain.errors import ParameterError
from tests.server import Server, deployment, ndjson
from tests.waiting import wait_until
from tracker.auth.keys import load_keys
from tracker.auth.links import Link
from tracker.auth.tokens import Claims, Scope, verify
from tracker.errors import BeingMade, Unauthenticated, Unavailable
from tracker.settings import Settings
from tracker.transfer.parts import KeptFiles

EXPORT, INCIDENTS = "/api/v1/deployments/export", "/api/v1/incidents/export"


def record(client: httpx.Client, day: int, **fields: Any) -> str:
    said = {"finished_at": f"2026-03-{day:02}T10:00:00Z", "commit_id": f"{day:040x}", **fields}
    answered = client.post("/api/v1/deployments", json=deployment(**said))
    answered.raise_for_status()
    return str(answered.json()["id"])


def link(client: httpx.Client, query: str = "?format=parquet", path: str = EXPORT) -> dict[str, Any]:
    answered = client.post(f"{path}/link{query}")
    assert answered.status_code == 201, answered.text
    found: dict[str, Any] = answered.json()
    # Where the service does not know by which address it is reached, it names the path alone.
    return found | {"url": str(answered.url.join(found["url"]))}


def changed(url: str, **parameters: str | None) -> str:
    """The address with other parameters; None takes one away."""
    split = urlsplit(url)
    asked = {**dict(parse_qsl(split.query)), **parameters}
    kept = [(name, text) for name, text in asked.items() if text is not None]
    return split._replace(query=urlencode(kept)).geturl()


def test_polars_reads_a_link_part_by_part(client: httpx.Client) -> None:
    said = {"commit_id": None, "finished_at": "2026-03-02T10:00:00Z"}
    lines = ndjson(*(deployment(version=f"v{n}", **said) for n in range(5_000)))
    assert client.post("/api/v1/deployments/batch", content=lines).json()["recorded"] == 5_000
    url = link(client)["url"]
    whole = pl.read_parquet(client.get(f"{EXPORT}?format=parquet").content)
    assert pl.read_parquet(url).equals(whole)
    assert pl.scan_parquet(url).select("version").collect().equals(whole.select("version"))


def test_a_link_stays_with_its_revision_whatever_happens_to_the_records(client: httpx.Client) -> None:
    kept, corrected, deleted = (record(client, day, team="web") for day in (2, 3, 4))
    before = client.get(f"{EXPORT}?format=json&team=web").json()
    made = link(client, "?format=json&team=web")
    client.patch(f"/api/v1/deployments/{corrected}", json={"team": "core"}).raise_for_status()
    client.delete(f"/api/v1/deployments/{deleted}").raise_for_status()
    record(client, 5, team="web")
    client.patch(f"/api/v1/deployments/{kept}", json={"title": "later"}).raise_for_status()
    assert len(before["items"]) == 3
    assert httpx.get(made["url"]).json() == before
    pinned = client.get(f"{EXPORT}?format=json&team=web&revision={made['revision']}")
    assert pinned.json() == before
    assert [one["title"] for one in client.get(f"{EXPORT}?team=web").json()["items"]] == ["later", None]
    assert client.get(f"{EXPORT}?revision=0").json() == {"items": []}


def test_a_link_stays_with_the_teams_and_aliases_of_its_revision(client: httpx.Client) -> None:
    record(client, 2)
    (repository,) = client.get("/api/v1/repositories").json()["items"]
    address = f"/api/v1/repositories/{repository['id']}"
    renamed = {"team": "first", "aliases": ["github.com/acme/earlier"]}
    client.patch(address, json=renamed).raise_for_status()
    links = [link(client, f"?format=json&{asked}") for asked in ("team=first", "repository=acme/earlier")]
    client.patch(address, json={"team": "second", "aliases": []}).raise_for_status()
    for made in links:
        assert len(httpx.get(made["url"]).json()["items"]) == 1
    assert client.get(f"{EXPORT}?team=first").json() == {"items": []}


def test_a_link_reads_its_dates_in_the_zone_of_its_revision(client: httpx.Client) -> None:
    record(client, 2, finished_at="2026-03-01T23:30:00Z")
    url = link(client, "?format=json&from=2026-03-02")["url"]
    client.patch("/api/v1/settings", json={"timezone": "Europe/Berlin"}).raise_for_status()
    assert httpx.get(url).json() == {"items": []}
    assert len(client.get(f"{EXPORT}?from=2026-03-02").json()["items"]) == 1


def test_what_may_be_seen_is_what_may_be_seen_now(
    client: httpx.Client, client_with: Callable[..., httpx.Client]
) -> None:
    """An alias that was said by mistake shows nothing any more, in no revision."""
    record(client, 2)
    record(client, 3, repository_url="https://github.com/acme/secret")
    (shop,) = [
        one for one in client.get("/api/v1/repositories").json()["items"] if one["repository"] == "acme/shop"
    ]
    address, limited = f"/api/v1/repositories/{shop['id']}", client_with("deployments:read", "acme/shop")
    client.patch(address, json={"aliases": ["github.com/acme/secret"]}).raise_for_status()
    url = link(limited, "")["url"]
    assert len(httpx.get(url).json()["items"]) == 2
    client.patch(address, json={"aliases": []}).raise_for_status()
    assert [one["repository"] for one in httpx.get(url).json()["items"]] == ["acme/shop"]
    assert len(httpx.get(url, headers={"Range": "bytes=0-"}).json()["items"]) == 1


def test_a_link_ends_when_records_are_restored(tmp_path: Path) -> None:
    with Server(tmp_path) as own, own.client(own.token()) as client:
        record(client, 2)
        assert own.run("backup", "copy.db").returncode == 0
        lost = record(client, 3)
        url = link(client, "")["url"]
        assert lost in httpx.get(url, headers={"Range": "bytes=0-"}).text
        assert own.run("restore", "copy.db", "--yes").returncode == 0
        record(client, 4)
        for headers in ({}, {"Range": "bytes=0-"}):
            refused = httpx.get(url, headers=headers)
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "record")
        # It is the same number, and another file.
        revision = dict(parse_qsl(urlsplit(url).query))["revision"]
        asked = client.get(f"{EXPORT}?revision={revision}", headers={"Range": "bytes=0-"})
        assert (asked.status_code, lost in asked.text) == (206, False)


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("Bytes=5-", 206, slice(5, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=0-999999", 206, slice(0, None)),
        ("bytes=-999999", 206, slice(0, None)),
        ("bytes=999999-", 416, None),
        ("bytes=-0", 416, None),
        # What is no range, or several, is passed over.
        ("bytes=9-5", 200, slice(0, None)),
        ("bytes=-", 200, slice(0, None)),
        ("bytes=0-1,4-5", 200, slice(0, None)),
        ("lines=0-1", 200, slice(0, None)),
        (f"bytes=0-{'9' * 5000}", 200, slice(0, None)),
    ],
)
@pytest.mark.on_one_database
def test_parts_are_given_as_they_are_asked_for(
    client: httpx.Client, asked: str, status: int, part: slice | None
) -> None:
    record(client, 2)
    url = link(client, "?format=csv")["url"]
    whole = httpx.get(url)
    assert whole.headers["Content-Length"] == str(len(whole.content))
    given = httpx.get(url, headers={"Range": asked})
    assert (given.status_code, given.headers["Accept-Ranges"]) == (status, "bytes")
    assert given.headers["ETag"] == whole.headers["ETag"]
    size = len(whole.content)
    if part is None:
        assert given.headers["Content-Range"] == f"bytes */{size}"
        return
    assert given.content == whole.content[part]
    if status == 206:
        start, stop, _ = part.indices(size)
        assert given.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"


@pytest.mark.on_one_database
def test_no_part_is_given_of_another_file(client: httpx.Client) -> None:
    record(client, 2)
    url = link(client, "?format=csv")["url"]
    tag = httpx.get(url).headers["ETag"]
    same = httpx.get(url, headers={"Range": "bytes=0-4", "If-Range": tag})
    other = httpx.get(url, headers={"Range": "bytes=0-4", "If-Range": '"other"'})
    assert (same.status_code, len(same.content), other.status_code) == (206, 5, 200)
    # What is asked for without its body has no parts either.
    head = httpx.head(url, headers={"Range": "bytes=0-4"})
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(httpx.get(url).content)))
    # What may be another file the next time has no parts.
    newest = client.get(f"{EXPORT}?format=csv", headers={"Range": "bytes=0-4"})
    assert (newest.status_code, newest.headers["Accept-Ranges"]) == (200, "none")


@pytest.mark.on_one_database
def test_a_link_opens_nothing_else(client: httpx.Client, server: Server) -> None:
    record(client, 2)
    url = link(client, "?format=csv&team=web")["url"]
    assert httpx.get(url).status_code == 200
    assert httpx.get(f"{url}#part").status_code == 200
    signature = dict(parse_qsl(urlsplit(url).query))["signature"]
    elsewhere = [
        changed(url, team=None),
        changed(url, revision="0"),
        changed(url, format="json"),
        url.replace(EXPORT, INCIDENTS),
        f"{server.url}/api/v1/deployments?signature={signature}",
        changed(url, signature=signature[:-3]),
        changed(url, signature=None),
    ]
    assert [httpx.get(other).status_code for other in elsewhere] == [401] * len(elsewhere)
    as_token = {"Authorization": f"Bearer {signature}"}
    assert httpx.get(f"{server.url}{EXPORT}", headers=as_token).status_code == 401
    assert httpx.post(f"{server.url}{EXPORT}/link?signature={signature}").status_code == 401
    assert "of another address" in httpx.get(changed(url, team=None)).json()["detail"]


def test_a_link_shows_no_more_than_the_token_that_made_it(
    client: httpx.Client, client_with: Callable[..., httpx.Client]
) -> None:
    record(client, 2)
    limited = client_with("deployments:read", "acme/other")
    assert httpx.get(link(limited, "")["url"]).json() == {"items": []}
    assert client_with("metrics:read").post(f"{EXPORT}/link").status_code == 403


@pytest.mark.on_one_database
def test_a_link_ends_with_its_token(server: Server, organization: str) -> None:
    token = server.token(org=organization)
    with server.client(token) as client:
        url = link(client, "")["url"]
        assert httpx.get(url).status_code == 200
        assert server.run("token", "revoke", token).returncode == 0
        wait_until(lambda: httpx.get(url).status_code == 401)


def test_a_link_lasts_as_long_as_it_says_and_no_longer_than_the_token(server: Server) -> None:
    ring = load_keys(Settings(keys_file=server.folder / "data" / "keys.json"))
    asked, now = Link.to(EXPORT, [("format", "csv")]), datetime.now(UTC)
    claims = verify(server.token(), ring)

    def signed(lifetime: timedelta, *, ago: timedelta = timedelta(0)) -> Claims:
        return asked(asked.sign(ring, claims, Scope.DEPLOYMENTS_READ, now=now - ago, lifetime=lifetime), ring)

    assert signed(timedelta(hours=9)).expires_at == claims.expires_at
    assert signed(timedelta(minutes=5)).expires_at == int((now + timedelta(minutes=5)).timestamp())
    with pytest.raises(Unauthenticated, match="has expired"):
        signed(timedelta(minutes=5), ago=timedelta(minutes=6))


@pytest.mark.on_one_database
def test_the_answer_says_until_when_and_what_is_wrong(client: httpx.Client) -> None:
    record(client, 2)
    ends_at = datetime.fromisoformat(link(client, "?expires_in=60")["expires_at"])
    assert 55 < ends_at.timestamp() - time.time() <= 60
    for path, pointer in (
        (f"{EXPORT}/link?expires_in=0", "expires_in"),
        (f"{EXPORT}/link?expires_in=604801", "expires_in"),
        (f"{EXPORT}/link?from=yesterdy", "from"),
        (f"{EXPORT}/link?format=xlsx", "format"),
        (f"{INCIDENTS}/link?team=web", "team"),
        (f"{EXPORT}/link?revision=99999999", "revision"),
    ):
        refused = client.post(path)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, pointer)
    for revision in ("99999999", str(2**63 - 1), str(10**19)):
        refused = client.get(f"{EXPORT}?revision={revision}")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "revision")


def asking(part: str = "bytes=0-") -> Request[Any, Any, Any]:
    return RequestFactory().get(headers={"Range": part})


def test_a_file_is_made_once_for_all_its_parts_and_nobody_waits_for_it() -> None:
    kept, made = KeptFiles(), 0
    refusals: list[Exception] = []

    def pieces() -> Iterator[bytes]:
        nonlocal made
        made += 1
        with pytest.raises(BeingMade) as refused:
            kept.answer(asking(), "a", pieces)
        refusals.append(refused.value)
        yield b"0123456789"

    assert [kept.answer(asking("bytes=0-4"), "a", pieces).status_code for _ in range(3)] == [206] * 3
    assert (made, len(refusals)) == (1, 1)


def test_a_file_that_cannot_be_made_is_tried_again() -> None:
    kept = KeptFiles()

    def fail() -> Iterator[bytes]:
        yield b"01"
        raise Unavailable("the database is away")

    for _ in range(2):
        with pytest.raises(Unavailable, match="is away"):
            kept.answer(asking(), "a", fail)
    assert kept.answer(asking(), "a", lambda: iter([b"01"])).status_code == 206


def test_files_are_kept_up_to_so_many_bytes_and_for_some_time() -> None:
    def made_again(kept: KeptFiles, key: str) -> bool:
        made: list[str] = []

        def pieces() -> Iterator[bytes]:
            made.append(key)
            yield b"0123456789"

        kept.answer(asking(), key, pieces)
        return bool(made)

    kept = KeptFiles(most_bytes=25)
    assert [made_again(kept, key) for key in "abacaba"] == [True, True, False, True, False, True, False]
    brief = KeptFiles(seconds=0)
    assert [made_again(brief, key) for key in "aab"] == [True, True, True]


def test_the_library_gives_links(server: Server, organization: str, client: httpx.Client) -> None:
    record(client, 2, team="web")
    record(client, 3)
    incident = {"started_at": "2026-03-02T11:00:00Z", "key": "I-1"}
    client.post("/api/v1/incidents", json=incident).raise_for_status()
    with metrics.open(server.url, token=server.token(org=organization)) as asked:
        found = pl.read_parquet(asked.link("deployments", from_="2026-03-01", team="web"))
        assert found["commit_id"].to_list() == [f"{2:040x}"]
        assert pl.read_parquet(asked.link("incidents"))["key"].to_list() == ["I-1"]
        with pytest.raises(ParameterError, match="expires_in"):
            asked.link("deployments", expires_in=0)
    with metrics.open(found) as stored, pytest.raises(TypeError, match="a service gives links"):
        stored.link()
