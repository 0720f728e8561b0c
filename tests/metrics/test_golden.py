"""Every definition, proved by tables that a person can check by hand.

A case is a folder: `given.csv` the deployments in the order in which they are recorded, `incidents.csv`,
`query.toml` the parameters, `expect.csv` the fields of the answers that the case is about.
"""

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from metrics.definitions.base import MetricName
from tests.conftest import Book

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/expect.csv"))
FLAGS = {"is_hotfix", "is_fix", "is_rollback", "change_related", "production"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_golden_case_is_answered_as_a_person_worked_it_out(case: Path, shared_book: Book) -> None:
    book, organization = shared_book, f"{case.parent.name}-{case.name}".replace("_", "-")
    for row in _rows(case / "given.csv"):
        book.deploy(org=organization, **row)
    for row in _rows(case / "incidents.csv"):
        book.report(org=organization, **row)

    expected = list(csv.DictReader((case / "expect.csv").read_text().splitlines()))
    assert expected
    metrics = dict.fromkeys(MetricName(row["metric"]) for row in expected)
    answers = book.ask(org=organization, metrics=metrics, **tomllib.loads((case / "query.toml").read_text()))
    for row in expected:
        answered = _field(answers[row["metric"]].row, row["field"])
        wanted = json.loads(row["value"])
        if isinstance(wanted, int | float) and not isinstance(wanted, bool) and answered is not None:
            wanted = pytest.approx(wanted, rel=1e-12)
        assert answered == wanted, f"{row['metric']}.{row['field']}"


def test_each_metric_has_at_least_six_cases_of_its_own_and_all_worked_examples_are_there() -> None:
    counts = {folder.name: len(list(folder.iterdir())) for folder in GOLDEN.iterdir()}
    assert counts.pop("worked_examples") == 27
    assert counts.pop("profiles") >= 6
    assert set(counts) == set(MetricName)
    assert all(count >= 6 for count in counts.values()), counts


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    with file.open() as stream:
        return [_fields(row) for row in csv.DictReader(stream)]


def _fields(row: dict[str, str]) -> dict[str, Any]:
    """The cells that are filled, as the values of a request body."""
    fields: dict[str, Any] = {name: text for name, text in row.items() if text}
    for name in FLAGS & fields.keys():
        fields[name] = json.loads(fields[name])
    if "commits" in fields:
        pairs = (entry.split("@") for entry in fields["commits"].split(";"))
        fields["commits"] = [{"sha": sha, "committed_at": at} for sha, at in pairs]
    return fields


def _field(row: object, name: str) -> object:
    name, _, key = name.partition(".")
    value = getattr(row, name)
    return value[key] if key else value
