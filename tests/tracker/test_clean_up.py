"""What is kept for some time only: a service that starts removes what is beyond it, and nothing else."""

import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from metrics.domain.instants import DAY_MICROSECONDS
from tests.conftest import Book
from tests.server import Server
from tests.site import ask, log_of, workspace_of
from tests.waiting import wait_until
from tracker.auth.tables import REVOKED_TOKENS, TOKENS
from tracker.jobs.logs import append_lines
from tracker.jobs.queue import Job, JobStatus, claim_job, end_job
from tracker.jobs.tables import JOBS
from tracker.web.idempotency import KeptAnswer, KeyedRequest, answer_once
from tracker.web.rejections import Rejection, Rejections
from tracker.web.tables import IDEMPOTENCY_KEYS
from tracker.webhooks.deliveries import DeliveryState
from tracker.webhooks.tables import DELIVERIES

NOW = time.time_ns() // 1_000


def days_ago(days: float) -> int:
    return NOW - round(days * DAY_MICROSECONDS)


def job_with_log(book: Book, ended_days_ago: float | None) -> Job:
    """A job that has said one line; over for some days, or still running."""
    job = ask(book, workspace_of(book, "https://github.com/acme/shop"))
    # Others that still run are never the oldest that may begin.
    claimed = book.recorder.record_now(lambda ledger: claim_job(ledger, "runner", NOW, 2 * NOW))
    assert claimed is not None
    with book.engine.begin() as connection:
        append_lines(connection, job.id, "runner", NOW, ["said"])
    if ended_days_ago is not None:
        book.recorder.record_now(lambda ledger: end_job(ledger, claimed, JobStatus.COMPLETE, 0))
        with book.engine.begin() as connection:
            of_it = JOBS.c.id == job.id
            connection.execute(update(JOBS).where(of_it).values(ended_at=days_ago(ended_days_ago)))
    return job


def keep_delivery(book: Book, sequence: int, state: DeliveryState, days: float) -> None:
    row: dict[str, Any] = {
        "id": f"{state.value} {days}", "webhook_id": "gone", "sequence": sequence, "subject": str(sequence), "event": "deployment", "action": "created",
        "body": "{}", "state": state.value, "created_at": days_ago(days), "pending_since": days_ago(days),
        "next_attempt_at": 0, "attempts": [],
    }  # fmt: skip
    with book.engine.begin() as connection:
        connection.execute(insert(DELIVERIES).values(**row))


def keep_rejection(book: Book, name: str, days: float) -> None:
    kept = Rejections()
    kept.add(Rejection("acme", days_ago(days), "/", None, name, "", None))
    kept.flush(book.engine)


def keep_key(book: Book, name: str, days: float) -> None:
    request = KeyedRequest.of("acme", "/", name, b"{}")
    book.recorder.record_now(
        lambda ledger: answer_once(ledger, request, lambda _: KeptAnswer(201, "/x", "{}"))
    )
    with book.engine.begin() as connection:
        of_it = IDEMPOTENCY_KEYS.c.key == name
        connection.execute(update(IDEMPOTENCY_KEYS).where(of_it).values(created_at=days_ago(days)))


def keep_token(book: Book, name: str, days: float) -> None:
    row = {
        "token_id": name,
        "organization": "acme",
        "subject": "ci",
        "scope": "admin",
        "expires_at": days_ago(days),
    }
    with book.engine.begin() as connection:
        connection.execute(insert(TOKENS).values(**row, is_session=False))


def keep_revocation(book: Book, name: str, over_for_days: float | None) -> None:
    until = None if over_for_days is None else days_ago(over_for_days)
    with book.engine.begin() as connection:
        connection.execute(
            insert(REVOKED_TOKENS).values(token_id=name, revoked_at=days_ago(400), needed_until=until)
        )


def kept(book: Book, sql: str) -> list[str]:
    return sorted(row[0] for row in book.rows(sql))


@pytest.fixture
def jobs(book: Book) -> dict[str, Job]:
    ages = {"young": 89.9, "old": 90.1, "older": 400.0, "running": None}
    return {name: job_with_log(book, age) for name, age in ages.items()}


def test_a_service_removes_what_is_old_and_keeps_what_is_young(
    book: Book, jobs: dict[str, Job], tmp_path: Path
) -> None:
    for sequence, (state, days) in enumerate(product(DeliveryState, (0.1, 29.9, 30.1))):
        keep_delivery(book, sequence, state, days)
    for name, days in {"young": 13.9, "old": 14.1, "older": 100}.items():
        keep_rejection(book, name, days)
    for name, days in {"young": 29.9, "old": 30.1, "older": 100}.items():
        keep_key(book, name, days)
    for name, days in {"honoured": -1.0, "young": 89.9, "old": 90.1}.items():
        keep_token(book, name, days)
    for name, over in {"token": None, "session": -0.1, "session that is over": 0.1}.items():
        keep_revocation(book, name, over)
    with Server(tmp_path, TRACKER_DATABASE_URL=book.url):
        wait_until(lambda: not any(log_of(book.engine, jobs[name]) for name in ("old", "older")))
    assert {name: log_of(book.engine, job) for name, job in jobs.items()} == {
        "young": ["said"], "old": [], "older": [], "running": ["said"],
    }  # fmt: skip
    assert kept(book, "select code from rejections") == ["young"]
    assert kept(book, "select key from idempotency_keys") == ["young"]
    assert kept(book, "select token_id from tokens") == ["honoured", "young"]
    # A token that was revoked stays so, however long ago that was.
    assert kept(book, "select token_id from revoked_tokens") == ["session", "token"]
    # What is still to be told is told, however long that takes.
    young = [f"{state.value} {days}" for state, days in product(DeliveryState, (0.1, 29.9))]
    assert kept(book, "select id from webhook_deliveries") == sorted([*young, "pending 30.1"])
