"""The notebooks run from a clean checkout, without a service, and are stored without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from metrics.definitions.catalog import CATALOG

# Real records, where they lie beside the checkout.
REAL_RECORDS = Path(__file__).parents[2] / "shared" / "data" / "govuk-deployments.ndjson.gz"
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call, no-any-return]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_something_in_every_cell(path: Path, tmp_path: Path) -> None:
    if REAL_RECORDS.exists():
        (tmp_path / REAL_RECORDS.name).symlink_to(REAL_RECORDS)
    notebook = read(path)
    NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code[1:])


def test_the_first_look_draws_every_metric(tmp_path: Path) -> None:
    notebook = read(next(path for path in NOTEBOOKS if path.stem == "first_look"))
    NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    charts = [cell.outputs[0]["data"]["text/html"] for cell in code if "records.chart(" in cell.source]
    for definition in CATALOG.values():
        assert any(f'"text": "{definition.title}"' in chart for chart in charts), definition.title
