"""Runs clients whose requirements do not go with the service's: they have an environment of their own."""

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "apart"
BIN = FOLDER / ".venv" / "bin"


def run_apart(command: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of that environment. Skips the test where it was not made."""
    if not (BIN / command).exists():
        pytest.skip("the environment of clients apart: it was not made; `make test` makes it")
    return subprocess.run(
        [BIN / command, *arguments],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
