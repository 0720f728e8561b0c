"""The pipeline goes on, nothing is lost and nothing doubled, whatever becomes of the service meanwhile."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.answering import Answer, Answering, Asked
from tests.git_repository import START, Repository
from tests.pipeline import Job
from tests.server import Server
from tests.tracker.client.test_systems import GITHUB
from tracker.client.spool import Kept, Spool

LAST, DEPLOYMENTS = "/api/v1/deployments/last", "/api/v1/deployments"
NOTHING = Answer(200, {"environment": "production", "deployed": [], "fix_patterns": []})
TAKEN = Answer(201, {"id": "1", "warnings": []})


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "hello-world")
    made.commit("one", 0)
    return made


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def job(repository: Repository, spool: Path) -> Job:
    return Job(repository.folder, GITHUB | {
        "GITHUB_SHA": repository.head(), "TRACKER_TOKEN": "a.b.c", "TRACKER_SPOOL_DIR": str(spool), "TRACKER_TIMEOUT": "1.5",
    })  # fmt: skip


def kept(spool: Path) -> list[dict[str, Any]]:
    return [json.loads(json.loads(file.read_text())["body"]) for file in sorted(spool.rglob("*.json"))]


def posted(server: Answering) -> list[Asked]:
    return [one for one in server.asked if one.method == "POST"]


def answering(*answers: Answer) -> Callable[[Asked], Answer]:
    """To each post the next of the answers, the last one from then on; nothing was deployed before."""
    left = list(answers)
    return lambda asked: NOTHING if asked.method == "GET" else left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def unused_url() -> str:
    with Answering(lambda _: TAKEN) as server:
        return server.url


UNREACHABLE = {
    "refused": None,
    "no such host": "http://tracker.invalid",
    "no address at all": "nonsense",
    "not even that": "http://[",
}


@pytest.mark.parametrize("url", UNREACHABLE.values(), ids=UNREACHABLE)
def test_a_service_that_cannot_be_reached_costs_seconds_and_no_record(
    job: Job, spool: Path, unused_url: str, url: str | None
) -> None:
    began = time.monotonic()
    done = job.run("--spool", str(spool), "start", TRACKER_URL=url or unused_url)
    assert time.monotonic() - began < 20
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert f"kept in {spool}" in done.stderr
    assert [one["status"] for one in kept(spool)] == ["in_progress"]


TROUBLE = {
    "503": Answer(503, {"detail": "away"}, {"Retry-After": "0"}),
    "429": Answer(429, b"slow down", {"Retry-After": "0"}),
    "502 of a proxy": Answer(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
    "first one under way": Answer(409, {"type": "urn:tracker:problem:idempotency-key-under-way", "detail": "wait"}),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_trouble_that_passes_is_waited_for_under_one_key(job: Job, spool: Path, trouble: Answer) -> None:
    with Answering(answering(trouble, trouble, TAKEN)) as server:
        done = job.run("--strict", "--timeout", "60", TRACKER_URL=server.url)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "recorded: " in done.stderr
    assert len(posted(server)) == 3
    assert len({one.headers["idempotency-key"] for one in posted(server)}) == 1
    assert len({one.body for one in posted(server)}) == 1
    assert kept(spool) == []


def test_a_service_says_how_long_to_wait(job: Job) -> None:
    began = time.monotonic()
    with Answering(answering(Answer(503, {"detail": "away"}, {"Retry-After": "3"}), TAKEN)) as server:
        job.run("--timeout", "60", TRACKER_URL=server.url)
    assert len(posted(server)) == 2
    assert time.monotonic() - began >= 3


TO_BE_MENDED = {
    "the token has expired": Answer(401, {"detail": "the token has expired"}),
    "insufficient_scope": Answer(403, {"detail": "insufficient_scope: this needs the scope deployments:write"}),
    "https://tracker.example: set TRACKER_URL to that": Answer(301, b"", {"Location": "https://tracker.example"}),
    "is TRACKER_URL right?": Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
    "404 Not Found": Answer(404, b"nothing here", {"Content-Type": "text/plain"}),
}  # fmt: skip


@pytest.mark.parametrize(("said", "answer"), TO_BE_MENDED.items())
def test_what_has_to_be_mended_is_said_once_and_the_record_kept(
    job: Job, spool: Path, said: str, answer: Answer
) -> None:
    with Answering(lambda _: answer) as server:
        done = job.run(TRACKER_URL=server.url)
    assert (done.returncode, done.stderr.count("\n"), len(posted(server))) == (0, 1, 1)
    assert said in done.stderr
    assert len(kept(spool)) == 1


def test_a_record_that_is_wrong_is_not_sent_again(job: Job, spool: Path) -> None:
    refusal = Answer(400, {"detail": "no", "errors": [{"pointer": "/environment", "detail": "is too long"}]})
    with Answering(answering(refusal)) as server:
        done = job.run(TRACKER_URL=server.url)
    assert len(posted(server)) == 1
    assert "400 /environment is too long" in done.stderr
    assert kept(spool) == []


def test_a_slow_service_is_left_after_a_while(job: Job, spool: Path) -> None:
    began = time.monotonic()
    with Answering(lambda _: Answer(201, {"id": "1"}, seconds=8.0)) as server:
        done = job.run("start", TRACKER_URL=server.url)
        assert time.monotonic() - began < 18
    assert "does not answer in time" in done.stderr
    assert len(kept(spool)) == 1


def test_what_was_kept_is_sent_by_the_next_call_as_it_was(
    client: httpx.Client,
    server: Server,
    organization: str,
    job: Job,
    repository: Repository,
    spool: Path,
    unused_url: str,
) -> None:
    there = {"TRACKER_URL": server.url, "TRACKER_TOKEN": server.token("deployments:write", organization)}
    job.run(**there, GITHUB_RUN_ID="1")
    carried = repository.commit("two", 1)
    job.run("start", TRACKER_URL=unused_url, GITHUB_RUN_ID="2", GITHUB_SHA=carried)
    # The address is another one then; what waits is for the service that it was meant for.
    for file in spool.rglob("*.json"):
        _move(file, spool, unused_url, server.url)
    newest = repository.commit("three", 2)
    done = job.run(**there, GITHUB_RUN_ID="3", GITHUB_SHA=newest)
    assert "sent 1 kept from before" in done.stderr
    assert kept(spool) == []
    items = client.get(DEPLOYMENTS).json()["items"]
    assert {one["deployment_node_id"]: (one["status"], [c["sha"] for c in one["commits"]]) for one in items} == {
        "github:1:1": ("success", []), "github:2:1": ("in_progress", [carried]), "github:3:1": ("success", [newest, carried]),
    }  # fmt: skip


def _move(file: Path, spool: Path, before: str, now: str) -> None:
    url = "https://github.com/octocat/hello-world"
    assert file.parent == Spool.of(spool, before, url).folder
    target = Spool.of(spool, now, url).folder
    target.mkdir(parents=True, exist_ok=True)
    file.rename(target / file.name)


def test_a_record_whose_answer_was_lost_is_there_once(
    client: httpx.Client, server: Server, organization: str, job: Job, spool: Path
) -> None:
    """A proxy hands the record on and loses the answer: the record is kept, sent again, and known already."""
    token = server.token("deployments:write", organization)

    def lose(asked: Asked) -> Answer:
        headers = {
            n: asked.headers[n]
            for n in ("authorization", "idempotency-key", "content-type")
            if n in asked.headers
        }
        answered = httpx.request(asked.method, server.url + asked.path, headers=headers, content=asked.body)
        if asked.method == "POST" and losing:
            return Answer(504, b"")
        return Answer(answered.status_code, answered.json())

    with Answering(lose) as proxy:
        losing = True
        job.run("start", "--id", "run-1", TRACKER_URL=proxy.url, TRACKER_TOKEN=token)
        assert len(kept(spool)) == 1
        losing = False
        job.run("finish", "--id", "run-1", TRACKER_URL=proxy.url, TRACKER_TOKEN=token)
    assert kept(spool) == []
    assert [one["status"] for one in client.get(DEPLOYMENTS).json()["items"]] == ["success"]


def test_when_the_record_cannot_even_be_kept_the_log_has_it(job: Job, spool: Path, unused_url: str) -> None:
    spool.mkdir()
    blocked = spool / "file"
    blocked.write_text("no folder")
    done = job.run("start", "--spool", str(blocked), TRACKER_URL=unused_url)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "could not be kept" in done.stderr
    assert json.loads(done.stderr[done.stderr.index("{") :])["deployment_node_id"] == "github:1658821493:1"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open
    monkeypatch.setattr(os, "open", lambda *_: real("/dev/full", os.O_WRONLY))
    with pytest.raises(OSError, match="No space left"):
        Spool(tmp_path / "full").keep(Kept("/path", "body" * 10_000, "key"))
    monkeypatch.undo()
    assert list(Spool(tmp_path / "full").waiting()) == []


def test_a_damaged_file_among_those_that_wait_is_removed_and_the_others_are_sent(
    job: Job, spool: Path
) -> None:
    with Answering(lambda _: Answer(503, {"detail": "away"})) as server:
        url = server.url
        server.answer = lambda _: Answer(401, {"detail": "expired"})
        job.run("start", TRACKER_URL=url)
        (file,) = spool.rglob("*.json")
        file.with_name("0-damaged.json").write_text("{")
        server.answer = answering(TAKEN)
        done = job.run(TRACKER_URL=url)
    assert "sent 1 kept from before" in done.stderr
    assert list(spool.rglob("*.json")) == []


def test_what_waits_is_readable_by_its_owner_alone_and_holds_no_token(
    job: Job, spool: Path, unused_url: str
) -> None:
    job.run("start", TRACKER_URL=unused_url, TRACKER_TOKEN="very.secret.token")
    (file,) = spool.rglob("*.json")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "secret" not in file.read_text()


def test_a_proxy_that_the_environment_names_is_used(job: Job) -> None:
    with Answering(answering(TAKEN)) as proxy:
        done = job.run(
            TRACKER_URL="http://tracker.invalid",
            HTTP_PROXY=proxy.url,
            http_proxy=proxy.url,
            NO_PROXY="",
            no_proxy="",
        )
    assert "recorded: " in done.stderr
    assert {one.path.partition("?")[0] for one in proxy.asked} == {
        f"http://tracker.invalid{LAST}",
        f"http://tracker.invalid{DEPLOYMENTS}",
    }


def test_a_token_that_is_about_to_expire_is_told_of(job: Job) -> None:
    soon = Answer(201, {"id": "1", "warnings": []}, {"Tracker-Token-Expires": "2026-03-09T00:00:00+00:00"})
    with Answering(answering(soon)) as server:
        done = job.run(TRACKER_URL=server.url)
    assert "the token expires at 2026-03-09T00:00:00+00:00: renew it" in done.stderr


def test_what_others_say_cannot_steer_the_terminal(job: Job) -> None:
    with Answering(answering(Answer(400, {"detail": "\x1b[2J\x1b]0;owned\x07 no"}))) as server:
        done = job.run(TRACKER_URL=server.url)
    assert "\x1b" not in done.stderr
    assert "no" in done.stderr


def test_where_commits_could_not_be_asked_for_they_are_collected_when_it_is_sent(
    job: Job, repository: Repository, spool: Path
) -> None:
    base = repository.head()
    carried = repository.commit("two", 1)
    deployed = Answer(
        200,
        {
            "environment": "production",
            "deployed": [{"commit_id": base, "finished_at": START.isoformat()}],
            "fix_patterns": [],
        },
    )
    with Answering(lambda _: Answer(401, {"detail": "expired"})) as server:
        job.run(TRACKER_URL=server.url, GITHUB_SHA=carried)
        assert "commits" not in kept(spool)[0]
        server.answer = lambda asked: deployed if asked.method == "GET" else TAKEN
        job.run(TRACKER_URL=server.url, GITHUB_SHA=carried, GITHUB_RUN_ID="2")
    first = posted(server)[1]
    assert [one["sha"] for one in first.json()["commits"]] == [carried]


NOT_REACHED = {
    "of another repository": Answer(403, {"detail": "insufficient_scope"}),
    "of another run": Answer(400, {"type": "urn:tracker:problem:not-proved", "detail": "is not that of the token"}),
}  # fmt: skip


@pytest.mark.parametrize("answer", NOT_REACHED.values(), ids=NOT_REACHED)
def test_what_this_jobs_token_does_not_reach_waits_for_one_that_does(
    job: Job, spool: Path, unused_url: str, answer: Answer
) -> None:
    job.run(TRACKER_URL=unused_url, GITHUB_RUN_ID="1")
    (waiting,) = kept(spool)
    with Answering(lambda _: TAKEN) as server:
        for file in list(spool.rglob("*.json")):
            _move(file, spool, unused_url, server.url)
        of_before = waiting["deployment_node_id"]
        server.answer = lambda asked: (
            NOTHING if asked.method == "GET" else answer if of_before in asked.body.decode() else TAKEN
        )
        done = job.run(TRACKER_URL=server.url, GITHUB_RUN_ID="2")
        assert "wait for a token that reaches them" in done.stderr
        assert [one["deployment_node_id"] for one in kept(spool)] == [of_before]
        server.answer = lambda asked: NOTHING if asked.method == "GET" else TAKEN
        assert "sent 1 kept from before" in job.run(TRACKER_URL=server.url, GITHUB_RUN_ID="3").stderr
    assert kept(spool) == []


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "t\u00f6ken"])
def test_a_token_that_was_not_pasted_whole_is_not_sent_and_not_said(
    job: Job, spool: Path, token: str
) -> None:
    with Answering(lambda _: TAKEN) as server:
        done = job.run(TRACKER_URL=server.url, TRACKER_TOKEN=token)
    assert "was it pasted whole?" in done.stderr
    assert token not in done.stderr
    assert (server.asked, len(kept(spool))) == ([], 1)


def test_whatever_goes_wrong_in_the_client_the_command_is_run(job: Job, tmp_path: Path) -> None:
    no_list = Answer(200, {"environment": "production", "deployed": 1, "fix_patterns": []})
    with Answering(lambda asked: no_list if asked.method == "GET" else TAKEN) as server:
        done = job.run("--", "touch", str(tmp_path / "deployed"), TRACKER_URL=server.url)
    assert (done.returncode, (tmp_path / "deployed").exists()) == (0, True)
    assert "not recorded: TypeError" in done.stderr


@pytest.mark.parametrize("arguments", [["start", "--", "true"], ["--"]], ids=" ".join)
def test_a_command_to_run_stands_alone(job: Job, unused_url: str, arguments: list[str]) -> None:
    done = job.run(*arguments, TRACKER_URL=unused_url)
    assert (done.returncode, "--" in done.stderr) == (2, True)


def test_githubs_own_token_is_asked_for_when_there_is_no_other(job: Job) -> None:
    with (
        Answering(lambda _: Answer(200, {"value": "header.payload.signature"})) as issuer,
        Answering(answering(TAKEN)) as server,
    ):
        asking = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner-token",
        }
        job.run(TRACKER_URL=f"{server.url}/", TRACKER_TOKEN="", **asking)
    (asked,) = issuer.asked
    assert (
        asked.path
        == f"/token?api-version=2.0&audience=http%3A%2F%2F{server.url.removeprefix('http://').replace(':', '%3A')}"
    )
    assert asked.headers["authorization"] == "Bearer runner-token"
    assert {one.headers["authorization"] for one in server.asked} == {"Bearer header.payload.signature"}


@pytest.mark.parametrize(
    "answer", [Answer(500, b""), Answer(200, b"no JSON"), Answer(200, {"other": 1}), Answer(200, [])]
)
def test_without_a_token_the_record_waits(job: Job, spool: Path, unused_url: str, answer: Answer) -> None:
    with Answering(lambda _: answer) as issuer:
        asking = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/?a=b",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner-token",
        }
        done = job.run(TRACKER_URL=unused_url, TRACKER_TOKEN="", **asking)
    assert "gives no OIDC token" in done.stderr
    assert len(kept(spool)) == 1


def _program(folder: Path, name: str, prints: str) -> None:
    """A program of the CI system that writes down how it was called."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\necho "$@" > {folder}/called\necho {prints}\n')
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("marker", "program", "called"),
    [
        ({"CIRCLECI": "true", "CIRCLE_OIDC_TOKEN_V2": "another"}, "circleci", 'run oidc get --claims {"aud": "URL"}'),
        ({"BUILDKITE": "true"}, "buildkite-agent", "oidc request-token --audience URL"),
    ],
)  # fmt: skip
def test_tokens_that_a_program_of_the_system_prints(
    job: Job, tmp_path: Path, marker: dict[str, str], program: str, called: str
) -> None:
    _program(tmp_path / "bin", program, "printed.by.it")
    with Answering(answering(TAKEN)) as server:
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        job.run(
            "--commit",
            "a" * 40,
            "--id",
            "1",
            "--repository-url",
            "https://github.com/a/b",
            TRACKER_URL=server.url,
            TRACKER_TOKEN="",
            GITHUB_ACTIONS="",
            PATH=path,
            **marker,
        )
    assert (tmp_path / "bin" / "called").read_text().strip() == called.replace("URL", server.url)
    assert posted(server)[0].headers["authorization"] == "Bearer printed.by.it"


@pytest.mark.parametrize("name", ["TRACKER_ID_TOKEN", "BITBUCKET_STEP_OIDC_TOKEN"])
def test_tokens_that_stand_in_a_variable(job: Job, name: str) -> None:
    with Answering(answering(TAKEN)) as server:
        job.run(TRACKER_URL=server.url, TRACKER_TOKEN="", **{name: "in.a.variable"})
    assert posted(server)[0].headers["authorization"] == "Bearer in.a.variable"


def test_azures_own_token_is_posted_for(job: Job) -> None:
    with (
        Answering(lambda _: Answer(200, {"oidcToken": "of.azure.pipelines"})) as issuer,
        Answering(answering(TAKEN)) as server,
    ):
        job.run(
            TRACKER_URL=server.url,
            TRACKER_TOKEN="",
            SYSTEM_OIDCREQUESTURI=f"{issuer.url}/oidctoken",
            SYSTEM_ACCESSTOKEN="mapped",
        )
    (asked,) = issuer.asked
    assert (asked.method, asked.path, asked.headers["authorization"]) == (
        "POST",
        "/oidctoken?api-version=7.1",
        "Bearer mapped",
    )
    assert posted(server)[0].headers["authorization"] == "Bearer of.azure.pipelines"
