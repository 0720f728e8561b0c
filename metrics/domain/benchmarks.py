"""DORA's published figures, out of `dora.json`: levels by report year, and the Quick Check's means."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def figures() -> Mapping[str, Any]:
    """Levels, Quick Check and attribution."""
    found: Mapping[str, Any] = json.loads(files("metrics.domain").joinpath("dora.json").read_text("utf-8"))
    return found


def report_years() -> Sequence[int]:
    """The years that a level can be asked for, in order."""
    return [int(year) for year in figures()["levels"]]
