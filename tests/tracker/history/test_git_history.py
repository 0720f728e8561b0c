"""What a repository's own history says was released, from real repositories."""

import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from tests.conftest import Book
from tests.git_repository import START, Repository
from tests.grown_repository import grow
from tracker.integrations.history.git import git_items
from tracker.integrations.history.options import HistoryOptions
from tracker.transfer.imports.items import Found, PassedOver, SourceError
from tracker.transfer.imports.recording import Importer

URL = "https://github.com/acme/shop"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def records(folder: Path, **options: object) -> list[dict[str, object]]:
    found = git_items(str(folder), HistoryOptions(**options))  # type: ignore[arg-type]
    return [dict(one.record) for one in found if isinstance(one, Found)]


def tags(folder: Path, **options: object) -> list[object]:
    return [one["version"] for one in records(folder, **options)]


def carried(record: dict[str, object]) -> list[str]:
    return sorted(one["sha"] for one in record["commits"])  # type: ignore[attr-defined]


def plain_walk(folder: Path) -> tuple[int, list[float]]:
    """How many releases there are, and the lead times of their commits in seconds: with git alone, tag by tag."""

    def git(*arguments: str) -> list[str]:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.split("\n")[:-1]

    listed = git(
        "for-each-ref", "--sort=creatordate", "--format=%(refname:short) %(creatordate:unix)", "refs/tags"
    )
    releases = [(line.split()[0], int(line.split()[1])) for line in listed]
    lead_times = []
    for (before, _), (tag, released) in pairwise(releases):
        written = git("log", "--no-merges", "--format=%at", f"{before}..{tag}")
        lead_times += [float(released - int(one)) for one in written]
    return len(releases), lead_times


def test_the_figures_are_those_of_a_plain_walk_of_the_history(tmp_path: Path) -> None:
    grow(tmp_path / "shop.git", 40)
    book = Book(f"sqlite:///{tmp_path / 'tracker.db'}", tmp_path)
    importer = Importer("acme", "git", "shop", book.recorder.record_now)
    importer.take(list(git_items(str(tmp_path / "shop.git"), HistoryOptions(repository_url=URL))))
    answers = book.ask(from_="2026-03-01", to="2026-06-01")
    releases, lead_times = plain_walk(tmp_path / "shop.git")
    assert releases == 40
    frequency, lead_time = answers["deployment_frequency"].row, answers["lead_time_for_changes"].row
    assert frequency.deployments == releases  # type: ignore[union-attr]
    assert lead_time.commits == len(lead_times)  # type: ignore[union-attr]
    assert lead_time.value == pytest.approx(median(lead_times))
    assert lead_time.mean == pytest.approx(sum(lead_times) / len(lead_times))  # type: ignore[union-attr]
    book.close()


def test_a_release_is_a_tag_with_its_taggers_date_and_the_commits_since_the_one_before(
    repository: Repository,
) -> None:
    repository.commit("first", 0)
    repository.git("tag", "v1.0.0")
    repository.git("switch", "--quiet", "--create", "feature")
    written = repository.commit("written early", 1, committed_hour=4)
    repository.git("switch", "--quiet", "main")
    second = repository.commit("second", 5)
    repository.merge("feature", 6)
    repository.git("tag", "--annotate", "v1.1.0", "--message", "The autumn release", at=at(8))
    light, annotated = records(repository.folder)
    assert (light["finished_at"], light["commit_id"]) == (
        at(0).isoformat(),
        repository.git("rev-parse", "v1.0.0"),
    )
    # What lies before the first release was released nobody knows when.
    assert "commits" not in light
    assert annotated == {
        "repository_url": "https://github.com/acme/shop.git", "commit_id": repository.head(), "version": "v1.1.0",
        "service": None, "environment": None, "team": None, "status": "success", "finished_at": at(8).isoformat(),
        "title": "The autumn release", "is_hotfix": None, "is_fix": None, "pull_request_number": None,
        "labels": {"estimated": "git"}, "deployment_node_id": "git:github.com:tag:v1.1.0", "commits_count": 2,
        "commits": [
            {"sha": second, "committed_at": at(5).isoformat()}, {"sha": written, "committed_at": at(1).isoformat()},
        ],
    }  # fmt: skip


