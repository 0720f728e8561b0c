"""`tracker teams`: many at once, all of them or none."""

import json
from pathlib import Path

import pytest

from tests.server import run_tracker

RECORDS = [
    ("https://github.com/acme/shop", "web"),
    ("https://github.com/acme/shop", "api"),
    ("https://gitlab.com/acme/shop", ""),
    ("https://github.com/acme/search", ""),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [
        json.dumps(
            {"repository_url": url, "service": service, "version": "1", "finished_at": "2026-03-02T10:00:00Z"}
        )
        for url, service in RECORDS
    ]
    assert run_tracker(tmp_path, "import", "-", "--org", "acme", stdin="\n".join(lines)).returncode == 0
    return tmp_path


def set_teams(folder: Path, text: str, *arguments: str) -> tuple[int, str, str]:
    done = run_tracker(folder, "teams", "set", "-", "--org", "acme", *arguments, stdin=text)
    return done.returncode, done.stdout, done.stderr


def teams(folder: Path) -> dict[str, int]:
    shown = run_tracker(
        folder, "metrics", "deployment_frequency", "--org", "acme", "--group-by", "team",
        "--from", "2026-03-01", "--to", "2026-04-01", "--json",
    )  # fmt: skip
    groups = json.loads(shown.stdout)["metrics"]["deployment_frequency"]["groups"]
    return {group["team"]: group["deployments"] for group in groups}


FILE = "repository,service,team\ngithub.com/acme/shop,,checkout\nacme/shop,web,storefront\nacme/search,,discovery\n"


def test_teams_are_set_out_of_a_file(folder: Path) -> None:
    code, told, _ = set_teams(folder, FILE, "--dry-run")
    assert (code, told.splitlines()[-1]) == (0, "3 would change, 0 as they were")
    assert teams(folder) == {None: 4}
    code, told, _ = set_teams(folder, FILE)
    assert code == 0
    assert told.splitlines() == [
        "acme/shop: none -> checkout", "acme/shop/web: none -> storefront", "acme/search: none -> discovery",
        "3 changed, 0 as they were",
    ]  # fmt: skip
    assert teams(folder) == {"checkout": 1, "discovery": 1, "storefront": 1, None: 1}
    assert "storefront" in run_tracker(folder, "teams", "list", "--org", "acme").stdout
    assert set_teams(folder, FILE)[1] == "0 changed, 3 as they were\n"
    assert set_teams(folder, "team,repository\n,acme/search\n")[1].startswith(
        "acme/search: discovery -> none"
    )


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("acme/unknown,,x", "line 3: no record has named acme/unknown"),
        ("acme/shop,worker,x", "line 3: no record has named acme/shop, service worker"),
        ("acme/shop,,x", "line 3: acme/shop is on several hosts: write host/owner/name"),
        ("acme/*,,x", "line 3: no record has named acme/*"),
        ("acme/search,,x,y", "line 3 has more values"),
        ("acme/search,," + "x" * 251, "line 3: a team has at most 250 characters"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_changes(folder: Path, line: str, wrong: str) -> None:
    code, told, said = set_teams(folder, f"repository,service,team\nacme/search,,discovery\n{line}\n")
    assert (code, told) == (1, "")
    assert wrong in said
    assert teams(folder) == {None: 4}


def test_a_file_without_the_columns_is_refused(folder: Path) -> None:
    for text in ("", "repo,team\na,b\n", "repository,team,colour\na,b,c\n"):
        assert "repository,service,team" in set_teams(folder, text)[2]
