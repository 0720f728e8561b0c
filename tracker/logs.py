"""The logs of jobs: lines, numbered from 0, written as they come and read from any on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select, update

from metrics.records import DAY_MICROSECONDS
from tracker.database import write_transaction
from tracker.models import JOB_LINES, JOBS

DAYS_KEPT = 90
LONGEST_LINE = 8_000
MOST_LINES = 1_000_000
_LINES_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log."""

    sequence: int
    written_at: int
    text: str


def append_lines(connection: Connection, job_id: str, written_at: int, texts: Sequence[str]) -> None:
    """Write lines at the end of a job's log, which is cut off where it grows beyond all measure."""
    known = connection.scalar(select(JOBS.c.lines).where(JOBS.c.id == job_id))
    if known is None:
        return
    kept = list(texts[: max(0, MOST_LINES - known)])
    if len(kept) < len(texts) and known < MOST_LINES:
        kept[-1:] = [f"The log is cut off here, after {MOST_LINES:,} lines."]
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
    """Remove the logs of jobs that have been over for long; returns how many lines."""
    old = select(JOBS.c.id).where(JOBS.c.ended_at < now - DAYS_KEPT * DAY_MICROSECONDS)
    with write_transaction(engine) as connection:
        return connection.execute(delete(JOB_LINES).where(JOB_LINES.c.job_id.in_(old))).rowcount
