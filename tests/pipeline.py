"""A job of a pipeline that calls `tracker record`, in a process of its own."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.server import TRACKER, clean_environment


@dataclass
class Job:
    """A job of a pipeline: its variables, and the folder that it runs in."""

    folder: Path
    environment: dict[str, str]
    lines: list[str] = field(default_factory=list)

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [TRACKER, "record", *arguments], cwd=self.folder, env=self._environment() | more,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Record, and keep the one line that is said."""
        process = self.start(*arguments, **more)
        said, line = process.communicate(timeout=60)
        self.lines.append(line)
        return subprocess.CompletedProcess(arguments, process.returncode, said, line)

    def _environment(self) -> dict[str, str]:
        ci = ("GITHUB_", "CI", "GITLAB_", "BUILDKITE", "JENKINS_", "TF_BUILD")
        return {n: v for n, v in clean_environment().items() if not n.startswith(ci)} | self.environment
