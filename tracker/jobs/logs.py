"""The logs of jobs: lines, numbered from 0, written as they come and read from any on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, and_, delete, insert, select, update

from metrics.domain.instants import DAY_MICROSECONDS
from tracker.jobs.tables import JOB_LINES, JOBS
from tracker.records.engine import write_transaction
from tracker.retention import JOB_LOG_DAYS

LONGEST_LINE = 8_000
MOST_LINES = 1_000_000
_LINES_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log."""

    sequence: int
    written_at: int
    text: str


def append_lines(
    connection: Connection, job_id: str, runner: str, written_at: int, texts: Sequence[str]
) -> None:
    """Write lines at the end of the log of a job that is the runner's.

    A log is cut off where it grows beyond all measure.
    """
    mine = and_(JOBS.c.id == job_id, JOBS.c.runner == runner)
    known = connection.scalar(select(JOBS.c.lines).where(mine))
    if known is None or known >= MOST_LINES:
        return
    kept = list(texts[: MOST_LINES - 1 - known])
    if len(kept) < len(texts):
        kept.append(f"The log is cut off here, after {MOST_LINES:,} lines.")
    rows = [
        {"job_id": job_id, "sequence": known + index, "written_at": written_at, "text": text}
        for index, text in enumerate(kept)
    ]
    if rows:
        connection.execute(insert(JOB_LINES), rows)
        connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(lines=known + len(rows)))


def read_lines(engine: Engine, job_id: str, sequence: int, end: int) -> Iterator[Sequence[Line]]:
    """The lines of a log from one number on and before another, some at a time."""
    columns = JOB_LINES.c
    while sequence < end:
        with engine.connect() as connection:
            rows = connection.execute(
                select(columns.sequence, columns.written_at, columns.text)
                .where(columns.job_id == job_id, columns.sequence >= sequence, columns.sequence < end)
                .order_by(columns.sequence)
                .limit(_LINES_AT_ONCE)
            ).all()
        if not rows:
            return
        yield [Line(*row) for row in rows]
        sequence = rows[-1].sequence + 1


def forget_old_logs(engine: Engine, now: int) -> int:
    """Remove the logs of jobs that ended more than `JOB_LOG_DAYS` ago; return how many lines."""
    ended_before = now - JOB_LOG_DAYS * DAY_MICROSECONDS
    old = select(JOBS.c.id).where(JOBS.c.ended_at < ended_before, JOBS.c.lines > 0)
    with engine.connect() as connection:
        job_ids = connection.scalars(old).all()
    removed = 0
    for job_id in job_ids:
        # One after the other, so that nobody who records has to wait for all of them.
        with write_transaction(engine) as connection:
            removed += connection.execute(delete(JOB_LINES).where(JOB_LINES.c.job_id == job_id)).rowcount
            connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(lines=0))
    return removed
