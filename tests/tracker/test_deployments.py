"""Recording and reading deployments, over HTTP against a running service."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.server import Server, as_recorded, deployment, ndjson

PATH = "/api/v1/deployments"


def test_a_record_comes_back_as_it_was_sent_with_what_the_service_adds(
    client: httpx.Client, organization: str
) -> None:
    sent = deployment(
        commit_id="ABCDEF0123",
        service="web",
        environment="Production",
        status="success",
        branch="main",
        title="Release 7",
        url="https://ci.example/7",
        changelog="more",
        started_at="2026-03-02T11:00:00+01:00",
        finished_at="2026-03-02T10:02:00Z",
        duration_seconds=120,
        is_fix=True,
        is_hotfix=False,
        is_forced=True,
        is_rollback=False,
        remediates="run-6",
        commits_count=1,
        commits=[{"sha": "abcdef0123", "committed_at": "2026-03-02T09:00:00Z"}],
        pull_request_number=12,
        member_id="octo",
        team="checkout",
        labels={"region": "eu"},
        deployment_node_id="run-7",
    )
    answered = client.post(PATH, json=sent)
    assert answered.status_code == 201
    record = answered.json()
    assert (
        record
        | sent
        | {
            "commit_id": "abcdef0123",
            "started_at": "2026-03-02T10:00:00Z",
            "organization": organization,
            "repository": "acme/shop",
            "triggered_by": "api",
        }
        == record
    )
    assert record["created_at"] == record["updated_at"]
    assert answered.headers["Location"] == f"{PATH}/{record['id']}"
    read = client.get(answered.headers["Location"]).json()
    assert as_recorded(read) == as_recorded(record)


def test_a_bare_record_is_a_success_in_production_that_finished_now(client: httpx.Client) -> None:
    before = datetime.now(UTC)
    record = client.post(PATH, json=deployment()).json()
    assert (record["status"], record["environment"], record["service"]) == ("success", "production", "")
    assert before <= datetime.fromisoformat(record["finished_at"]) <= datetime.now(UTC)
    assert record["started_at"] is None
    assert record["duration_seconds"] is None


@pytest.mark.parametrize(
    ("given", "started_at", "finished_at"),
    [
        ({"started_at": "10:00:00", "duration_seconds": 90.5}, "10:00:00Z", "10:01:30.500000Z"),
        ({"finished_at": "10:00:00", "duration_seconds": 60}, "09:59:00Z", "10:00:00Z"),
        ({"started_at": "10:00:00", "finished_at": "10:01:00"}, "10:00:00Z", "10:01:00Z"),
        (
            {"started_at": "10:00:00", "finished_at": "10:01:00", "duration_seconds": 60.6},
            "10:00:00Z",
            "10:01:00Z",
        ),
    ],
)
def test_any_two_of_start_finish_and_duration_give_the_third(
    client: httpx.Client, given: dict[str, object], started_at: str, finished_at: str
) -> None:
    body = {k: f"2026-03-02T{v}Z" if isinstance(v, str) else v for k, v in given.items()}
    record = client.post(PATH, json=deployment(**body)).json()
    assert record["started_at"] == f"2026-03-02T{started_at}"
    assert record["finished_at"] == f"2026-03-02T{finished_at}"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"id": "7"}, "/id"),
        ({"organization": "other"}, "/organization"),
        ({"is_fix": "yes"}, "/is_fix"),
        ({"is_fix": 1}, "/is_fix"),
        ({"finished_at": 1_700_000_000}, "/finished_at"),
        ({"finished_at": "1700000000"}, "/finished_at"),
        ({"finished_at": "2026-03-02"}, "/finished_at"),
        ({"finished_at": "2026-03-02T10:00:00"}, "/finished_at"),
        ({"finished_at": "2026-02-30T10:00:00Z"}, "/finished_at"),
        ({"finished_at": "0001-01-01T00:00:00+14:00"}, "/finished_at"),
        ({"finished_at": "9999-12-31T23:59:59-14:00"}, "/finished_at"),
        ({"finished_at": (datetime.now(UTC) + timedelta(days=2)).isoformat()}, "/finished_at"),
        ({"started_at": "2026-03-02T10:00:00Z", "finished_at": "2026-03-02T09:00:00Z"}, "/finished_at"),
        ({"started_at": "2026-03-02T10:00:00Z", "finished_at": "2026-03-02T10:01:00Z", "duration_seconds": 99},
         "/duration_seconds"),
        ({"status": "in_progress", "finished_at": "2026-03-02T10:00:00Z"}, "/finished_at"),
        ({"status": "done"}, "/status"),
        ({"duration_seconds": -1}, "/duration_seconds"),
        ({"duration_seconds": "60"}, "/duration_seconds"),
        ({"commit_id": "xyz1234"}, "/commit_id"),
        ({"commit_id": "abc"}, "/commit_id"),
        ({"commit_id": None}, "/commit_id"),
        ({"repository_url": "acme/shop"}, "/repository_url"),
        ({"repository_url": "file:///srv/shop"}, "/repository_url"),
        ({"commits": [{"sha": "abcdef0"}]}, "/commits/0/committed_at"),
        ({"commits": [{"sha": "abcdef0", "committed_at": "2026-03-02T10:00:00Z", "x": 1}]}, "/commits/0/x"),
        ({"commits_count": 1.5}, "/commits_count"),
        ({"commits_count": True}, "/commits_count"),
        ({"labels": {f"l{i}": "x" for i in range(21)}}, "/labels"),
        ({"labels": {"a": 1}}, "/labels/a"),
        ({"title": "a\0b"}, "/title"),
        ({"title": 7}, "/title"),
        ({"deployment_node_id": ""}, "/deployment_node_id"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_by_name_and_nothing_is_recorded(
    client: httpx.Client, fields: dict[str, object], pointer: str
) -> None:
    answered = client.post(PATH, json=deployment(**fields))
    assert answered.status_code == 400
    assert answered.headers["Content-Type"] == "application/problem+json"
    problem = answered.json()
    assert problem["type"] == "urn:tracker:problem:invalid-request"
    assert problem["title"] == "The request is not valid"
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert client.get(PATH).json() == {"items": []}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"duration_seconds": NaN}',
        b'{"duration_seconds": Infinity}',
        b'{"title": "\\ud800"}',
        b'{"title": "\xff"}',
        b"[" * 100_000,
        b'{"commits_count": ' + b"9" * 5_000 + b"}",
    ],
)
def test_a_broken_body_is_refused_as_a_problem(client: httpx.Client, body: bytes) -> None:
    answered = client.post(PATH, content=body)
    assert answered.status_code == 400
    assert answered.json()["status"] == 400
    assert answered.headers["Content-Type"] == "application/problem+json"


def test_a_name_that_stands_twice_is_refused(client: httpx.Client) -> None:
    """Readers of JSON differ in which of the two is meant."""
    body = b'{"repository_url": "https://github.com/acme/shop", "version": "1", "labels": {"a": "1", "b": "2", "a": "3"}}'
    answered = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == 400
    assert answered.json()["errors"] == [{"pointer": "/a", "detail": "stands there twice"}]
    line = body.replace(b'"version": "1"', b'"version": "1", "version": "2", "status": "in_progress"')
    batch = client.post(f"{PATH}/batch", content=line.replace(b', "a": "3"', b""))
    assert batch.json()["errors"] == [{"line": 1, "detail": "/version stands there twice"}]
    assert client.get(PATH).json()["items"] == []


def test_a_body_beyond_the_limit_is_too_large(client: httpx.Client) -> None:
    answered = client.post(PATH, content=b'{"title": "' + b"x" * 11_000_000 + b'"}')
    assert answered.status_code == 413
    assert answered.headers["Content-Type"] == "application/problem+json"


def test_all_that_is_wrong_is_said_at_once(client: httpx.Client) -> None:
    problem = client.post(PATH, json={"is_fix": "yes", "x": 1}).json()
    assert {error["pointer"] for error in problem["errors"]} == {"/repository_url", "/is_fix", "/x"}


def test_warnings_say_what_the_sender_may_not_have_meant(client: httpx.Client) -> None:
    doubtful = client.post(
        PATH, json=deployment(commit_id="abcdef0", environment="staging", status="in_progress")
    ).json()
    assert {warning["code"] for warning in doubtful["warnings"]} == {
        "in_progress", "not_production", "no_commits", "no_start", "short_commit",
    }  # fmt: skip
    assert all(warning["detail"] for warning in doubtful["warnings"])
    commits = [{"sha": "abcdef0", "committed_at": "2026-03-02T09:00:00Z"}]
    assert client.post(PATH, json=deployment(duration_seconds=5, commits=commits)).json()["warnings"] == []


def test_a_dry_run_answers_as_if_and_records_nothing(client: httpx.Client) -> None:
    answered = client.post(f"{PATH}?dry_run=true", json=deployment(deployment_node_id="1"))
    assert answered.status_code == 200
    assert answered.json()["id"] is None
    assert answered.json()["commit_id"] == "a" * 40
    assert client.get(PATH).json() == {"items": []}
    client.post(PATH, json=deployment(deployment_node_id="1"))
    contradicting = deployment(deployment_node_id="1", commit_id="b" * 40)
    assert client.post(f"{PATH}?dry_run=true", json=contradicting).status_code == 409
    assert client.post(f"{PATH}?dry_run=perhaps", json=deployment()).status_code == 400


def test_the_same_node_id_is_the_same_record(client: httpx.Client) -> None:
    sent = deployment(deployment_node_id="run-1", title="one")
    first, second = client.post(PATH, json=sent), client.post(PATH, json=sent)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["updated_at"] == first.json()["updated_at"]
    elsewhere = [
        sent | {"service": "web"},
        sent | {"environment": "staging"},
        sent | {"repository_url": "https://gitlab.com/acme/shop"},
    ]
    assert [client.post(PATH, json=other).status_code for other in elsewhere] == [201, 201, 201]
    same = sent | {"repository_url": "git@github.com:ACME/shop.git", "environment": "PRODUCTION"}
    assert client.post(PATH, json=same).status_code == 200


def test_a_repeat_finishes_and_fills_and_has_the_last_word(client: httpx.Client) -> None:
    start = deployment(deployment_node_id="1", status="in_progress", started_at="2026-03-02T10:00:00Z")
    record = client.post(PATH, json=start).json()
    assert (record["status"], record["finished_at"]) == ("in_progress", None)

    end = deployment(
        deployment_node_id="1", status="fail", duration_seconds=60, is_hotfix=True, branch="main"
    )
    finished = client.post(PATH, json=end)
    assert finished.status_code == 200
    assert finished.json()["id"] == record["id"]
    assert finished.json()["finished_at"] == "2026-03-02T10:01:00Z"
    assert (finished.json()["status"], finished.json()["is_hotfix"]) == ("fail", True)

    assert client.post(PATH, json=start).json()["status"] == "fail"  # a late in_progress changes no outcome

    last = client.post(PATH, json=end | {"status": "success", "branch": "other", "is_hotfix": False}).json()
    assert (last["status"], last["branch"], last["is_hotfix"]) == ("success", "other", False)
    refused = client.post(PATH, json=end | {"commit_id": "b" * 40, "branch": "third"})
    assert refused.status_code == 409
    assert {error["pointer"] for error in refused.json()["errors"]} == {"/commit_id"}
    assert client.get(f"{PATH}/{record['id']}").json()["branch"] == "other"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, "success") for word in ("success", "succeeded", "succes", "PASSED", "ok")),
        *((word, "fail") for word in ("fail", "failed", "Failure", "error", "TIMED_OUT")),
        *((word, "in_progress") for word in ("in_progress", "running", "Started", "pending", "queued")),
        *((word, "cancelled") for word in ("cancelled", "canceled", "SKIPPED", "superseded", " aborted ")),
    ],
)
def test_the_word_of_a_ci_system_is_read_as_the_status_that_it_means(
    client: httpx.Client, word: str, status: str
) -> None:
    posted = client.post(PATH, json=deployment(status=word, deployment_node_id="1"))
    assert (posted.status_code, posted.json()["status"]) == (201, status)
    assert posted.json()["finished_at"] is None or status != "in_progress"
    listed = client.get(PATH, params={"status": word.strip()}).json()["items"]
    assert [one["id"] for one in listed] == [posted.json()["id"]]


def test_a_word_that_is_no_status_is_refused_with_those_that_are(client: httpx.Client) -> None:
    refused = client.post(PATH, json=deployment(status="deployed"))
    assert refused.status_code == 400
    assert refused.json()["errors"] == [
        {"pointer": "/status", "detail": "should be 'success', 'fail', 'in_progress' or 'cancelled'"}
    ]


def test_a_deployment_that_is_cancelled_is_over_and_in_no_metric(client: httpx.Client) -> None:
    start = deployment(deployment_node_id="1", status="in_progress", started_at="2026-03-02T10:00:00Z")
    record = client.post(PATH, json=start).json()
    end = deployment(deployment_node_id="1", status="canceled", finished_at="2026-03-02T10:05:00Z")
    over = client.post(f"{PATH}?receipt=true", json=end).json()
    assert (over["id"], over["status"], over["duration_seconds"]) == (record["id"], "cancelled", 300)
    entries = over["receipt"]["metrics"]
    assert {entry["reason"] for entry in entries} == {"cancelled"}
    assert not any(entry["counted"] for entry in entries)
    window = {"from": "2026-03-02", "to": "2026-03-03", "failure_signals": "incident,status"}
    for metric in ("deployment_frequency", "change_failure_rate", "deployment_rework_rate"):
        explained = client.get(f"/api/v1/metrics/{metric}/explain", params=window).json()
        assert explained["counted"] == []
        assert [(row["id"], row["reason"]) for row in explained["left_out"]] == [(record["id"], "cancelled")]
    quality = client.get("/api/v1/quality", params={"from": "2026-03-02", "to": "2026-03-03"}).json()
    assert quality["repositories"] == []


def test_a_late_start_is_added_to_a_record_that_has_finished(client: httpx.Client) -> None:
    client.post(PATH, json=deployment(deployment_node_id="1", finished_at="2026-03-02T10:00:00Z"))
    late = deployment(deployment_node_id="1", status="in_progress", started_at="2026-03-02T09:58:00Z")
    assert client.post(PATH, json=late).json()["duration_seconds"] == 120


@pytest.mark.parametrize("compress", [False, True])
def test_a_batch_keeps_what_is_good_and_names_what_is_not(client: httpx.Client, compress: bool) -> None:
    at = "2026-03-02T10:00:00Z"
    body = ndjson(
        deployment(finished_at=at, deployment_node_id="1"),
        deployment(finished_at=at, deployment_node_id="2", is_fix="yes"),
        deployment(deployment_node_id="3"),
        deployment(finished_at=at, deployment_node_id="1"),
        deployment(finished_at=at, deployment_node_id="1", commit_id="b" * 40),
    ) + b'\n{"broken\n' + ndjson(deployment(status="in_progress", deployment_node_id="4")).strip()  # fmt: skip
    headers = {"Content-Encoding": "gzip"} if compress else {}
    answered = client.post(
        f"{PATH}/batch", content=gzip.compress(body) if compress else body, headers=headers
    )
    assert answered.status_code == 207
    tally = answered.json()
    assert (tally["recorded"], tally["repeated"], tally["failed"]) == (2, 1, 4)
    assert [error["line"] for error in tally["errors"]] == [2, 3, 5, 7]
    assert "is_fix" in tally["errors"][0]["detail"]
    assert "finished_at" in tally["errors"][1]["detail"]
    assert "commit_id" in tally["errors"][2]["detail"]
    assert len(client.get(PATH).json()["items"]) == 2


def test_a_batch_that_is_good_is_200_also_when_it_is_repeated_or_empty(client: httpx.Client) -> None:
    body = ndjson(
        *(deployment(finished_at="2026-03-02T10:00:00Z", deployment_node_id=str(i)) for i in range(2500))
    )
    first, again, empty = (client.post(f"{PATH}/batch", content=content) for content in (body, body, b""))
    assert first.status_code == again.status_code == empty.status_code == 200
    assert first.json() == {"recorded": 2500, "repeated": 0, "failed": 0, "errors": []}
    assert again.json() == {"recorded": 0, "repeated": 2500, "failed": 0, "errors": []}
    assert empty.json() == {"recorded": 0, "repeated": 0, "failed": 0, "errors": []}


def test_a_damaged_batch_keeps_the_lines_before_the_damage(client: httpx.Client) -> None:
    lines = ndjson(*(deployment(finished_at="2026-03-02T10:00:00Z", title=f"{i:x}") for i in range(3000)))
    packed = gzip.compress(lines)
    answered = client.post(
        f"{PATH}/batch", content=packed[: len(packed) // 2], headers={"Content-Encoding": "gzip"}
    )
    assert answered.status_code == 207
    tally = answered.json()
    assert tally["failed"] == 1
    assert tally["recorded"] > 1000
    assert "gzip" in tally["errors"][0]["detail"]
    unknown = client.post(f"{PATH}/batch", content=b"x", headers={"Content-Encoding": "br"})
    assert unknown.status_code == 400


def test_a_list_is_newest_first_and_paged_by_its_link(client: httpx.Client) -> None:
    for minute in (3, 1, 5, 2, 4):
        client.post(PATH, json=deployment(finished_at=f"2026-03-02T10:0{minute}:00Z", title=str(minute)))
    url, titles = f"{PATH}?limit=2&environment=production", []
    while url:
        page = client.get(url)
        titles.append([item["title"] for item in page.json()["items"]])
        url = page.links.get("next", {}).get("url", "")
    assert titles == [["5", "4"], ["3", "2"], ["1"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("repository=acme/shop", {"1", "2", "4"}),
        ("repository=ACME/Shop&repository=acme/other", {"1", "2", "3", "4"}),
        ("repository=gitlab.com/acme/shop", {"4"}),
        ("service=web", {"2"}),
        ("environment=STAGING", {"2"}),
        ("status=fail", {"3"}),
        ("branch=main", {"1"}),
        ("commit_id=" + "B" * 40, {"2"}),
        ("team=checkout", {"1"}),
        ("label=region:eu", {"1"}),
        ("label=region:eu&label=tier:1", set()),
        ("from=2026-03-02T10:02:00Z&to=2026-03-02T10:04:00Z", {"2", "3"}),
        ("status=fail&status=success&from=2026-03-02T10:03:00%2B00:00", {"3", "4"}),
    ],
)
def test_a_list_is_filtered(client: httpx.Client, query: str, found: set[str]) -> None:
    records = [
        deployment(title="1", branch="main", team="checkout", labels={"region": "eu"}),
        deployment(title="2", service="web", environment="staging", commit_id="b" * 40),
        deployment(title="3", status="fail", repository_url="https://github.com/acme/other"),
        deployment(title="4", repository_url="https://gitlab.com/acme/shop"),
    ]
    for number, record in enumerate(records, start=1):
        client.post(PATH, json=record | {"finished_at": f"2026-03-02T10:0{number}:00Z"})
    listed = client.get(f"{PATH}?{query}")
    assert listed.status_code == 200
    assert {item["title"] for item in listed.json()["items"]} == found


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "colour=red", "status=done", "cursor=%21", "from=yesterday", "label=x",
              "limit=1&limit=2", "cursor=WzFd"],
)  # fmt: skip
def test_a_parameter_that_is_wrong_is_named(client: httpx.Client, query: str) -> None:
    answered = client.get(f"{PATH}?{query}")
    assert answered.status_code == 400
    assert answered.json()["errors"][0]["pointer"] == query.partition("=")[0]


def test_repositories_and_services_come_into_the_list_with_their_first_record(client: httpx.Client) -> None:
    client.post(PATH, json=deployment(repository_url="ssh://git@GitHub.com:22/Acme/Shop.git", service="web"))
    client.post(PATH, json=deployment())
    items = client.get("/api/v1/repositories").json()["items"]
    assert [(item["repository"], item["service"]) for item in items] == [
        ("Acme/Shop", ""),
        ("Acme/Shop", "web"),
    ]
    assert items[0]["repository_url"] == "https://github.com/Acme/Shop"


def test_credentials_in_a_url_are_never_kept(client: httpx.Client) -> None:
    url = "https://x-access-token:ghs_secret@github.com/acme/shop.git"
    answered = client.post(PATH, json=deployment(repository_url=url))
    assert answered.json()["repository_url"] == "https://github.com/acme/shop"
    assert "ghs_secret" not in client.get(PATH).text


def test_one_organization_neither_sees_nor_counts_anothers_records(
    client: httpx.Client, server: Server
) -> None:
    record = client.post(PATH, json=deployment(deployment_node_id="1")).json()
    with server.client(server.token("admin", "stranger")) as stranger:
        assert stranger.get(f"{PATH}/{record['id']}").status_code == 404
        assert stranger.get(PATH).json() == {"items": []}
        assert stranger.get("/api/v1/repositories").json() == {"items": []}
        assert stranger.post(PATH, json=deployment(deployment_node_id="1")).status_code == 201
        hotfix = deployment(is_hotfix=True, remediates=record["id"], repository_url="https://github.com/s/s")
        stranger.post(PATH, json=hotfix)
        frequency = stranger.get("/api/v1/metrics/deployment_frequency").json()
        assert frequency["deployments"] == 2
    rate = client.get("/api/v1/metrics/change_failure_rate").json()
    assert (rate["numerator"], rate["denominator"]) == (0, 1)


def test_a_token_for_some_repositories_reaches_nothing_else(
    client: httpx.Client, client_with: Callable[..., httpx.Client]
) -> None:
    other = client.post(PATH, json=deployment(repository_url="https://github.com/beta/site")).json()
    limited = client_with("deployments:write deployments:read metrics:read", "acme/*")
    assert limited.post(PATH, json=deployment()).status_code == 201
    refused = limited.post(PATH, json=deployment(repository_url="https://github.com/beta/site"))
    assert refused.status_code == 403
    assert limited.get(f"{PATH}/{other['id']}").status_code == 404
    assert [item["repository"] for item in limited.get(PATH).json()["items"]] == ["acme/shop"]
    assert [item["repository"] for item in limited.get("/api/v1/repositories").json()["items"]] == [
        "acme/shop"
    ]
    assert limited.get("/api/v1/metrics/deployment_frequency").json()["deployments"] == 1
    line = ndjson(
        deployment(repository_url="https://github.com/beta/site", finished_at="2026-03-02T10:00:00Z")
    )
    assert limited.post(f"{PATH}/batch", content=line).json()["failed"] == 1


def test_every_acknowledged_record_is_in_the_next_answer(client: httpx.Client) -> None:
    for count in range(1, 6):
        client.post(PATH, json=deployment())
        assert client.get("/api/v1/metrics/deployment_frequency").json()["deployments"] == count


def test_behind_a_proxy_links_begin_with_the_public_url(tmp_path: Path) -> None:
    with (
        Server(tmp_path, TRACKER_PUBLIC_URL="https://dora.example/") as proxied,
        proxied.client(proxied.token()) as client,
    ):
        location = client.post(PATH, json=deployment()).headers["Location"]
        client.post(PATH, json=deployment())
        assert location.startswith("https://dora.example/api/v1/deployments/")
        following = client.get(f"{PATH}?limit=1").links["next"]["url"]
        assert following.startswith("https://dora.example/api/v1/deployments?limit=1&cursor=")
