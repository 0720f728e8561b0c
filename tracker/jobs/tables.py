"""The tables of workspaces, jobs and their logs."""

from sqlalchemy import JSON, BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from tracker.records.tables import table

_TO_DO = text("ended_at is null")


class Workspace(SQLModel, table=True):
    """What a job deploys, and how: a repository, its branch, and the command that a runner runs."""

    __tablename__ = "workspaces"
    __table_args__ = (UniqueConstraint("organization", "name"),)

    id: str = Field(primary_key=True)
    organization: str
    name: str
    repository_url: str
    repository_host: str
    repository_path: str
    repository_key: str
    clone_url: str
    branch: str
    command: str
    service: str
    environment: str
    secret: str
    max_attempts: int
    time_limit_seconds: int
    created_at: int = Field(sa_type=BigInteger)
    created_by: str
    # What was last asked of it that is no deployment, and when.
    event: str | None = None
    event_at: int | None = Field(default=None, sa_type=BigInteger)


class Job(SQLModel, table=True):
    """A deployment that a runner is to carry out, and what has become of it."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_listed", "workspace_id", "created_at", "id"),
        Index("ix_jobs_to_do", "workspace_id", "id", sqlite_where=_TO_DO, postgresql_where=_TO_DO),
    )

    id: str = Field(primary_key=True)
    organization: str
    workspace_id: str
    created_at: int = Field(sa_type=BigInteger)
    profile: dict[str, str] = Field(sa_type=JSON)
    commit_id: str | None = None
    image_tag: str | None = None
    status: str
    max_attempts: int
    attempt: int = 0
    # How often a runner that had it was not heard of any more.
    losses: int = 0
    started_at: int | None = Field(default=None, sa_type=BigInteger)
    ended_at: int | None = Field(default=None, sa_type=BigInteger)
    exit_code: int | None = None
    runner: str | None = None
    lease_expires_at: int | None = Field(default=None, sa_type=BigInteger)
    stop_requested_at: int | None = Field(default=None, sa_type=BigInteger)
    deleted_at: int | None = Field(default=None, sa_type=BigInteger)
    deployment_id: str | None = None
    lines: int = 0


class JobLine(SQLModel, table=True):
    """A line of a job's log, numbered from 0."""

    __tablename__ = "job_lines"

    job_id: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    written_at: int = Field(sa_type=BigInteger)
    text: str


WORKSPACES = table(Workspace)
JOBS = table(Job)
JOB_LINES = table(JobLine)
