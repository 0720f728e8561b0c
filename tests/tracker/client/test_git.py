"""Which commits lie between two deployments, in real repositories, counted by hand."""

import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.git_repository import START, Repository
from tracker.client.commits import commit_fields
from tracker.client.git import Checkout, Commit, GitUnusable, Range


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def changes(repository: Repository, base: str, head: str | None = None, *paths: str) -> list[tuple[str, int]]:
    """Subjects, each with the hour that its author wrote it at, the earliest first."""
    found = Checkout(repository.folder).changes_since([base], head or repository.head(), paths)
    hours = {
        one.subject: (datetime.fromisoformat(one.authored_at) - START) // timedelta(hours=1)
        for one in found.commits
    }
    return sorted(hours.items(), key=lambda pair: pair[1])


def test_the_commits_of_a_branch_since_the_last_deployment(repository: Repository) -> None:
    repository.commit("before", 0)
    base = repository.commit("deployed", 1)
    repository.commit("one", 2)
    repository.commit("two", 3)
    assert changes(repository, base) == [("one", 2), ("two", 3)]
    assert changes(repository, repository.head()) == []


def test_a_merge_is_no_change_and_brings_in_what_was_written_before_the_last_deployment(
    repository: Repository,
) -> None:
    repository.commit("first", 0)
    repository.git("switch", "--quiet", "--create", "feature")
    repository.commit("written early", 1)
    repository.git("switch", "--quiet", "main")
    base = repository.commit("deployed", 5)
    repository.merge("feature", 6)
    assert changes(repository, base) == [("written early", 1)]


def test_a_squash_is_one_change(repository: Repository) -> None:
    base = repository.commit("deployed", 0)
    repository.git("switch", "--quiet", "--create", "feature")
    repository.commit("a", 1)
    repository.commit("b", 2)
    repository.git("switch", "--quiet", "main")
    repository.git("merge", "--quiet", "--squash", "feature")
    repository.git("commit", "--quiet", "--message", "Feature (#7)", at=START + timedelta(hours=3))
    assert changes(repository, base) == [("Feature (#7)", 3)]
    assert Checkout(repository.folder).pull_request_of("HEAD") == 7


def test_rebased_and_picked_commits_keep_their_authors_dates(repository: Repository) -> None:
    base = repository.commit("deployed", 0)
    repository.git("switch", "--quiet", "--create", "feature")
    repository.commit("feature", 1)
    fix = repository.commit("fix", 2)
    repository.git("switch", "--quiet", "main")
    after = repository.commit("main goes on", 10)
    repository.git("cherry-pick", fix, committed_at=START + timedelta(hours=11))
    assert changes(repository, after) == [("fix", 2)]
    repository.git("switch", "--quiet", "feature")
    repository.git("rebase", "--quiet", "main", committed_at=START + timedelta(hours=12))
    # The fix is on main already, and a rebase leaves it out.
    assert changes(repository, after) == [("feature", 1), ("fix", 2)]
    assert changes(repository, base) == [("feature", 1), ("fix", 2), ("main goes on", 10)]


def test_of_a_repository_of_several_things_only_what_touches_one(repository: Repository) -> None:
    base = repository.commit("deployed", 0)
    repository.commit("web", 1, file="web/page.html")
    repository.commit("api", 2, file="api/main.py")
    repository.commit("shared", 3, file="shared/lib.py")
    assert changes(repository, base, None, "web", "shared") == [("web", 1), ("shared", 3)]
    assert changes(repository, base, None, "api") == [("api", 2)]


def test_what_was_rolled_back_to_carries_nothing_and_the_way_forward_what_came_after(
    repository: Repository,
) -> None:
    old = repository.commit("old", 0)
    new = repository.commit("new", 1)
    assert changes(repository, new, old) == []
    assert changes(repository, old, new) == [("new", 1)]


def test_the_first_known_of_the_deployed_commits_counts(repository: Repository) -> None:
    base = repository.commit("deployed", 0)
    repository.commit("one", 1)
    gone = "d" * 40
    found = Checkout(repository.folder).changes_since([gone, base], repository.head())
    assert (found.base, [one.subject for one in found.commits]) == (base, ["one"])
    with pytest.raises(GitUnusable, match=r"dddddddddddd.*is not in the history"):
        Checkout(repository.folder).changes_since([gone], repository.head())
    with pytest.raises(GitUnusable, match="eeeeeeeeeeee is not in this checkout"):
        Checkout(repository.folder).changes_since([base], "e" * 40)


def test_a_shortened_commit_is_found(repository: Repository) -> None:
    base = repository.commit("deployed", 0)
    repository.commit("one", 1)
    assert changes(repository, base[:10]) == [("one", 1)]


@pytest.mark.parametrize("depth", ["1", "3"])
def test_a_shallow_clone_is_deepened_as_far_as_the_last_deployment(
    repository: Repository, tmp_path: Path, depth: str
) -> None:
    base = repository.commit("deployed", 0)
    for hour in range(1, 8):
        repository.commit(f"commit {hour}", hour)
    clone = Repository.cloned(repository, tmp_path / "clone", "--depth", depth)
    assert changes(clone, base) == [(f"commit {hour}", hour) for hour in range(1, 8)]


