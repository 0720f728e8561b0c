"""The runner on real work: a repository on this host, and scripts that succeed, fail, hang, talk or fork."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from metrics.domain.repositories import RepositoryUrlError
from tests.conftest import Book, now
from tests.server import TRACKER, clean_environment, run_tracker
from tests.site import Site, ask, job_of, log_of, record_of, run_all, runner_of, workspace_of
from tests.waiting import wait_until
from tracker.deployments.steps import Step, StepStatus, report_steps, steps_of
from tracker.jobs.queue import MOST_LOSSES, JobStatus, claim_job, delete_job, stop_job
from tracker.jobs.workspaces import create_workspace, read_location, require_branch
from tracker.records.engine import write_transaction
from tracker.records.ledger import Author


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def is_alive(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
        state = Path(f"/proc/{process_id.strip()}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_a_job_that_succeeds_is_a_deployment_like_any_other(book: Book, site: Site, tmp_path: Path) -> None:
    commit = site.commit('echo "at $COMMIT_ID of $BRANCH for $WORKSPACE"; echo oops >&2; printf "no newline"')
    workspace = workspace_of(book, site.bare, service="web")
    job = ask(book, workspace)
    run_all(runner_of(book, tmp_path / "runner"))
    after = job_of(book, job)
    assert (after.status, after.exit_code, after.commit_id, after.attempt) == (
        JobStatus.COMPLETE,
        0,
        commit,
        0,
    )
    said = log_of(book.engine, job)
    assert said[2:] == [f"at {commit} of main for {workspace.name}", "oops", "no newline"]
    assert after.lines == len(said) == 5
    record = record_of(book, job)
    assert (record["status"], record["commit_id"], record["triggered_by"]) == ("success", commit, "job")
    assert (record["service"], record["branch"], record["environment"]) == ("web", "main", "production")
    assert (record["started_at"], record["finished_at"]) == (after.started_at, after.ended_at)
    with book.engine.connect() as connection:
        steps = steps_of(connection, after.deployment_id)
    assert [(one.step_name, one.status) for one in steps] == [
        ("DEPLOYMENT_QUEUEING", "SUCCESS"), ("GIT_CLONE", "SUCCESS"), ("DEPLOYMENT", "SUCCESS"),
    ]  # fmt: skip
    frequency: Any = book.ask(from_="2026-01-01")["deployment_frequency"].row
    assert (frequency.deployments, frequency.durations) == (1, 1)
    assert list((tmp_path / "runner").iterdir()) == []


def test_a_commit_that_is_named_is_what_is_deployed(book: Book, site: Site, tmp_path: Path) -> None:
    old = site.commit("echo old")
    site.commit("echo new")
    workspace = workspace_of(book, f"file://{site.bare}")
    job, by_part = ask(book, workspace, commit_id=old), ask(book, workspace, commit_id=old[:10])
    unknown = ask(book, workspace, commit_id="f" * 40)
    image = ask(book, workspace, image_tag="shop:1.2")
    run_all(runner_of(book, tmp_path / "runner"))
    assert log_of(book.engine, job)[-1] == log_of(book.engine, by_part)[-1] == "old"
    assert job_of(book, by_part).commit_id == old
    assert (job_of(book, unknown).status, job_of(book, unknown).deployment_id) == (JobStatus.ERROR, None)
    assert "cannot be checked out" in log_of(book.engine, unknown)[-1]
    record = record_of(book, image)
    assert (record["version"], record["commit_id"]) == ("shop:1.2", None)


def test_a_command_that_fails_is_tried_as_often_as_is_set(book: Book, site: Site, tmp_path: Path) -> None:
    counter = tmp_path / "count"
    site.commit(f'echo x >> {counter}; [ "$(wc -l < {counter})" -ge 3 ] || exit 7')
    job = ask(book, workspace_of(book, site.bare, max_attempts=2))
    run_all(runner_of(book, tmp_path / "runner"))
    after = job_of(book, job)
    assert (after.status, after.attempt, after.exit_code) == (JobStatus.COMPLETE, 2, 0)
    assert record_of(book, job)["status"] == "success"
    counter.unlink()
    once = ask(book, workspace_of(book, site.bare))
    run_all(runner_of(book, tmp_path / "runner"))
    assert (job_of(book, once).status, job_of(book, once).exit_code) == (JobStatus.ERROR, 7)
    assert record_of(book, once)["status"] == "fail"
    rate: Any = book.ask(from_="2026-01-01")["change_failure_rate"].row
    assert (rate.denominator, rate.did_not_reach_production) == (1, 1)


def test_a_command_has_its_time(book: Book, site: Site, tmp_path: Path) -> None:
    site.commit("trap '' TERM; echo begun; sleep 600 & wait; sleep 600")
    job = ask(book, workspace_of(book, site.bare, time_limit_seconds=2))
    # Which fails where it waits for the command, and not where the host is slow.
    run_all(runner_of(book, tmp_path / "runner", grace=1))
    assert (job_of(book, job).status, job_of(book, job).exit_code) == (JobStatus.ERROR, None)
    assert "time limit of 2 seconds" in log_of(book.engine, job)[-1]


@pytest.mark.parametrize("stubborn", [False, True])
def test_stopping_a_job_ends_all_its_children(book: Book, site: Site, tmp_path: Path, stubborn: bool) -> None:
    pids = tmp_path / "pids"
    trap = "trap '' TERM; " if stubborn else ""
    site.commit(
        f"{trap}for i in 1 2 3; do (sleep 300 & echo $! >> {pids}; wait) & echo $! >> {pids}; done; echo up; wait; sleep 300"
    )
    job = ask(book, workspace_of(book, site.bare))
    thread = threading.Thread(target=run_all, args=(runner_of(book, tmp_path / "runner", grace=1),))
    thread.start()
    wait_until(lambda: "up" in log_of(book.engine, job) and len(pids.read_text().split()) == 6)
    assert all(map(is_alive, pids.read_text().split()))
    book.recorder.record_now(lambda ledger: stop_job(ledger, job_of(book, job)))
    thread.join(60)
    assert not thread.is_alive()
    after = job_of(book, job)
    assert (after.status, log_of(book.engine, job)[-1]) == (JobStatus.STOPPED, "[runner] Stopped.")
    wait_until(lambda: not any(map(is_alive, pids.read_text().split())))
    assert record_of(book, job)["status"] == "cancelled"


@pytest.mark.on_one_database
@pytest.mark.parametrize("command", ["sh deploy.sh", "cd . && sh deploy.sh; true", "exec sh deploy.sh"])
@pytest.mark.parametrize("stopped", [True, False])
def test_a_command_has_time_to_put_things_right(
    book: Book, site: Site, tmp_path: Path, command: str, stopped: bool
) -> None:
    site.commit("trap 'sleep 1; echo cleaned; printf last; exit 1' TERM; echo up; sleep 300 & wait")
    limit = 3_600 if stopped else 2
    job = ask(book, workspace_of(book, site.bare, command=command, time_limit_seconds=limit))
    thread = threading.Thread(target=run_all, args=(runner_of(book, tmp_path / "runner", grace=10),))
    thread.start()
    wait_until(lambda: "up" in log_of(book.engine, job))
    if stopped:
        book.recorder.record_now(lambda ledger: stop_job(ledger, job_of(book, job)))
    thread.join(60)
    assert not thread.is_alive()
    assert log_of(book.engine, job)[-3:-1] == ["cleaned", "last"]
    assert job_of(book, job).status is (JobStatus.STOPPED if stopped else JobStatus.ERROR)


def test_a_stop_holds_over_retries(book: Book, site: Site, tmp_path: Path) -> None:
    site.commit(f"echo x >> {tmp_path}/tries; echo up; sleep 0.5; exit 1")
    job = ask(book, workspace_of(book, site.bare, max_attempts=3))
    thread = threading.Thread(target=run_all, args=(runner_of(book, tmp_path / "runner"),))
    thread.start()
    wait_until(lambda: "up" in log_of(book.engine, job))
    book.recorder.record_now(lambda ledger: stop_job(ledger, job_of(book, job)))
    thread.join(60)
    assert job_of(book, job).status is JobStatus.STOPPED
    assert len((tmp_path / "tries").read_text().split()) == 1


def test_what_is_done_to_the_record_meanwhile_stops_no_runner(book: Book, site: Site, tmp_path: Path) -> None:
    """It may be deleted, corrected to what does not go with the outcome, or recorded before."""
    site.commit(f"echo up; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done")
    ahead, gone, taken = (ask(book, workspace_of(book, site.bare)) for _ in range(3))
    book.deploy(deployment_node_id=taken.id, repository_url=f"https://localhost{site.bare}", status="fail")
    thread = threading.Thread(
        target=run_all, args=(runner_of(book, tmp_path / "one"), runner_of(book, tmp_path / "two"))
    )
    thread.start()
    wait_until(lambda: "up" in log_of(book.engine, ahead) and "up" in log_of(book.engine, gone))
    later = now() + timedelta(hours=5)
    book.correct(record_of(book, ahead)["id"], started_at=later.isoformat())
    book.delete(record_of(book, gone)["id"])
    (tmp_path / "go").touch()
    thread.join(60)
    assert not thread.is_alive()
    ended = [job_of(book, job).status for job in (ahead, gone, taken)]
    assert ended == [JobStatus.COMPLETE, JobStatus.COMPLETE, JobStatus.ERROR]


def test_the_changes_since_the_last_deployment_have_lead_times(
    book: Book, site: Site, tmp_path: Path
) -> None:
    workspace = workspace_of(book, site.bare)
    commits = []
    for changes in (1, 3, 1):
        commits += [site.commit(f"echo {len(commits)} {number}") for number in range(changes)]
        ask(book, workspace)
        run_all(runner_of(book, tmp_path / "runner"))
    lead: Any = book.ask(from_="2026-01-01")["lead_time_for_changes"].row
    # Of the first deployment nobody knows what was there before.
    assert (lead.commits, lead.coverage) == (4, 2 / 3)
    assert 0 <= lead.value < 600
    back = ask(book, workspace, commit_id=commits[0])
    run_all(runner_of(book, tmp_path / "runner"))
    assert record_of(book, back)["commits"] in ([], "[]")


def test_the_changes_are_those_since_the_organizations_own_last_deployment(
    book: Book, site: Site, tmp_path: Path
) -> None:
    own = workspace_of(book, site.bare)
    others = book.recorder.record_now(
        lambda ledger: create_workspace(
            ledger, Author("other", "test"), location=read_location(str(site.bare)),
            name="shop", command="sh deploy.sh",
        )
    )  # fmt: skip
    commits = []
    for number, workspace in enumerate((own, others, own)):
        commits.append(site.commit(f"echo {number}"))
        job = ask(book, workspace)
        run_all(runner_of(book, tmp_path / "runner"))
    carried = record_of(book, job)["commits"]
    told = json.loads(carried) if isinstance(carried, str) else carried
    assert {one["sha"] for one in told} == set(commits[1:])


def test_git_that_says_much_is_heard_out(book: Book, site: Site, tmp_path: Path) -> None:
    (site.work / ".gitattributes").write_text("!pattern text\n" * 3_000)
    site.commit("echo done")
    job = ask(book, workspace_of(book, site.bare, time_limit_seconds=30))
    run_all(runner_of(book, tmp_path / "runner"))
    assert job_of(book, job).status is JobStatus.COMPLETE


def test_steps_that_ci_has_reported_are_kept(book: Book, site: Site, tmp_path: Path) -> None:
    site.commit(f"echo up; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done")
    job = ask(book, workspace_of(book, site.bare))
    thread = threading.Thread(target=run_all, args=(runner_of(book, tmp_path / "runner"),))
    thread.start()
    wait_until(lambda: "up" in log_of(book.engine, job))
    built = Step("BUILD", StepStatus.SUCCESS, 7)
    deployment_id = str(record_of(book, job)["id"])
    book.recorder.record_now(
        lambda ledger: report_steps(ledger, Author("acme", "ci"), deployment_id, [built])
    )
    (tmp_path / "go").touch()
    thread.join(60)
    with book.engine.connect() as connection:
        names = [step.step_name for step in steps_of(connection, deployment_id)]
    assert names == ["DEPLOYMENT_QUEUEING", "GIT_CLONE", "DEPLOYMENT", "BUILD"]


def test_what_a_killed_runner_has_left_is_removed(book: Book, site: Site, tmp_path: Path) -> None:
    site.commit("echo done")
    job = ask(book, workspace_of(book, site.bare))
    run_all(runner_of(book, tmp_path / "runner"))
    for name in (f"{job.id}-left", "own"):
        (tmp_path / "runner" / name).mkdir()
    run_all(runner_of(book, tmp_path / "runner"))
    assert [left.name for left in (tmp_path / "runner").iterdir()] == ["own"]


def test_what_a_command_leaves_behind_ends_with_it(book: Book, site: Site, tmp_path: Path) -> None:
    site.commit(f"sleep 600 & echo $! > {tmp_path}/pid; echo done")
    job = ask(book, workspace_of(book, site.bare))
    # Which fails where it waits for what is left behind, and not where the host is slow.
    run_all(runner_of(book, tmp_path / "runner"))
    assert job_of(book, job).status is JobStatus.COMPLETE
    wait_until(lambda: not is_alive((tmp_path / "pid").read_text()))


def test_a_deleted_job_is_stopped(book: Book, site: Site, tmp_path: Path) -> None:
    site.commit("echo up; sleep 300")
    job = ask(book, workspace_of(book, site.bare))
    thread = threading.Thread(target=run_all, args=(runner_of(book, tmp_path / "runner"),))
    thread.start()
    wait_until(lambda: "up" in log_of(book.engine, job))
    book.recorder.record_now(lambda ledger: delete_job(ledger, job_of(book, job)))
    thread.join(60)
    assert not thread.is_alive()
    assert job_of(book, job).status is JobStatus.STOPPED


# The most memory that a runner has had, in kilobytes.
MEASURED = """
import resource
from tracker.cli.main import tracker
tracker(["runner", "--once"], standalone_mode=False)
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_of_runner(book: Book, folder: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], cwd=folder, env=clean_environment() | {"TRACKER_DATABASE_URL": book.url},
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    return int(done.stdout.split()[-1])


