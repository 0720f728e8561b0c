"""Runs what has other requirements than the service: clients, an object store. It has its own environment."""

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "apart"
BIN = FOLDER / ".venv" / "bin"


def run_apart(command: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of that environment. Skips the test where it was not made."""
    require_apart(command)
    return subprocess.run(
        [BIN / command, *arguments],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def require_apart(command: str) -> Path:
    """A command of that environment. Skips the test where it was not made."""
    if not (BIN / command).exists():
        pytest.skip("the environment of clients apart: it was not made; `make test` makes it")
    return BIN / command
