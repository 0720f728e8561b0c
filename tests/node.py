"""Runs the scripts in tests/javascript, with the packages that npm has put there."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "javascript"


def require_package(name: str) -> None:
    """Skips the test where npm has not installed the package."""
    if shutil.which("node") is None or not (FOLDER / "node_modules" / name).is_dir():
        pytest.skip(f"npm: {name} is not installed; get Node.js 20 with npm, and `make test` installs it")


def run_script(name: str, *, stdin: str = "", **environment: str) -> list[Any]:
    """What a script prints, a JSON value or a text a line."""
    done = subprocess.run(
        ["node", FOLDER / name],
        input=stdin, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) if line.startswith("{") else line for line in done.stdout.splitlines()]
