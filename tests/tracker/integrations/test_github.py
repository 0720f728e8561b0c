"""GitHub's Deployments API: the document's own requests, real clients as they are, and the story that follows."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import githubkit
import httpx
import pytest
from gidgethub import BadRequest
from gidgethub.httpx import GitHubAPI
from github import Auth, Github, UnknownObjectException
from github.GithubException import BadCredentialsException, GithubException
from githubkit.exception import RequestFailed

from metrics.domain.repositories import RepositoryIdentity
from tests.beside import find_beside
from tests.conftest import Book
from tests.node import require_package, run_script
from tests.server import Server, deployment
from tests.waiting import wait_until
from tracker.deployments.requests import Request, Requested, report_progress, request_deployment
from tracker.deployments.statuses import Progress, State
from tracker.records.ledger import Author

SEED = "seeds/002_f9fae000f35d3b23.txt"
DEPLOYMENTS = "/repos/octocat/example/deployments"
COMMIT = "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d"
Client = Callable[..., httpx.Client]
# What GitHub's document has at one place for one thing, and clients cannot do without.
USER_KEYS = {
    "login", "id", "node_id", "avatar_url", "gravatar_id", "url", "html_url", "followers_url", "following_url",
    "gists_url", "starred_url", "subscriptions_url", "organizations_url", "repos_url", "events_url",
    "received_events_url", "type", "site_admin",
}  # fmt: skip


@pytest.fixture(params=["", "/api/v3"])
def base(request: pytest.FixtureRequest, server: Server) -> str:
    return f"{server.url}{request.param}"


def ask(client: httpx.Client, path: str = DEPLOYMENTS, **fields: Any) -> dict[str, Any]:
    answered = client.post(path, json={"ref": "main", **fields})
    assert answered.status_code == 201, answered.text
    found: dict[str, Any] = answered.json()
    return found


def tell(
    client: httpx.Client, asked: dict[str, Any], state: str, path: str = DEPLOYMENTS, **fields: Any
) -> dict[str, Any]:
    answered = client.post(f"{path}/{asked['id']}/statuses", json={"state": state, **fields})
    assert answered.status_code == 201, answered.text
    found: dict[str, Any] = answered.json()
    return found


def states_of(client: httpx.Client, asked: dict[str, Any], path: str = DEPLOYMENTS) -> list[str]:
    """What was told of a deployment, the latest first."""
    return [one["state"] for one in client.get(f"{path}/{asked['id']}/statuses").json()]


def pages_linked(answered: httpx.Response) -> dict[str, str]:
    """The numbers of the pages that an answer leads to."""
    links = re.findall(r'<([^>]+)>; rel="(\w+)"', answered.headers.get("Link", ""))
    return {name: re.findall(r"[?&]page=(\d+)", url)[0] for url, name in links}


def record_of(client: httpx.Client) -> dict[str, Any]:
    (record,) = client.get("/api/v1/deployments").json()["items"]
    found: dict[str, Any] = record
    return found


def test_the_documents_requests_get_every_field_of_its_answers(client: httpx.Client) -> None:
    text = find_beside(SEED).read_text()
    blocks = [found[0] for found in re.finditer(r"^[\[{]\n.*?^[\]}]$", text, re.DOTALL | re.MULTILINE)]
    listed, simple, simple_answer, advanced, advanced_answer, told_list, status, told = blocks
    for sent, answer in ((simple, simple_answer), (advanced, advanced_answer)):
        answered = client.post(DEPLOYMENTS, content=sent, headers={"Content-Type": "application/json"})
        assert answered.status_code == 201
        assert answered.headers["Location"] == answered.json()["url"]
        _has_fields_of(answered.json(), json.loads(answer))
    assert answered.json()["payload"] == {"user": "atmos", "room_id": 123456}
    path = f"{DEPLOYMENTS}/{answered.json()['id']}/statuses"
    answered = client.post(
        path, content=status, headers={"Accept": "application/vnd.x.cannonball-preview+json"}
    )
    assert (answered.status_code, answered.headers["Location"]) == (201, answered.json()["url"])
    _has_fields_of(answered.json(), json.loads(told))
    assert answered.json()["target_url"] == json.loads(status)["target_url"]
    _has_fields_of(client.get(path).json()[0], json.loads(told_list)[0])
    _has_fields_of(client.get(DEPLOYMENTS).json()[0], json.loads(listed)[0])


def _has_fields_of(answer: dict[str, Any], documented: dict[str, Any]) -> None:
    assert documented.keys() <= answer.keys()
    assert answer["creator"].keys() == USER_KEYS >= documented["creator"].keys()
    for name, value in documented.items():
        if isinstance(value, int | bool):
            assert isinstance(answer[name], type(value)), name


def test_a_deployment_is_the_same_record_everywhere(client: httpx.Client) -> None:
    asked = ask(client, description="Release 7", environment="production")
    assert record_of(client) | {"status": "in_progress", "branch": "main", "title": "Release 7"} == record_of(
        client
    )
    started = tell(client, asked, "in_progress")
    tell(client, asked, "in_progress")
    tell(client, asked, "success", environment_url="https://shop.example")
    record = record_of(client)
    assert (record["repository_url"], record["triggered_by"]) == ("https://github.com/octocat/example", "api")
    assert (record["status"], record["commit_id"], record["url"]) == ("success", None, "https://shop.example")
    assert record["started_at"][:19] == started["created_at"][:19]
    assert record["member_id"] == asked["creator"]["login"] == "test"
    answer = client.get("/api/v1/metrics/deployment_frequency").json()
    assert (answer["deployments"], answer["durations"]) == (1, 1)


def test_the_story_of_a_failure_and_its_hotfix(client: httpx.Client) -> None:
    """The release that a hotfix repairs is the one before it; a failed one reached nobody."""
    good = ask(client, ref=COMMIT)
    tell(client, good, "success")
    tell(client, ask(client, ref="b" * 40), "error")
    hotfix = ask(client, ref="c" * 40)
    tell(client, hotfix, "success")
    id_of = {item["commit_id"]: item["id"] for item in client.get("/api/v1/deployments").json()["items"]}
    client.patch(f"/api/v1/deployments/{id_of['c' * 40]}", json={"is_hotfix": True})
    metrics = client.get("/api/v1/metrics").json()["metrics"]
    rate, recovery = metrics["change_failure_rate"], metrics["mean_time_to_recover"]
    assert (rate["numerator"], rate["denominator"], rate["did_not_reach_production"]) == (1, 2, 1)
    assert (recovery["recovered"], recovery["open"]) == (1, 0)
    explained = client.get("/api/v1/metrics/change_failure_rate/explain").json()
    assert [row["id"] for row in explained["counted"] if row["in_numerator"]] == [id_of[COMMIT]]


def test_a_deployment_that_is_inactive_before_any_outcome_is_cancelled(client: httpx.Client) -> None:
    asked = ask(client)
    tell(client, asked, "in_progress")
    tell(client, asked, "inactive", description="Superseded by a newer deployment.")
    record = record_of(client)
    assert record["status"] == "cancelled"
    assert record["finished_at"] is not None
    rate = client.get("/api/v1/metrics/change_failure_rate?failure_signals=status").json()
    assert (rate["denominator"], rate["did_not_reach_production"]) == (0, 0)


def test_the_latest_outcome_wins_and_one_told_again_moves_nothing(client: httpx.Client) -> None:
    asked = ask(client)
    tell(client, asked, "failure")
    assert record_of(client)["status"] == "fail"
    tell(client, asked, "success")
    finished_at = record_of(client)["finished_at"]
    for state in ("success", "inactive", "pending", "queued", "in_progress"):
        tell(client, asked, state)
    assert (record_of(client)["status"], record_of(client)["finished_at"]) == ("success", finished_at)
    history = client.get(f"/api/v1/deployments/{record_of(client)['id']}/history").json()["items"]
    assert len(history) == 3


def test_another_task_than_a_deployment_is_kept_and_counts_nowhere(client: httpx.Client) -> None:
    asked = ask(client, task="seed-database")
    tell(client, asked, "success")
    assert client.get("/api/v1/deployments").json()["items"] == []
    assert client.get(f"{DEPLOYMENTS}/{asked['id']}").json()["task"] == "seed-database"
    assert client.get(f"{DEPLOYMENTS}/{asked['id']}/statuses").json()[0]["state"] == "success"
    tell(client, ask(client, task="deploy:migrate"), "success")
    assert len(client.get("/api/v1/deployments").json()["items"]) == 1


def test_a_commit_is_what_is_given_else_a_ref_that_is_one(client: httpx.Client) -> None:
    assert ask(client, ref=COMMIT.upper())["sha"] == COMMIT
    assert ask(client, ref="v1.2", sha=COMMIT)["sha"] == COMMIT
    assert ask(client, ref="v1.2")["sha"] == "0" * 40
    records = client.get("/api/v1/deployments").json()["items"]
    assert [(one["commit_id"], one["version"], one["branch"]) for one in records] == [
        (None, "v1.2", None), (COMMIT, "v1.2", None), (COMMIT, None, None),
    ]  # fmt: skip


def test_what_was_recorded_otherwise_is_there_too(client: httpx.Client) -> None:
    sent = deployment(repository_url="git@github.com:octocat/example.git", branch="main", title="by hand")
    client.post("/api/v1/deployments", json=sent)
    (listed,) = client.get(DEPLOYMENTS).json()
    assert (listed["sha"], listed["ref"], listed["description"]) == ("a" * 40, "main", "by hand")
    (told,) = client.get(f"{DEPLOYMENTS}/{listed['id']}/statuses").json()
    assert told["state"] == "success"
    assert client.get(told["url"]).json() == told


def test_a_record_that_is_corrected_natively_has_statuses_all_the_same(client: httpx.Client) -> None:
    asked = ask(client)
    record = record_of(client)
    client.patch(f"/api/v1/deployments/{record['id']}", json={"status": "success"})
    path = f"{DEPLOYMENTS}/{asked['id']}"
    (told,) = client.get(f"{path}/statuses").json()
    assert (told["state"], client.get(told["url"]).json()) == ("success", told)
    assert client.delete(path).status_code == 422
    tell(client, asked, "failure")
    assert [one["state"] for one in client.get(f"{path}/statuses").json()] == ["failure", "success"]
    assert client.delete(path).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"{DEPLOYMENTS}/{10**19}", None, 404),
        ("DELETE", f"{DEPLOYMENTS}/{10**25}", None, 404),
        ("POST", f"{DEPLOYMENTS}/{10**19}/statuses", {"state": "success"}, 404),
        ("GET", f"{DEPLOYMENTS}/1/statuses/{10**19}", None, 404),
        ("GET", f"{DEPLOYMENTS}?page={'9' * 5_000}", None, 200),
        ("POST", "/repos/a%00/b/deployments", {"ref": "main"}, 404),
        ("POST", DEPLOYMENTS, {"ref": "main", "payload": "[" * 2_000 + "]" * 2_000}, 201),
        ("POST", DEPLOYMENTS, {"ref": "main", "payload": '"\\ud800"'}, 201),
        ("POST", DEPLOYMENTS, {"ref": "main", "payload": 10**30}, 201),
        ("POST", DEPLOYMENTS, {"ref": "m" * 300}, 422),
    ],
)
def test_odd_requests_are_answered(
    client: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    assert client.request(method, path, json=body).status_code == status


def test_a_name_in_other_letters_has_pages_too(client: httpx.Client) -> None:
    path = "/repos/%D0%96/b/deployments"
    for _ in range(2):
        ask(client, path)
    page = client.get(f"{path}?per_page=1")
    following = page.headers["Link"].partition("<")[2].partition(">")[0]
    assert client.get(following).json()[0]["id"] != page.json()[0]["id"]


def test_lists_are_filtered_and_paged(client: httpx.Client) -> None:
    for number in range(5):
        ask(client, ref=f"b{number}", environment="Staging" if number % 2 else "production")
    refs = lambda query: [one["ref"] for one in client.get(f"{DEPLOYMENTS}?{query}").json()]  # noqa: E731
    assert refs("environment=staging") == ["b3", "b1"]
    assert refs("ref=b2&task=deploy&whatever=1") == ["b2"]
    assert refs(f"sha={COMMIT}") == refs("page=4&per_page=2") == []
    assert refs("per_page=0&page=x") == ["b4", "b3", "b2", "b1", "b0"]
    page = client.get(f"{DEPLOYMENTS}?per_page=2&page=2&task=deploy")
    links = re.findall(r'<([^>]+)>; rel="(\w+)"', page.headers["Link"])
    assert {name: re.findall(r"page=(\d+)$", url)[0] for url, name in links} == {
        "prev": "1", "first": "1", "next": "3", "last": "3",
    }  # fmt: skip
    following = next(url for url, name in links if name == "next")
    assert [one["ref"] for one in client.get(following).json()] == ["b0"]
    assert "Link" not in client.get(DEPLOYMENTS).headers


def test_success_retires_those_before_it_but_in_production(client: httpx.Client) -> None:
    states = partial(states_of, client)
    old, production = ask(client, environment="staging"), ask(client)
    transient = ask(client, environment="staging", transient_environment=True)
    for asked in (transient, old, production):
        tell(client, asked, "success")
    tell(client, ask(client, environment="staging"), "success", auto_inactive=False)
    assert states(old) == ["success"]
    tell(client, ask(client, environment="staging"), "success")
    tell(client, ask(client), "success")
    assert (states(old), states(production), states(transient)) == (
        ["inactive", "success"],
        ["success"],
        ["success"],
    )


def test_success_retires_nothing_that_was_deleted_elsewhere(book: Book) -> None:
    author, repository = Author("acme", "test"), RepositoryIdentity.parse("https://github.com/acme/shop")
    wanted = Request(repository=repository, ref="main", sha="a" * 40, environment="staging")

    def deployed() -> Requested:
        asked = book.recorder.record_now(lambda ledger: request_deployment(ledger, author, wanted))
        told = Progress(state=State.SUCCESS)
        book.recorder.record_now(
            lambda ledger: report_progress(ledger, author, repository, asked.number, told)
        )
        return asked

    deleted, kept = deployed(), deployed()
    assert deleted.deployment_id is not None
    states = f"select state from deployment_statuses where number = {deleted.number} order by revision"
    assert book.rows(states) == [("success",), ("inactive",)]
    book.delete(str(kept.deployment_id))
    deployed()
    assert book.rows(f"select state from deployment_statuses where number = {kept.number}") == [("success",)]


def test_success_retires_nothing_of_another_organization(
    client: httpx.Client, server: Server, organization: str
) -> None:
    theirs = ask(client, environment="staging")
    tell(client, theirs, "success")
    with server.client(server.token(org=f"{organization}-stranger")) as stranger:
        old, new = ask(stranger, environment="staging"), ask(stranger, environment="staging")
        for asked in (old, new):
            tell(stranger, asked, "success")
        states = [one["state"] for one in stranger.get(f"{DEPLOYMENTS}/{old['id']}/statuses").json()]
        assert states == ["inactive", "success"]
    states = [one["state"] for one in client.get(f"{DEPLOYMENTS}/{theirs['id']}/statuses").json()]
    assert states == ["success"]


def test_success_of_an_older_deployment_leaves_the_newer_one(client: httpx.Client) -> None:
    older, newer = ask(client, environment="staging"), ask(client, environment="staging")
    tell(client, newer, "success")
    tell(client, older, "success")
    assert [states_of(client, one) for one in (older, newer)] == [["success"], ["success"]]


def test_success_retires_nothing_of_another_repository(client: httpx.Client) -> None:
    elsewhere = "/repos/octocat/other/deployments"
    own, other = ask(client, environment="staging"), ask(client, elsewhere, environment="staging")
    tell(client, own, "success")
    tell(client, other, "success", path=elsewhere)
    for path in (elsewhere, DEPLOYMENTS):
        tell(client, ask(client, path, environment="staging"), "success", path=path)
        retired = [states_of(client, other, elsewhere)[0], states_of(client, own)[0]]
        assert retired == (["inactive", "success"] if path == elsewhere else ["inactive", "inactive"])


def test_statuses_are_paged(client: httpx.Client) -> None:
    asked = ask(client)
    told = ["queued", "in_progress", "failure", "success"]
    for state in told:
        tell(client, asked, state)
    path = f"{DEPLOYMENTS}/{asked['id']}/statuses"
    pages = [client.get(f"{path}?per_page=2&page={page}") for page in (1, 2, 3)]
    shown = [[one["state"] for one in page.json()] for page in pages]
    assert shown == [["success", "failure"], ["in_progress", "queued"], []]
    assert [pages_linked(page) for page in pages[:2]] == [
        {"next": "2", "last": "2"}, {"prev": "1", "first": "1"},
    ]  # fmt: skip


def test_the_last_page_is_the_last_that_has_something(client: httpx.Client) -> None:
    for number in range(4):
        ask(client, ref=f"b{number}")
    assert pages_linked(client.get(f"{DEPLOYMENTS}?per_page=2")) == {"next": "2", "last": "2"}
    assert pages_linked(client.get(f"{DEPLOYMENTS}?per_page=3")) == {"next": "2", "last": "2"}
    assert pages_linked(client.get(f"{DEPLOYMENTS}?per_page=4")) == {}


def test_only_an_inactive_deployment_is_deleted_by_an_admin(
    client: httpx.Client, client_with: Client
) -> None:
    asked = ask(client)
    path = f"{DEPLOYMENTS}/{asked['id']}"
    tell(client, asked, "success")
    refused = client.delete(path)
    assert (refused.status_code, list(refused.json())) == (422, ["message", "documentation_url"])
    assert client_with("deployments:write").delete(path).status_code == 403
    tell(client, asked, "inactive")
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404
    assert client.get("/api/v1/deployments").json()["items"] == client.get(DEPLOYMENTS).json() == []


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ("{}", 422, "ref"),
        ('{"ref": ""}', 422, "ref"),
        ('{"ref": "main", "sha": "no"}', 422, "sha"),
        ('{"ref": "main", "auto_merge": "yes"}', 422, "auto_merge"),
        ("[]", 422, ""),
        ("{", 400, None),
        ("", 422, ""),
    ],
)
def test_a_bad_request_is_refused_as_github_does(
    client: httpx.Client, body: str, status: int, field: str | None
) -> None:
    answered = client.post(DEPLOYMENTS, content=body)
    assert (answered.status_code, answered.headers["Content-Type"]) == (status, "application/json")
    problem = answered.json()
    if field is None:
        assert problem["message"] == "Problems parsing JSON"
    else:
        assert (problem["message"], problem["errors"][0]["field"]) == ("Validation Failed", field)
    assert client.get(DEPLOYMENTS).json() == []


def test_who_may_do_what(
    client: httpx.Client, client_with: Client, server: Server, organization: str
) -> None:
    asked = ask(client)
    reader, other = client_with("deployments:read"), client_with("deployments:write", "octocat/other")
    assert reader.get(DEPLOYMENTS).status_code == 200
    assert reader.post(DEPLOYMENTS, json={"ref": "main"}).status_code == 403
    assert client_with("metrics:read").get(DEPLOYMENTS).status_code == 403
    for answered in (
        other.get(DEPLOYMENTS),
        other.post(DEPLOYMENTS, json={"ref": "main"}),
        other.get("/repos/octocat/example"),
        client.get("/repos/octocat/other/deployments/" + str(asked["id"])),
        client.get(f"{DEPLOYMENTS}/x"),
        client.get("/repos/octocat/example/branches"),
    ):
        assert (answered.status_code, answered.json()["message"]) == (404, "Not Found")
    with server.client(server.token(org=f"{organization}-2")) as stranger:
        assert stranger.get(f"{DEPLOYMENTS}/{asked['id']}").status_code == 404
    for authorization in (None, "Bearer nonsense", "Basic eDp5"):
        headers = {} if authorization is None else {"Authorization": authorization}
        refused = httpx.get(f"{server.url}{DEPLOYMENTS}", headers=headers)
        assert (refused.status_code, refused.json()["message"]) == (401, "Bad credentials")
    token = server.token(org=organization)
    for authorization in (f"token {token}", f"bearer {token}"):
        allowed = httpx.get(f"{server.url}{DEPLOYMENTS}", headers={"Authorization": authorization})
        assert allowed.status_code == 200


def test_a_refused_request_is_among_the_rejected(client: httpx.Client) -> None:
    client.post(DEPLOYMENTS, json={})
    ask(client)

    def rejected() -> list[dict[str, Any]]:
        answered = client.get("/api/v1/quality")
        assert answered.status_code == 200, answered.text
        found: list[dict[str, Any]] = answered.json()["rejected"]
        return found

    # They are written down some seconds later.
    wait_until(rejected)
    (refused,) = rejected()
    assert (refused["repository"], refused["route"]) == ("octocat/example", DEPLOYMENTS)


def test_addresses_are_under_the_base_that_was_called(base: str, server: Server, organization: str) -> None:
    headers = {"Authorization": f"token {server.token(org=organization)}"}
    asked = httpx.post(f"{base}{DEPLOYMENTS}", json={"ref": "main"}, headers=headers).json()
    assert asked["url"] == f"{base}{DEPLOYMENTS}/{asked['id']}"
    told = httpx.post(asked["statuses_url"], json={"state": "success"}, headers=headers).json()
    assert httpx.get(told["deployment_url"], headers=headers).json()["id"] == asked["id"]
    assert httpx.get(told["repository_url"], headers=headers).json()["full_name"] == "octocat/example"


def test_the_public_address_is_the_one_that_is_set(tmp_path: Path) -> None:
    environment = {
        "TRACKER_PUBLIC_URL": "https://tracker.example/",
        "TRACKER_GITHUB_URL": "https://git.example",
    }
    with Server(tmp_path, **environment) as server, server.client(server.token()) as client:
        assert ask(client)["url"].startswith("https://tracker.example/repos/octocat/")
        assert record_of(client)["repository_url"] == "https://git.example/octocat/example"


# Clients as they are. PyGithub waits a second between two writes unless it is told not to.


@pytest.fixture
def pygithub(base: str, server: Server, organization: str) -> Iterator[Github]:
    token = server.token(org=organization)
    client = Github(
        auth=Auth.Token(token),
        base_url=base,
        seconds_between_writes=None,
        seconds_between_requests=None,
        retry=None,
    )
    yield client
    client.close()


def test_pygithub_works(pygithub: Github, server: Server) -> None:
    repository = pygithub.get_repo("acme/pygithub")
    asked = repository.create_deployment(
        "main", payload={"room": 7}, description="Release", environment="production", required_contexts=[]
    )
    assert (asked.ref, asked.sha, asked.payload, asked.creator.login) == (
        "main",
        "0" * 40,
        {"room": 7},
        "test",
    )
    assert asked.create_status("in_progress").description == ""
    told = asked.create_status("success", target_url="https://ci.example/1", description="done")
    assert (told.state, told.target_url, asked.get_status(told.id).description) == (
        "success", "https://ci.example/1", "done",
    )  # fmt: skip
    assert [one.state for one in asked.get_statuses()] == ["success", "in_progress"]
    for number in range(3):
        repository.create_deployment(f"topic-{number}")
    pygithub.per_page = 2
    assert [one.ref for one in repository.get_deployments()] == ["topic-2", "topic-1", "topic-0", "main"]
    assert repository.get_deployment(asked.id).updated_at >= asked.created_at
    with pytest.raises(UnknownObjectException):
        repository.get_deployment(987654321)
    with pytest.raises(GithubException, match="422"):
        asked.create_status("finished")
    strange = Github(auth=Auth.Token("no.such.token"), base_url=server.url, retry=None)
    with pytest.raises(BadCredentialsException):
        strange.get_repo("acme/pygithub")


def test_githubkit_works(base: str, server: Server, organization: str) -> None:
    client = githubkit.GitHub(
        githubkit.TokenAuthStrategy(server.token(org=organization)), base_url=f"{base}/"
    )
    repos = client.rest.repos
    asked = repos.create_deployment("acme", "githubkit", ref="main", payload={"room": 7}).parsed_data
    told = repos.create_deployment_status(
        "acme", "githubkit", asked.id, state="success", description="done"
    ).parsed_data
    assert (told.state, told.description, told.log_url) == ("success", "done", "")
    assert repos.get("acme", "githubkit").parsed_data.full_name == "acme/githubkit"
    assert [one.id for one in repos.list_deployments("acme", "githubkit").parsed_data] == [asked.id]
    assert repos.get_deployment_status("acme", "githubkit", asked.id, told.id).parsed_data.id == told.id
    repos.create_deployment_status("acme", "githubkit", asked.id, state="inactive")
    assert repos.delete_deployment("acme", "githubkit", asked.id).status_code == 204
    with pytest.raises(RequestFailed) as refused:
        repos.get_deployment("acme", "githubkit", asked.id)
    assert refused.value.response.status_code == 404


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_gidgethub_works(base: str, server: Server, organization: str, anyio_backend: str) -> None:
    assert anyio_backend == "asyncio"
    async with httpx.AsyncClient() as http:
        client = GitHubAPI(http, "tests", oauth_token=server.token(org=organization), base_url=base)
        asked = await client.post("/repos/acme/gidgethub/deployments", data={"ref": "main"})
        await client.post("/repos/acme/gidgethub/deployments", data={"ref": "topic"})
        told = await client.post(asked["statuses_url"], data={"state": "success"})
        assert (await client.getitem(told["deployment_url"]))["id"] == asked["id"]
        pages = "/repos/acme/gidgethub/deployments{?per_page}"
        listed = [one["ref"] async for one in client.getiter(pages, {"per_page": "1"})]
        assert listed == ["topic", "main"]
        with pytest.raises(BadRequest):
            await client.getitem("/repos/acme/gidgethub/deployments/987654321")


def test_octokit_works(base: str, server: Server, organization: str) -> None:
    require_package("@octokit/rest")
    (said,) = run_script("octokit.js", TOKEN=server.token(org=organization), BASE_URL=base)
    assert (said["deployment"]["ref"], said["deployment"]["payload"]) == ("main", {"room": 7})
    assert (said["status"]["state"], said["status"]["log_url"]) == ("success", "https://ci.example/1")
    assert said["refs"] == ["topic-2", "topic-1", "topic-0", "main"]
    assert said["refusal"] == {"name": "HttpError", "status": 404}


def test_a_status_says_where_it_was_deployed_after_all(client: httpx.Client) -> None:
    asked = ask(client, ref=COMMIT, environment="staging")
    told = tell(client, asked, "success", environment="production")
    assert told["environment"] == "production"
    assert record_of(client)["environment"] == "production"
    read = client.get(f"{DEPLOYMENTS}/{asked['id']}").json()
    assert (read["environment"], read["original_environment"]) == ("production", "staging")
    assert client.get("/api/v1/metrics/deployment_frequency").json()["deployments"] == 1
    assert [one["id"] for one in client.get(DEPLOYMENTS, params={"environment": "production"}).json()] == [
        asked["id"]
    ]


def test_a_region_that_is_said_to_be_production_counts(client: httpx.Client) -> None:
    tell(client, ask(client, ref=COMMIT, environment="prod-eu", production_environment=True), "success")
    assert client.get("/api/v1/metrics/deployment_frequency").json()["deployments"] == 1


@pytest.mark.parametrize(
    ("ref", "branch", "version"),
    [
        ("v1.2.3", None, "v1.2.3"), ("1.4", None, "1.4"), ("v2.0.0-rc.1", None, "v2.0.0-rc.1"), ("refs/tags/nightly", None, "nightly"),
        ("main", "main", None), ("refs/heads/v1.2.3", "v1.2.3", None), ("release-1.2", "release-1.2", None), ("v1", "v1", None),
    ],
)  # fmt: skip
def test_a_tag_is_the_version_and_a_branch_is_none(
    client: httpx.Client, ref: str, branch: str | None, version: str | None
) -> None:
    assert ask(client, ref=ref)["ref"] == ref
    assert (record_of(client)["branch"], record_of(client)["version"]) == (branch, version)


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
def test_what_clients_ask_first_is_answered(server: Server, organization: str, prefix: str) -> None:
    token = server.token("deployments:write", organization, subject="mona")
    with server.client(token) as client:
        assert client.get(f"{prefix}/user").json()["login"] == "mona"
        assert client.get(f"{prefix}/rate_limit").json()["rate"]["remaining"] > 0
        assert client.get(f"{prefix}/meta").status_code == 200
        if prefix:
            assert client.get(f"{prefix}/").json()["current_user_url"].endswith("/api/v3/user")
    with server.client() as nobody:
        assert nobody.get(f"{prefix}/user").json()["message"] == "Bad credentials"


def test_head_is_get_without_its_body(client: httpx.Client) -> None:
    number = ask(client)["id"]
    for path in (
        DEPLOYMENTS,
        f"{DEPLOYMENTS}/{number}",
        f"{DEPLOYMENTS}/{number}/statuses",
        "/user",
        "/api/v1/deployments",
        "/healthz",
        "/readyz",
        "/metrics",
    ):
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert client.head(f"{DEPLOYMENTS}/999999").status_code == 404


def test_what_has_not_changed_is_not_sent_again(client: httpx.Client) -> None:
    asked = ask(client)
    path = f"{DEPLOYMENTS}/{asked['id']}"
    tag = client.get(path).headers["ETag"]
    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    tell(client, asked, "success", environment="blue")
    changed = client.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)
    assert "ETag" not in client.get(f"{DEPLOYMENTS}/999999").headers


def test_a_token_may_come_as_a_password(server: Server, organization: str) -> None:
    token = server.token("admin", organization)
    with server.client() as client:
        assert client.get(DEPLOYMENTS, auth=("mona", token)).status_code == 200
        assert client.get(DEPLOYMENTS, auth=("mona", "wrong")).status_code == 401
        for header in ("Basic", "Basic !!!", "Basic bW9uYQ==", "Basic //8="):
            assert client.get(DEPLOYMENTS, headers={"Authorization": header}).status_code == 401
        # The native interface has one way in.
        assert client.get("/api/v1/deployments", auth=("mona", token)).status_code == 401


def test_no_page_size_is_the_default(client: httpx.Client) -> None:
    for _ in range(31):
        ask(client)
    assert len(client.get(DEPLOYMENTS, params={"per_page": "0"}).json()) == 30


def test_pygithub_knows_who_it_is_and_what_it_may(pygithub: Github) -> None:
    assert pygithub.get_user().login == "test"
    assert pygithub.get_rate_limit().resources.core.remaining > 0
    assert pygithub.rate_limiting[0] > 0


def test_everybodys_picture_is_there(client: httpx.Client, server: Server) -> None:
    address = ask(client)["creator"]["avatar_url"]
    assert address == f"{server.url}/static/mark.svg"
    assert client.get(address).headers["Content-Type"].startswith("image/svg+xml")
