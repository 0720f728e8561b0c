"""A service with records that its pages show, and sessions of browsers on it."""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx
import pytest

from tests.server import TLS, Server, ndjson
from tracker.cli.login_link import new_login_code
from tracker.settings import Settings

SHOP, API = "https://github.com/acme/shop", "https://github.com/acme/api"
HTML = {"Accept": "text/html"}


def monday(weeks_ago: int) -> datetime:
    """Noon of a Monday in UTC, so many weeks before the current week's."""
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return today - timedelta(days=today.weekday(), weeks=weeks_ago)


def records(weeks: int = 20) -> list[dict[str, Any]]:
    """Five deployments a week in two repositories; each second week the last one of the shop is repaired by a hotfix."""
    found = []
    for week in range(weeks, 0, -1):
        for day in range(5):
            at = monday(week) + timedelta(days=day)
            repository, team = (SHOP, "checkout") if day % 2 == 0 else (API, "platform")
            number = f"{week:02}{day}"
            found.append(
                {
                    "repository_url": repository, "team": team, "version": f"v{number}", "branch": "main",
                    "title": f"Release {number}", "member_id": "ada", "deployment_node_id": f"run-{number}",
                    "started_at": (at - timedelta(minutes=6)).isoformat(), "finished_at": at.isoformat(),
                    "commits": [
                        {"sha": f"{week:02}{day}{'c' * 37}", "committed_at": (at - timedelta(hours=20)).isoformat()}
                    ],
                }
            )  # fmt: skip
        if week % 2 == 0:
            at = monday(week) + timedelta(days=4, hours=2)
            found.append(
                {
                    "repository_url": SHOP, "team": "checkout", "version": f"v{week:02}4-hotfix", "is_hotfix": True,
                    "branch": "hotfix/1", "deployment_node_id": f"run-{week:02}-fix", "finished_at": at.isoformat(),
                }
            )  # fmt: skip
    return found


def record(client: httpx.Client, *found: dict[str, Any]) -> None:
    answered = client.post("/api/v1/deployments/batch", content=ndjson(*found))
    assert answered.status_code == 200, answered.text


def sign_in(server: Server, token: str) -> httpx.Client:
    """A client that has signed in as a browser does."""
    client = httpx.Client(base_url=server.url, timeout=30, headers=HTML, follow_redirects=False, verify=TLS)
    answered = client.post("/sign-in", data={"token": token, "next": "/"})
    if answered.status_code != 303:
        client.close()
        raise AssertionError(answered.text)
    return client


def form_key(html: str) -> str:
    """The key that the forms of a page carry."""
    match = re.search(r'name="form_key" value="(\w+)"', html)
    assert match is not None
    return match[1]


def text_of(html: str) -> str:
    """The words of a page, with single spaces."""
    return re.sub(
        r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)).replace("\u00a0", " ").replace("\u202f", " ")
    )


@pytest.fixture
def signed_in(server: Server, organization: str) -> Iterator[Callable[..., httpx.Client]]:
    """Makes signed-in clients of the test's organization, with the scopes and repositories that are named."""
    opened: list[httpx.Client] = []

    def make(scope: str = "admin", *repositories: str) -> httpx.Client:
        opened.append(sign_in(server, server.token(scope, organization, repositories)))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


def login_code(server: Server, organization: str) -> str:
    return new_login_code(Settings(keys_file=server.folder / "data" / "keys.json"), organization)


def require_chromium() -> str:
    """The browser's program. Skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium: it is not installed")
    return program