def test_a_repair_of_an_older_line_brings_only_its_own_commits(repository: Repository) -> None:
    repository.commit("first", 0)
    repository.git("tag", "v1.0.0")
    two = repository.commit("for two", 1)
    repository.git("tag", "v2.0.0")
    repository.git("switch", "--quiet", "--create", "one", "v1.0.0")
    repair = repository.commit("repair", 2)
    repository.git("tag", "v1.0.1")
    repository.git("switch", "--quiet", "main")
    later = repository.commit("later", 3)
    repository.git("tag", "v2.1.0")
    found = {one["version"]: carried(one) for one in records(repository.folder) if "commits" in one}
    assert found == {"v2.0.0": [two], "v1.0.1": [repair], "v2.1.0": [later]}


def test_which_tags_are_releases(repository: Repository) -> None:
    for hour, names in enumerate(
        (["v1.0.0", "v1"], ["v1.1.0-rc1"], ["v1.1.0"], ["nightly"], ["2.0b3"], ["2.0"])
    ):
        repository.commit(f"change {hour}", hour)
        for name in names:
            repository.git("tag", name)
    # A tag that is moved along, as v1 is, names what another has released.
    assert tags(repository.folder) == ["v1.0.0", "v1.1.0", "2.0"]
    assert tags(repository.folder, prereleases=True) == ["v1.0.0", "v1.1.0-rc1", "v1.1.0", "2.0b3", "2.0"]
    assert tags(repository.folder, tags=["v1.1*"]) == ["v1.1.0-rc1", "v1.1.0"]
    with pytest.raises(SourceError, match=r"--tags PATTERN; there are 2\.0, 2\.0b3, nightly"):
        tags(repository.folder, tags=["release-*"])


def test_services_have_tags_and_paths_of_their_own(repository: Repository) -> None:
    repository.commit("begin", 0, file="web/a.txt")
    repository.git("tag", "web-v1")
    repository.git("tag", "api-v1")
    web = repository.commit("for the web", 1, file="web/b.txt")
    api = repository.commit("for the interface", 2, file="api/a.txt")
    repository.git("tag", "web-v2")
    repository.git("tag", "api-v2")
    found = records(repository.folder, tags=["web=web-v*", "api=api-v*"], paths=["web=web", "api=api"])
    assert [(one["service"], one["version"]) for one in found] == [
        ("web", "web-v1"), ("web", "web-v2"), ("api", "api-v1"), ("api", "api-v2"),
    ]  # fmt: skip
    assert (carried(found[1]), carried(found[3])) == ([web], [api])


def test_where_every_merge_is_deployed_the_default_branch_tells(repository: Repository) -> None:
    repository.commit("first", 0)
    repository.git("switch", "--quiet", "--create", "hotfix/login")
    parts = [repository.commit("fix: part", 1), repository.commit("fix: other part", 2)]
    repository.git("switch", "--quiet", "main")
    merged = repository.merge("hotfix/login", 3, "Merge pull request #12 from acme/hotfix/login")
    squashed = repository.commit("Squashed (#13)", 4, committed_hour=6)
    found = records(repository.folder, merges=True, fix_patterns=["hotfix:branch:hotfix/*", "fix:commit:fix"])
    assert [one["commit_id"] for one in found][1:] == [merged, squashed]
    _, merge, squash = found
    assert (carried(merge), merge["pull_request_number"]) == (sorted(parts), 12)
    assert (merge["is_hotfix"], merge["is_fix"], merge["finished_at"]) == (True, True, at(3).isoformat())
    assert (carried(squash), squash["pull_request_number"]) == ([squashed], 13)
    assert (squash["is_hotfix"], squash["finished_at"]) == (None, at(6).isoformat())
    assert squash["deployment_node_id"] == f"git:github.com:commit:{squashed}"


