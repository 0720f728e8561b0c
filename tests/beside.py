"""What lies beside the checkout and not in it: other systems' documents, DORA's figures and real records."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def find_beside(name: str) -> Path:
    """A file in `../shared`. Skips the test where it is not there."""
    file = SHARED / name
    if not file.exists():
        pytest.skip(f"the documents beside the checkout: there is no ../shared/{name}")
    return file
