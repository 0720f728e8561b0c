"""A real git repository, made by a test: commits at the dates that the test gives, without anybody's settings."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Repository:
    """A working copy. `commit` returns what it has made; hours are counted from `START`."""

    def __init__(self, folder: Path, *, remote: str | None = "https://github.com/acme/shop.git") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        if remote is not None:
            self.git("remote", "add", "origin", remote)

    @classmethod
    def cloned(cls, source: "Repository", folder: Path, *options: str) -> "Repository":
        """A clone, through the protocol as from a server: git copies files of a local one otherwise."""
        made = cls.__new__(cls)
        made.folder = folder
        subprocess.run(
            ["git", "clone", "--quiet", *options, source.folder.as_uri(), str(folder)],
            env=_environment(), check=True, capture_output=True,
        )  # fmt: skip
        return made

    def git(self, *arguments: str, at: datetime = START, committed_at: datetime | None = None) -> str:
        dates = {"GIT_AUTHOR_DATE": at.isoformat(), "GIT_COMMITTER_DATE": (committed_at or at).isoformat()}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=_environment() | dates, check=False, capture_output=True, text=True
        )  # fmt: skip
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, subject: str, hour: int, *, file: str = "", committed_hour: int | None = None) -> str:
        """A commit authored at the hour, which changes the file."""
        path = self.folder / (file or f"{hour}.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{subject} at {hour}\n")
        self.git("add", "--all")
        at = START + timedelta(hours=hour)
        later = None if committed_hour is None else START + timedelta(hours=committed_hour)
        self.git("commit", "--quiet", "--message", subject, at=at, committed_at=later)
        return self.head()

    def merge(self, branch: str, hour: int, subject: str | None = None) -> str:
        """A merge with a commit of its own."""
        message = ["-m", subject] if subject else ["--no-edit"]
        self.git("merge", "--quiet", "--no-ff", *message, branch, at=START + timedelta(hours=hour))
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


def _environment() -> dict[str, str]:
    """Without the settings of the person who runs the tests."""
    return {
        "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Mona", "GIT_AUTHOR_EMAIL": "mona@example.com",
        "GIT_COMMITTER_NAME": "Mona", "GIT_COMMITTER_EMAIL": "mona@example.com",
    }  # fmt: skip