def test_a_long_history_is_fetched_whole_in_the_end(repository: Repository, tmp_path: Path) -> None:
    base = repository.commit("deployed", 0)
    _add_many(repository, 1_500)
    clone = Repository.cloned(repository, tmp_path / "clone", "--depth", "1")
    assert len(Checkout(clone.folder).changes_since([base], clone.head()).commits) == 1_500


def _add_many(repository: Repository, count: int) -> None:
    """Commits by git's own bulk loader: one process for all."""
    lines = []
    for number in range(count):
        at = int((START + timedelta(minutes=number)).timestamp())
        who = f"Mona <mona@example.com> {at} +0000"
        parent = f"from {repository.head()}\n" if number == 0 else ""
        lines.append(f"commit refs/heads/main\nauthor {who}\ncommitter {who}\ndata 2\nm\n{parent}")
    subprocess.run(
        ["git", "fast-import", "--quiet"],
        cwd=repository.folder,
        input="\n".join(lines),
        text=True,
        check=True,
    )
    repository.git("reset", "--quiet", "--hard")


def test_a_side_branch_that_a_shallow_clone_cuts_is_fetched_too(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit("root", 0)
    repository.git("switch", "--quiet", "--create", "feature")
    for hour in range(1, 6):
        repository.commit(f"feature {hour}", hour)
    repository.git("switch", "--quiet", "main")
    base = repository.commit("deployed", 6)
    repository.merge("feature", 7)
    # The merge and its two parents: the deployed commit is there, and most of the branch is not.
    clone = Repository.cloned(repository, tmp_path / "clone", "--depth", "2")
    assert changes(clone, base) == [(f"feature {hour}", hour) for hour in range(1, 6)]


def test_where_a_clone_cannot_be_deepened_it_says_what_to_do(repository: Repository, tmp_path: Path) -> None:
    base = repository.commit("deployed", 0)
    repository.commit("one", 1)
    repository.commit("two", 2)
    clone = Repository.cloned(repository, tmp_path / "clone", "--depth", "1")
    clone.git("remote", "set-url", "origin", (tmp_path / "nowhere").as_uri())
    with pytest.raises(GitUnusable, match="fetch-depth: 0"):
        changes(clone, base)


def test_a_detached_head_is_as_good_as_a_branch(repository: Repository) -> None:
    base = repository.commit("deployed", 0)
    one = repository.commit("one", 1)
    repository.git("checkout", "--quiet", "--detach", one)
    assert changes(repository, base, Checkout(repository.folder).head()) == [("one", 1)]


def test_outside_of_a_repository_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(GitUnusable):
        Checkout(tmp_path).head()
    assert Checkout(tmp_path).remote_url() is None


@pytest.mark.parametrize(
    ("subject", "branches", "number"),
    [
        (None, ["hotfix/pay"], None),
        ("Merge pull request #12 from acme/hotfix/pay", ["hotfix/pay"], 12),
        ("Merge branch 'hotfix/pay' into 'main'", ["hotfix/pay"], None),
        ("Merged in hotfix/pay (pull request #3)", ["hotfix/pay"], 3),
        ("Bring it together", [], None),
    ],
)
def test_what_was_merged_is_told_by_how_the_hosts_say_it(
    repository: Repository, subject: str | None, branches: list[str], number: int | None
) -> None:
    base = repository.commit("deployed", 0)
    repository.git("switch", "--quiet", "--create", "hotfix/pay")
    repository.commit("fix", 1)
    repository.git("switch", "--quiet", "main")
    merged = repository.merge("hotfix/pay", 2, subject)
    found = Checkout(repository.folder)
    assert found.changes_since([base], merged).merged_branches == branches
    assert found.pull_request_of(merged) == number


def test_subjects_and_paths_may_be_of_any_script(repository: Repository) -> None:
    base = repository.commit("deployed", 0)
    subject = 'größer: \x1b[31m日本 "q" \x1e\u2028 \r end'
    repository.commit(subject, 1, file="wëb/é.txt")
    assert changes(repository, base, None, "wëb") == [(subject, 1)]


def test_a_commit_of_a_date_that_nobody_can_have_counts_without_it() -> None:
    odd = [
        Commit(digit * 40, written, "odd")
        for digit, written in (("a", "1969-12-31T23:59:59Z"), ("b", "nonsense"))
    ]
    fine = Commit("c" * 40, "2026-03-02T08:00:00+01:00", "fine")
    fields = commit_fields(Range("base", [*odd, fine]), is_whole=True)
    assert (fields["commits_count"], [one["sha"] for one in fields["commits"]]) == (3, ["c" * 40])
    # These are not all that came since.
    assert fields["commits_since"] is None
    assert commit_fields(Range("base", [fine]), is_whole=True)["commits_since"] == "base"
    assert commit_fields(Range("base", [fine]), is_whole=False)["commits_since"] is None
