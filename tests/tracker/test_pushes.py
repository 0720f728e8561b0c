"""`/api/v1/pushes`: commits that were pushed are told once, by whoever may record in their repository."""

from typing import Any

import httpx
import pytest

PUSHES = "/api/v1/pushes"
COMMIT = {"sha": "B" * 40, "committed_at": "2026-03-02T10:00:00+01:00"}
PUSH = {"repository_url": "git@github.com:acme/shop.git", "before": "a" * 40, "commits": [COMMIT]}


def test_a_push_is_known_once(client: httpx.Client) -> None:
    first, again = client.post(PUSHES, json=PUSH), client.post(PUSHES, json=PUSH)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == {"repository": "acme/shop", "after": "b" * 40, "commits": 1}
    assert client.post(PUSHES, json={**PUSH, "before": None}).status_code == 201


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"commits": []}, "/commits"),
        ({"commits": [{**COMMIT, "sha": "main"}]}, "/commits/0/sha"),
        ({"commits": [{"sha": "b" * 40}]}, "/commits/0/committed_at"),
        ({"commits": [COMMIT] * 5_001}, "/commits"),
        ({"before": "main"}, "/before"),
        ({"branch": "main"}, "/branch"),
        ({"repository_url": "shop"}, "/repository_url"),
    ],
)
def test_a_push_that_says_nothing_usable_is_refused_by_the_field(
    client: httpx.Client, fields: dict[str, Any], pointer: str
) -> None:
    refused = client.post(PUSHES, json={**PUSH, **fields})
    assert (refused.status_code, [one["pointer"] for one in refused.json()["errors"]]) == (400, [pointer])
