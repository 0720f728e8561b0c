"""The architecture that CONTRIBUTING.md draws is held by contracts, and the contracts hold."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

# Of each contract a file that breaks it, and what the file says.
PLANTED = {
    "metrics reads and never imports the tracker": ("metrics/queries/planted.py", "import tracker.records.ledger"),
    "the rooms of metrics point one way, and there are no others": ("metrics/domain/planted.py", "import metrics.wire.cursors"),
    "only metrics.api knows HTTP": ("metrics/engine/planted.py", "import litestar"),
    "the domain is pure: no database, no frames": ("metrics/domain/planted.py", "import duckdb"),
    "the rooms of the tracker point one way, and there are no others": ("tracker/records/planted.py", "import tracker.web.paging"),
    "records and jobs know no HTTP": ("tracker/jobs/planted.py", "import litestar"),
    "what runs in a pipeline is light": ("tracker/client/planted.py", "import metrics.domain.fields"),
    "pages are made of parts, and parts stand in the frame": ("tracker/pages/frame/planted.py", "import tracker.pages.parts.rows"),
}  # fmt: skip


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in ("metrics", "tracker"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_are_kept() -> None:
    done = lint(PROJECT)
    assert done.returncode == 0, done.stdout
    assert f"Contracts: {len(PLANTED)} kept, 0 broken." in done.stdout


@pytest.mark.parametrize("contract", PLANTED)
def test_a_file_that_breaks_a_contract_is_found(copy: Path, contract: str) -> None:
    name, text = PLANTED[contract]
    (copy / name).write_text(f"{text}\n")
    done = lint(copy)
    assert done.returncode != 0
    assert f"{contract} BROKEN" in done.stdout


@pytest.mark.parametrize("name", ["metrics/sneaky.py", "tracker/sneaky.py"])
def test_a_file_outside_of_the_rooms_is_found(copy: Path, name: str) -> None:
    (copy / name).write_text("import litestar\n")
    done = lint(copy)
    assert done.returncode != 0
    assert "sneaky" in done.stdout
