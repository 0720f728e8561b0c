"""PATCH, DELETE and the history of a deployment, over HTTP against a running service."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.server import as_recorded, deployment

PATH = "/api/v1/deployments"
START, FINISH = "2026-03-02T10:00:00Z", "2026-03-02T10:05:00Z"


def post(client: httpx.Client, **fields: object) -> dict[str, object]:
    return dict(client.post(PATH, json=deployment(**fields)).raise_for_status().json())


def test_a_patch_corrects_what_it_names_and_leaves_the_rest(client: httpx.Client) -> None:
    record = post(client, branch="main", title="One", labels={"a": "1", "b": "2"}, is_fix=True)
    answered = client.patch(
        f"{PATH}/{record['id']}",
        json={"title": None, "branch": "release", "labels": {"a": None, "c": "3"}, "is_fix": False},
    )
    assert answered.status_code == 200
    corrected = answered.json()
    assert (corrected["branch"], corrected["title"], corrected["is_fix"]) == ("release", None, False)
    assert corrected["labels"] == {"b": "2", "c": "3"}
    unchanged = ["id", "commit_id", "finished_at", "created_at", "environment", "triggered_by"]
    assert [corrected[name] for name in unchanged] == [record[name] for name in unchanged]
    assert corrected["updated_at"] > record["updated_at"]
    read = client.get(f"{PATH}/{record['id']}").json()
    assert as_recorded(read) == as_recorded(corrected)


@pytest.mark.parametrize(
    ("given", "patch", "times"),
    [
        ({"status": "in_progress", "started_at": START}, {"status": "fail", "finished_at": FINISH}, (START, FINISH)),
        ({"status": "in_progress", "started_at": START}, {"status": "fail", "duration_seconds": 300}, (START, FINISH)),
        ({"status": "in_progress"}, {"status": "success", "started_at": START, "duration_seconds": 300}, (START, FINISH)),
        ({"finished_at": FINISH}, {"duration_seconds": 300}, (START, FINISH)),
        ({"finished_at": "2026-03-02T09:00:00Z"}, {"started_at": START, "duration_seconds": 300}, (START, FINISH)),
        ({"started_at": START, "finished_at": "2026-03-02T11:00:00Z"}, {"finished_at": FINISH}, (START, FINISH)),
        ({"started_at": START, "finished_at": FINISH}, {"started_at": None}, (None, FINISH)),
        ({"started_at": START, "finished_at": FINISH}, {"duration_seconds": 300.5}, ("2026-03-02T09:59:59.500000Z", FINISH)),
    ],
)  # fmt: skip
def test_a_patch_finishes_and_moves_times(
    client: httpx.Client, given: dict[str, object], patch: dict[str, object], times: tuple[str | None, str]
) -> None:
    corrected = client.patch(f"{PATH}/{post(client, **given)['id']}", json=patch).json()
    assert (corrected["started_at"], corrected["finished_at"]) == times


@pytest.mark.parametrize(
    ("given", "patch", "pointer"),
    [
        ({}, {"repository_url": "https://github.com/acme/shop"}, "/repository_url"),
        ({}, {"service": None}, "/service"),
        ({}, {"environment": "staging"}, "/environment"),
        ({}, {"deployment_node_id": "2"}, "/deployment_node_id"),
        ({}, {"status": "in_progress"}, "/status"),
        ({}, {"status": None}, "/status"),
        ({}, {"commit_id": None}, "/commit_id"),
        ({}, {"finished_at": None}, "/finished_at"),
        ({}, {"colour": "red"}, "/colour"),
        ({}, {"is_fix": "yes"}, "/is_fix"),
        ({}, {"finished_at": "2126-01-01T00:00:00Z"}, "/finished_at"),
        ({"status": "in_progress"}, {"finished_at": FINISH}, "/finished_at"),
        ({"status": "in_progress"}, {"duration_seconds": 5}, "/duration_seconds"),
        ({"finished_at": FINISH}, {"started_at": "2026-03-02T11:00:00Z"}, "/started_at"),
        (
            {"started_at": START, "finished_at": FINISH},
            {"finished_at": "2026-03-02T09:00:00Z"},
            "/finished_at",
        ),
        (
            {"started_at": START, "status": "in_progress"},
            {"status": "fail", "finished_at": FINISH, "duration_seconds": 5},
            "/duration_seconds",
        ),
        (
            {"started_at": START, "finished_at": FINISH},
            {"started_at": None, "duration_seconds": 5},
            "/started_at",
        ),
        ({}, {"started_at": START, "finished_at": FINISH, "duration_seconds": 60}, "/duration_seconds"),
        ({"labels": {f"n{n}": "" for n in range(20)}}, {"labels": {"one more": ""}}, "/labels"),
    ],
)
def test_a_wrong_patch_names_its_field_and_changes_nothing(
    client: httpx.Client, given: dict[str, object], patch: dict[str, object], pointer: str
) -> None:
    record = post(client, **given)
    answered = client.patch(f"{PATH}/{record['id']}", json=patch)
    assert answered.status_code == 400, answered.text
    assert [error["pointer"] for error in answered.json()["errors"]] == [pointer]
    assert len(client.get(f"{PATH}/{record['id']}/history").json()["items"]) == 1


def test_a_final_status_may_become_the_other_one(client: httpx.Client) -> None:
    record = post(client, finished_at=FINISH)
    corrected = client.patch(f"{PATH}/{record['id']}", json={"status": "fail"}).json()
    assert (corrected["status"], corrected["finished_at"]) == ("fail", FINISH)


def test_a_patch_that_changes_nothing_is_no_version(client: httpx.Client) -> None:
    record = post(client, branch="main")
    answered = client.patch(f"{PATH}/{record['id']}", json={"branch": "main"})
    assert (answered.status_code, answered.json()["updated_at"]) == (200, record["updated_at"])


def test_the_history_says_who_changed_what(client_with: Callable[..., httpx.Client]) -> None:
    client = client_with()
    record = post(client, deployment_node_id="7", status="in_progress", started_at=START)
    post(client, deployment_node_id="7", finished_at=FINISH, status="success")
    client.patch(f"{PATH}/{record['id']}", json={"branch": "main"}).raise_for_status()
    client.delete(f"{PATH}/{record['id']}").raise_for_status()
    items = client.get(f"{PATH}/{record['id']}/history").json()["items"]
    assert [item["action"] for item in items] == ["created", "changed", "changed", "deleted"]
    assert [[change["field"] for change in item["changes"]] for item in items] == [
        [], ["status", "finished_at", "duration_seconds"], ["branch"], [],
    ]  # fmt: skip
    assert items[2]["changes"] == [{"field": "branch", "before": None, "after": "main"}]
    assert [item["record"]["status"] for item in items] == ["in_progress", "success", "success", "success"]
    assert {item["recorded_by"] for item in items} == {"test"}
    assert all(item["token_id"] for item in items)
    revisions = [item["revision"] for item in items]
    assert revisions == list(range(revisions[0], revisions[0] + 4))
    assert [item["recorded_at"] for item in items] == sorted(item["recorded_at"] for item in items)


def test_a_deleted_deployment_is_gone_and_its_natural_key_is_free(client: httpx.Client) -> None:
    record = post(client, deployment_node_id="7", branch="main")
    answered = client.delete(f"{PATH}/{record['id']}")
    assert (answered.status_code, answered.content) == (204, b"")
    for gone in (
        client.get(f"{PATH}/{record['id']}"),
        client.patch(f"{PATH}/{record['id']}", json={"branch": "x"}),
        client.delete(f"{PATH}/{record['id']}"),
    ):
        assert gone.status_code == 404
    assert client.get(PATH).json()["items"] == []
    assert client.get("/api/v1/metrics/deployment_frequency").json()["deployments"] == 0
    again = client.post(PATH, json=deployment(deployment_node_id="7", branch="other"))
    assert again.status_code == 201
    assert again.json()["id"] != record["id"]


def test_what_a_correction_changes_is_in_the_next_answer(client: httpx.Client) -> None:
    record = post(client)
    rate = "/api/v1/metrics/change_failure_rate?failure_signals=status"
    assert client.get(rate).json()["numerator"] == 0
    client.patch(f"{PATH}/{record['id']}", json={"status": "fail"}).raise_for_status()
    failed = client.get(rate).json()
    assert (failed["numerator"], failed["denominator"]) == (1, 1)


def test_to_delete_needs_admin_and_to_correct_needs_write(
    client_with: Callable[..., httpx.Client],
) -> None:
    record = post(client_with())
    path = f"{PATH}/{record['id']}"
    assert client_with("deployments:write deployments:read").delete(path).status_code == 403
    assert client_with("deployments:read").patch(path, json={"branch": "x"}).status_code == 403
    assert client_with("deployments:write").get(f"{path}/history").status_code == 403
    assert client_with("deployments:write").patch(path, json={"branch": "x"}).status_code == 200


def test_a_token_for_another_repository_finds_nothing_to_change(
    client_with: Callable[..., httpx.Client],
) -> None:
    path = f"{PATH}/{post(client_with())['id']}"
    other = client_with("admin", "acme/other")
    assert other.patch(path, json={"branch": "x"}).status_code == 404
    assert other.delete(path).status_code == 404
    assert other.get(f"{path}/history").status_code == 404


def test_an_incident_has_a_history_too(client: httpx.Client) -> None:
    record = client.post("/api/v1/incidents", json={"started_at": START, "key": "i"}).json()
    path = f"/api/v1/incidents/{record['id']}"
    client.patch(path, json={"resolved_at": FINISH, "labels": {"team": "a"}}).raise_for_status()
    client.patch(path, json={"labels": None}).raise_for_status()
    items = client.get(f"{path}/history").json()["items"]
    assert [item["action"] for item in items] == ["created", "changed", "changed"]
    assert items[1]["changes"][0] == {"field": "resolved_at", "before": None, "after": FINISH}
    assert items[2]["changes"] == [{"field": "labels", "before": {"team": "a"}, "after": {}}]
    assert client.get("/api/v1/incidents/unknown/history").status_code == 404


def test_repeats_do_not_come_to_more_labels_than_there_may_be(client: httpx.Client) -> None:
    first, more = ({f"{letter}{number}": "" for number in range(20)} for letter in "ab")
    record = post(client, deployment_node_id="7", labels=first)
    refused = client.post(PATH, json=deployment(deployment_node_id="7", labels=more))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/labels")
    assert client.get(f"{PATH}/{record['id']}").json()["labels"] == first


def kept(answer: httpx.Response) -> str:
    """What the warning `kept` of an accepted repeat names."""
    assert answer.status_code == 200
    details = [one["detail"] for one in answer.json()["warnings"] if one["code"] == "kept"]
    return details[0].removeprefix("The record keeps its ").partition(":")[0] if details else ""


def test_another_final_status_is_the_last_word_of_the_attempt(client: httpx.Client) -> None:
    post(client, deployment_node_id="7", finished_at=START)
    changed = client.post(PATH, json=deployment(deployment_node_id="7", status="fail", finished_at=FINISH))
    assert (changed.json()["status"], changed.json()["finished_at"], kept(changed)) == ("fail", FINISH, "")
    overtaken = client.post(
        PATH, json=deployment(deployment_node_id="7", status="success", finished_at="2026-03-02T10:04:00Z")
    )
    assert (overtaken.json()["status"], kept(overtaken)) == ("fail", "status, finished_at")
    assert "outcome_changed" in {one["code"] for one in changed.json()["warnings"]}
    again = client.post(PATH, json=deployment(deployment_node_id="7", status="fail"))
    assert "outcome_changed" not in {one["code"] for one in again.json()["warnings"]}
    silent = client.post(PATH, json=deployment(deployment_node_id="7", title="Nothing said of the status"))
    assert (silent.json()["status"], kept(silent)) == ("fail", "")


def test_a_repeat_with_another_duration_moves_nothing(client: httpx.Client) -> None:
    post(client, deployment_node_id="7", started_at=START, finished_at=FINISH)
    same = deployment(deployment_node_id="7", duration_seconds=300)
    assert kept(client.post(PATH, json=same)) == ""
    other = client.post(PATH, json=same | {"duration_seconds": 302})
    assert kept(other) == "duration_seconds"
    assert (other.json()["started_at"], other.json()["finished_at"]) == (START, FINISH)


def test_a_retried_start_and_finish_do_not_move_them(client: httpx.Client) -> None:
    post(client, deployment_node_id="7", status="in_progress", started_at=START)
    later = "2026-03-02T10:02:00Z"
    again = deployment(deployment_node_id="7", status="in_progress", started_at=later, title="Second try")
    retried = client.post(PATH, json=again)
    assert (retried.json()["started_at"], retried.json()["title"]) == (START, "Second try")
    assert kept(retried) == "started_at"
    end = deployment(deployment_node_id="7", started_at=later, duration_seconds=60)
    assert client.post(PATH, json=end).json()["finished_at"] == "2026-03-02T10:03:00Z"
    finished = client.post(PATH, json=deployment(deployment_node_id="7", finished_at="2026-03-02T10:09:00Z"))
    assert (finished.json()["finished_at"], kept(finished)) == ("2026-03-02T10:03:00Z", "finished_at")


@pytest.mark.parametrize(
    "late",
    [
        {"status": "in_progress", "started_at": START},
        {"status": "fail", "finished_at": "2026-03-02T10:04:59Z"},
    ],
)
def test_a_state_that_was_overtaken_only_fills(client: httpx.Client, late: dict[str, Any]) -> None:
    post(client, deployment_node_id="7", finished_at=FINISH, title="Done", labels={"a": "1"})
    overtaken = {"title": "Begun", "branch": "main", "labels": {"a": "2", "b": "3"}}
    answer = client.post(PATH, json=deployment(deployment_node_id="7", **overtaken, **late))
    record = answer.json()
    assert (record["status"], record["title"], record["branch"]) == ("success", "Done", "main")
    assert record["labels"] == {"a": "1", "b": "3"}
    assert kept(answer).startswith("labels, title, status")


def test_a_state_of_the_same_moment_is_not_overtaken(client: httpx.Client) -> None:
    post(client, deployment_node_id="7", finished_at=FINISH, title="Done")
    answer = client.post(
        PATH, json=deployment(deployment_node_id="7", finished_at=FINISH, status="fail", title="Broken")
    )
    assert (answer.json()["status"], answer.json()["title"], kept(answer)) == ("fail", "Broken", "")


def test_a_repeat_that_says_nothing_takes_nothing_away(client: httpx.Client) -> None:
    commits = [{"sha": "a" * 7, "committed_at": START}]
    post(client, deployment_node_id="7", finished_at=FINISH, title="Done", commits=commits)
    silent = client.post(PATH, json=deployment(deployment_node_id="7", title="", commits=[], labels={}))
    assert (silent.json()["title"], len(silent.json()["commits"])) == ("Done", 1)


def test_another_release_is_another_attempt(client: httpx.Client) -> None:
    """A shortened commit id is the whole one; where there is a commit, the version only describes it."""
    url = "https://github.com/acme/shop"

    def send(**fields: Any) -> httpx.Response:
        return client.post(PATH, json={"repository_url": url, "deployment_node_id": "7", **fields})

    def pointers(refused: httpx.Response) -> list[str]:
        assert refused.status_code == 409
        return [error["pointer"] for error in refused.json()["errors"]]

    send(version="v1").raise_for_status()
    assert pointers(send(version="v2")) == ["/version"]
    assert send(version="V1").json()["version"] == "v1"
    assert send(version="v1", commit_id="abcdef0").json()["commit_id"] == "abcdef0"
    assert send(commit_id="abcdef0" + "1" * 33).json()["commit_id"] == "abcdef0" + "1" * 33
    assert send(commit_id="abcdef0").json()["commit_id"] == "abcdef0" + "1" * 33
    assert pointers(send(commit_id="abcdef1")) == ["/commit_id"]
    assert send(version="v2").json()["version"] == "v2"
    late = send(version="v3", status="in_progress")
    assert (late.json()["version"], kept(late)) == ("v2", "version, status")


def test_a_repeat_whose_times_cannot_be_is_refused(client: httpx.Client) -> None:
    post(client, deployment_node_id="7", status="in_progress", started_at=FINISH)
    early = client.post(PATH, json=deployment(deployment_node_id="7", finished_at=START))
    assert (early.status_code, early.json()["errors"][0]["pointer"]) == (400, "/finished_at")
    post(client, deployment_node_id="8", finished_at=START)
    late = client.post(PATH, json=deployment(deployment_node_id="8", started_at=FINISH))
    assert (late.status_code, late.json()["errors"][0]["pointer"]) == (400, "/started_at")


def test_a_repeat_that_finishes_more_than_a_day_ahead_is_refused(client: httpx.Client) -> None:
    started_at = datetime.now(UTC).isoformat()
    record = post(client, deployment_node_id="7", status="in_progress", started_at=started_at)
    refused = client.post(PATH, json=deployment(deployment_node_id="7", duration_seconds=25 * 3600))
    assert refused.status_code == 400
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/duration_seconds"]
    assert client.get(f"{PATH}/{record['id']}").json()["status"] == "in_progress"
    finished = client.post(PATH, json=deployment(deployment_node_id="7", duration_seconds=23 * 3600))
    assert (finished.status_code, finished.json()["status"]) == (200, "success")


def test_a_deployment_that_names_itself_repairs_nothing(client: httpx.Client) -> None:
    record = post(client, finished_at=FINISH)
    named = client.patch(f"{PATH}/{record['id']}", json={"remediates": record["id"]})
    assert named.json()["remediates"] == record["id"]
    window = "from=2026-03-01&to=2026-04-01"
    rate = client.get(f"/api/v1/metrics/change_failure_rate?{window}").json()
    assert (rate["numerator"], rate["denominator"], rate["unattributed"]) == (0, 1, 1)
    explained = client.get(f"/api/v1/metrics/deployment_rework_rate/explain?{window}").json()
    assert [row["repairs_id"] for row in explained["counted"]] == [None]


def test_the_warnings_of_a_repeat_are_the_records(client: httpx.Client) -> None:
    commits = [{"sha": "abcdef0", "committed_at": START}]
    post(client, deployment_node_id="7", started_at=START, finished_at=FINISH, commits=commits)
    again = client.post(PATH, json=deployment(deployment_node_id="7"))
    assert (again.status_code, again.json()["warnings"]) == (200, [])
    late = client.post(PATH, json=deployment(deployment_node_id="7", status="in_progress"))
    assert kept(late) == "status"
    assert [one["code"] for one in late.json()["warnings"]] == ["kept"]


def test_a_repeat_of_an_incident_fills_its_service(client: httpx.Client) -> None:
    body = {"key": "i", "started_at": START, "repository_url": "https://github.com/acme/shop"}
    client.post("/api/v1/incidents", json=body)
    assert client.post("/api/v1/incidents", json=body | {"service": "web"}).json()["service"] == "web"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/incidents"),
        ("PATCH", f"{PATH}/x"),
        ("GET", "/api/v1/repositories"),
        ("GET", "/api/v1/settings"),
    ],
)
def test_where_there_are_no_parameters_none_is_passed_over(
    client: httpx.Client, method: str, path: str
) -> None:
    body = None if method == "GET" else {"started_at": START}
    answered = client.request(method, f"{path}?dry_run=true", json=body)
    assert answered.status_code == 400
    assert answered.json()["errors"] == [
        {"pointer": "dry_run", "detail": "is not a parameter that is known here"}
    ]


@pytest.mark.parametrize(
    "cursor", ['[1000000000000000000000000000000,"x"]', '[1,"\\ud800"]', "[" * 3000, "[]", "7"]
)
def test_a_made_up_cursor_is_refused(client: httpx.Client, cursor: str) -> None:
    answered = client.get(PATH, params={"cursor": urlsafe_b64encode(cursor.encode()).decode()})
    assert answered.status_code == 400
    assert answered.json()["errors"][0]["pointer"] == "cursor"