def test_a_hotfix_by_the_name_or_the_message_of_its_tag(repository: Repository) -> None:
    for hour, (name, said) in enumerate((("v1", "One"), ("v1-hotfix1", "Two"), ("v2", "Urgent: three"))):
        repository.commit(name, hour)
        repository.git("tag", "--annotate", name, "--message", said, at=at(hour))
    found = records(repository.folder, fix_patterns=["hotfix:tag:*-hotfix*", "fix:message:urgent*"])
    assert [(one["is_hotfix"], one["is_fix"]) for one in found] == [(None, None), (True, None), (None, True)]


def test_what_cannot_be_read_says_what_to_do(repository: Repository, tmp_path: Path) -> None:
    repository.commit("first", 0)
    with pytest.raises(SourceError, match="--merges"):
        records(repository.folder)
    with pytest.raises(SourceError, match="no folder"):
        records(tmp_path / "nowhere")
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceError, match="not a git repository"):
        records(tmp_path / "plain")
    elsewhere = Repository(tmp_path / "elsewhere", remote=None)
    with pytest.raises(SourceError, match="--repository URL"):
        records(elsewhere.folder)
    repository.commit("second", 1)
    shallow = Repository.cloned(repository, tmp_path / "shallow", "--depth=1")
    with pytest.raises(SourceError, match="--unshallow"):
        records(shallow.folder)


def test_times_that_no_commit_can_have_are_left_out(repository: Repository) -> None:
    repository.commit("first", 0)
    repository.git("tag", "v1")
    repository.commit("second", 1)
    repository.git(
        "commit",
        "--quiet",
        "--allow-empty",
        "--message",
        "odd",
        at=datetime(1970, 1, 1, tzinfo=UTC),
        committed_at=at(2),
    )
    repository.git("tag", "v2")
    found = records(repository.folder)[1]
    assert found["commits_count"] == 2


def test_what_is_passed_over_is_said(repository: Repository) -> None:
    for hour, name in enumerate(("v1.0", "v1.1-rc1", "v1.1")):
        repository.commit(name, hour)
        repository.git("tag", name)
    repository.git("tag", "v1")
    found = list(git_items(str(repository.folder), HistoryOptions()))
    reasons = sorted(one.reason for one in found if isinstance(one, PassedOver))
    assert [reason.split()[0] for reason in reasons] == ["prereleases", "tags"]


def test_a_gitops_repository_tells_what_was_wanted_where(repository: Repository) -> None:
    def want(hour: int, file: str, text: str) -> None:
        path = repository.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        repository.commit(f"change {hour}", hour)

    want(0, "envs/prod/web/kustomization.yaml", "images:\n- name: web\n  newTag: v1.0\n")
    want(1, "envs/stage/web/kustomization.yaml", "images:\n- name: web\n  newTag: v1.1\n")
    want(2, "envs/prod/web/kustomization.yaml", "images:\n- name: web\n  newTag: v1.1  # soon\n")
    want(
        3, "envs/prod/api.yaml", "spec:\n  containers:\n  - image: 'registry.example:5000/acme/api:2024.1'\n"
    )
    want(4, "envs/prod/web/replicas.yaml", "replicas: 3\n")
    want(5, "envs/prod/web/kustomization.yaml", "images:\n- name: web\n  newTag: v1.0\n")
    found = records(repository.folder, manifests=["production=envs/prod/", "staging=envs/stage"])
    assert [(one["environment"], one["service"], one["version"], one["finished_at"]) for one in found] == [
        ("production", "web", "v1.0", at(0).isoformat()), ("staging", "web", "v1.1", at(1).isoformat()),
        ("production", "web", "v1.1", at(2).isoformat()), ("production", "api", "2024.1", at(3).isoformat()),
        ("production", "web", "v1.0", at(5).isoformat()),
    ]  # fmt: skip
    with pytest.raises(SourceError, match="ENVIRONMENT=PATH"):
        records(repository.folder, manifests=["envs/prod"])