@pytest.mark.long
def test_a_hundred_thousand_lines_are_all_there_and_take_no_memory(
    book: Book, site: Site, tmp_path: Path
) -> None:
    workspace = workspace_of(book, site.bare)
    site.commit("echo little")
    ask(book, workspace)
    little = peak_of_runner(book, tmp_path)
    site.commit(
        "seq 1 100000; head -c 30000 /dev/zero | tr '\\0' x; echo; printf 'a\\000b\\r\\n\\377\\n'; yes é | head -9000 | tr -d '\\n'"
    )
    job = ask(book, workspace)
    grown = (peak_of_runner(book, tmp_path) - little) / 1_024
    said = log_of(book.engine, job)[2:]
    assert said[:100_000] == [str(number) for number in range(1, 100_001)]
    assert said[100_000:100_004] == ["x" * 8_000] * 3 + ["x" * 6_000]
    assert said[100_004:100_006] == ["a\ufffdb", "\ufffd"]
    assert "".join(said[100_006:]) == "é" * 9_000
    assert grown < 32, f"{grown:.0f} MB"


def test_the_log_can_be_read_while_it_is_written(book: Book, site: Site, tmp_path: Path) -> None:
    site.commit(f"echo first; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo last")
    job = ask(book, workspace_of(book, site.bare))
    thread = threading.Thread(target=run_all, args=(runner_of(book, tmp_path / "runner"),))
    thread.start()
    wait_until(lambda: "first" in log_of(book.engine, job))
    assert job_of(book, job).status is JobStatus.RUNNING
    assert record_of(book, job)["status"] == "in_progress"
    (tmp_path / "go").touch()
    thread.join(60)
    assert log_of(book.engine, job)[-1] == "last"


def test_a_command_sees_little_of_the_runners_environment(
    book: Book, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_KEYS", "secret")
    monkeypatch.setenv("OTHER", "unseen")
    monkeypatch.setenv("DEPLOY_TARGET", "cloud")
    site.commit("env; cat; ls -l /proc/self/fd | wc -l")
    job = ask(book, workspace_of(book, site.bare))
    run_all(runner_of(book, tmp_path / "runner", passed=["DEPLOY_TARGET"]))
    said = log_of(book.engine, job)
    assert "DEPLOY_TARGET=cloud" in said
    assert not any(line.startswith(("TRACKER_", "OTHER=")) for line in said)
    # 0, 1, 2 and the folder that is listed; one line is a total.
    assert said[-1] == "5"


def test_two_runners_take_no_job_twice_and_a_workspace_is_deployed_once_at_a_time(
    book: Book, site: Site, tmp_path: Path
) -> None:
    site.commit(
        f'echo "begin $JOB_ID" >> {tmp_path}/$WORKSPACE; sleep 0.3; echo "end $JOB_ID" >> {tmp_path}/$WORKSPACE'
    )
    workspaces = [workspace_of(book, site.bare) for _ in range(3)]
    jobs = [ask(book, workspace) for _ in range(3) for workspace in workspaces]
    run_all(runner_of(book, tmp_path / "one"), runner_of(book, tmp_path / "two"))
    assert {job_of(book, job).status for job in jobs} == {JobStatus.COMPLETE}
    for workspace in workspaces:
        mine = [job.id for job in jobs if job.workspace_id == workspace.id]
        lines = (tmp_path / workspace.name).read_text().splitlines()
        assert lines == [f"{word} {job_id}" for job_id in mine for word in ("begin", "end")]


def test_a_job_whose_runner_is_lost_is_taken_up_a_few_times(book: Book, site: Site, tmp_path: Path) -> None:
    site.commit("echo done")
    workspace = workspace_of(book, site.bare)
    job, unlucky = ask(book, workspace), ask(book, workspace_of(book, site.bare))
    claim = lambda now: book.recorder.record_now(lambda ledger: claim_job(ledger, "lost", now, now + 1))  # noqa: E731
    now = time.time_ns() // 1_000 - 60_000_000
    for loss in range(MOST_LOSSES + 1):
        claimed = claim(now + 2 * loss)
        assert claimed is not None
        assert (claimed.id, claimed.losses) == (job.id, loss)
    assert claim(now).id == unlucky.id
    run_all(runner_of(book, tmp_path / "runner"))
    assert (job_of(book, job).status, job_of(book, job).attempt) == (JobStatus.ERROR, 0)
    assert (job_of(book, unlucky).status, job_of(book, unlucky).losses) == (JobStatus.COMPLETE, 1)
    assert "is lost" in log_of(book.engine, unlucky)[0]


def test_a_runner_that_comes_too_late_ends_nothing(book: Book, site: Site, tmp_path: Path) -> None:
    site.commit(f"echo up; while [ ! -e {tmp_path}/go ]; do echo more; sleep 0.05; done; echo last")
    job = ask(book, workspace_of(book, site.bare))
    thread = threading.Thread(target=run_all, args=(runner_of(book, tmp_path / "runner", lease=60),))
    thread.start()
    wait_until(lambda: "up" in log_of(book.engine, job))
    later = time.time_ns() // 1_000 + 120_000_000
    taken = book.recorder.record_now(lambda ledger: claim_job(ledger, "other", later, later + 60_000_000))
    assert taken is not None
    said = log_of(book.engine, job)
    # The command goes on until its runner looks after the lease, and talks meanwhile.
    wait_until(lambda: not thread.is_alive())
    after = job_of(book, job)
    assert (after.status, after.runner, after.exit_code) == (JobStatus.RUNNING, "other", None)
    assert log_of(book.engine, job) == said


def test_a_job_that_takes_longer_than_its_lease_stays_with_its_runner(
    book: Book, site: Site, tmp_path: Path
) -> None:
    lease, begun, go = 3, tmp_path / "begun", tmp_path / "go"
    site.commit(f"echo $$ >> {begun}; while [ ! -e {go} ]; do sleep 0.1; done")
    job = ask(book, workspace_of(book, site.bare))
    runners = [runner_of(book, tmp_path / name, lease=lease) for name in ("one", "two")]
    threads = [threading.Thread(target=runner.run) for runner in runners]
    for thread in threads:
        thread.start()
    wait_until(begun.exists)
    first_lease_ends = time.monotonic() + lease
    # A runner that has nothing to do looks every second.
    wait_until(lambda: time.monotonic() > first_lease_ends + 2)
    go.touch()
    wait_until(lambda: job_of(book, job).status.is_over)
    for runner in runners:
        runner.stopping.set()
    for thread in threads:
        thread.join()
    after = job_of(book, job)
    assert (after.status, after.losses, after.attempt) == (JobStatus.COMPLETE, 0, 0)
    assert len(begun.read_text().split()) == 1


def test_a_runner_that_is_killed_takes_its_command_along_and_another_goes_on(tmp_path: Path) -> None:
    book = Book(f"sqlite:///{tmp_path / 'data' / 'tracker.db'}", tmp_path)
    site = Site(tmp_path / "site")
    pids = tmp_path / "pids"
    site.commit(f'echo $$ >> {pids}; echo up; [ "$(wc -l < {pids})" -ge 2 ] || sleep 300')
    job = ask(book, workspace_of(book, site.bare))
    command = [TRACKER, "runner", "--once"]
    first = subprocess.Popen(
        command, cwd=tmp_path, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: "up" in log_of(book.engine, job), 30)
        first.send_signal(signal.SIGKILL)
        first.wait()
        wait_until(lambda: not is_alive(pids.read_text().split()[0]))
        second = subprocess.run(
            [TRACKER, "runner", "--once"],
            cwd=tmp_path,
            env=clean_environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 0
        # What is running still has its lease: a runner that is to end with the queue waits for nobody.
        assert job_of(book, job).status is JobStatus.RUNNING
        third = subprocess.Popen(
            [TRACKER, "runner"],
            cwd=tmp_path,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: job_of(book, job).status is JobStatus.COMPLETE, 60)
        finally:
            third.send_signal(signal.SIGTERM)
            assert third.wait(20) == 0
    finally:
        first.kill()
        book.close()
    after = job_of(book, job)
    assert (after.losses, after.attempt, after.exit_code) == (1, 0, 0)
    assert record_of(book, job)["status"] == "success"


def test_a_command_ends_while_the_database_is_away_for_longer_than_the_lease(
    book: Book, site: Site, tmp_path: Path
) -> None:
    """Another runner may have the job by then; here it is the same one that begins anew."""
    tries = tmp_path / "tries"
    site.commit(f'echo $$ >> {tries}; echo up; [ "$(wc -l < {tries})" -ge 2 ] || sleep 300')
    job = ask(book, workspace_of(book, site.bare))
    thread = threading.Thread(target=run_all, args=(runner_of(book, tmp_path / "runner", lease=2),))
    thread.start()
    wait_until(lambda: "up" in log_of(book.engine, job))
    with write_transaction(book.engine):  # nobody else writes
        wait_until(lambda: not is_alive(tries.read_text().split()[0]))
        time.sleep(1)
        assert len(tries.read_text().split()) == 1
    wait_until(lambda: len(tries.read_text().split()) == 2 or not thread.is_alive())
    run_all(runner_of(book, tmp_path / "runner"))
    thread.join(60)
    assert (job_of(book, job).status, job_of(book, job).losses) == (JobStatus.COMPLETE, 1)


def test_a_location_is_a_git_url_or_a_path(book: Book) -> None:
    assert read_location("git@github.com:acme/shop.git")[0].key == "github.com/acme/shop"
    for text in ("/srv/git/shop.git", "file:///srv/git/shop.git"):
        repository, clone_url = read_location(text)
        assert (repository.key, clone_url) == ("localhost/srv/git/shop", "/srv/git/shop.git")
    with pytest.raises(ValueError, match="git URL"):
        read_location("ext::sh -c true")
    with pytest.raises(ValueError, match="password"):
        read_location("https://me:secret@github.com/acme/shop")
    name = {"name": "shop", "location": read_location("/srv/shop.git"), "command": "true"}
    book.recorder.record_now(lambda ledger: create_workspace(ledger, Author("acme", "t"), **name))
    with pytest.raises(Exception, match="already"):
        book.recorder.record_now(lambda ledger: create_workspace(ledger, Author("acme", "t"), **name))


@pytest.mark.parametrize(
    "branch",
    ["", "main\nx", "main:refs/heads/x", "-b", "a..b", "a b", "~1", "a.lock", "a/", "/a", ".a", "a/.b", "@", "@{1}", "a^", "a*", "a\\b"],
)  # fmt: skip
def test_what_git_has_no_branch_of_is_refused(tmp_path: Path, branch: str) -> None:
    done = run_tracker(
        tmp_path, "workspace", "create", "shop", "--org", "acme", "--repository", "https://github.com/acme/shop",
        "--command", "true", f"--branch={branch}",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "must be the name of a branch" in done.stderr


@pytest.mark.parametrize("branch", ["main", "release/1.2", "größer", "a-b_c", "user@host", "v1.0"])
def test_what_git_has_a_branch_of_is_taken(branch: str) -> None:
    require_branch(branch)


@pytest.mark.parametrize(
    "location",
    ["ssh://-oProxyCommand=touch%20x/acme/shop", "https://github.com/acme/shop?token=SECRET", "https://github.com/acme/shop#x", "-oProxyCommand=x"],
)  # fmt: skip
def test_a_location_that_misleads_a_program_is_refused(location: str) -> None:
    with pytest.raises(RepositoryUrlError):
        read_location(location)
