"""What a repository, an instant and an environment are."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.domain.instants import from_microseconds, to_microseconds
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError, matches_any

GITHUB = [
    "https://github.com/acme/shop",
    "https://github.com/acme/shop.git",
    "https://github.com/acme/shop/",
    "https://user:secret@github.com/acme/shop.git",
    "https://GitHub.com:443/Acme/Shop?x=1#y",
    "http://github.com:80/acme/shop",
    "https://www.github.com/acme/shop",
    "git@github.com:acme/shop.git",
    "github.com:acme/shop",
    "ssh://git@github.com/acme/shop.git",
    "ssh://git@ssh.github.com:443/acme/shop.git",
    "git://github.com/acme/shop.git",
    "https://api.github.com/repos/acme/shop",
    "  https://github.com/acme/shop  ",
]
GITHUB_PAGES = [
    "https://github.com/acme/shop/tree/main",
    "https://github.com/acme/shop/actions/runs/12",
    "https://github.com/acme/shop/commit/" + "a" * 40,
    "https://api.github.com/repos/acme/shop/deployments/1",
]
AZURE = [
    "https://dev.azure.com/acme/Big%20Shop/_git/Web%20Site",
    "https://acme@dev.azure.com/acme/Big%20Shop/_git/Web%20Site",
    "git@ssh.dev.azure.com:v3/acme/Big%20Shop/Web%20Site",
    "ssh://git@ssh.dev.azure.com/v3/acme/Big%20Shop/Web%20Site",
    "https://acme.visualstudio.com/Big%20Shop/_git/Web%20Site",
    "https://acme.visualstudio.com/DefaultCollection/Big%20Shop/_git/Web%20Site",
    "acme@vs-ssh.visualstudio.com:v3/acme/Big%20Shop/Web%20Site",
    "ssh://acme@vs-ssh.visualstudio.com:22/DefaultCollection/Big%20Shop/_ssh/Web%20Site",
]
BITBUCKET_SERVER = [
    "https://bitbucket.example/scm/SHOP/web.git",
    "https://bitbucket.example/projects/SHOP/repos/web",
    "https://bitbucket.example/bitbucket/projects/SHOP/repos/web/browse",
    "https://bitbucket.example/bitbucket/scm/SHOP/web.git",
    "ssh://git@bitbucket.example:7999/shop/web.git",
]
OF_A_USER = [
    "https://bitbucket.example/scm/~jane/web.git",
    "https://bitbucket.example/users/jane/repos/web",
    "ssh://git@bitbucket.example:7999/~jane/web.git",
]
GERRIT = [
    "https://gerrit.example/plugins/web",
    "https://gerrit.example/a/plugins/web",
    "ssh://jane@gerrit.example:29418/plugins/web",
]
COMPOSED = [
    "https://github.com/acme/m%C3%BCnchen",
    "https://github.com/acme/münchen",
    "git@github.com:acme/mu\u0308nchen",
]
FORMS = {
    "github.com/acme/shop": [*GITHUB, *GITHUB_PAGES],
    "dev.azure.com/acme/big shop/web site": AZURE,
    "bitbucket.example/shop/web": BITBUCKET_SERVER,
    "bitbucket.example/~jane/web": OF_A_USER,
    "gerrit.example/plugins/web": GERRIT,
    "github.com/acme/münchen": COMPOSED,
    "gitlab.com/a/b/c/d": [
        "https://gitlab.com/a/b/c/d",
        "ssh://git@altssh.gitlab.com:443/a/b/c/d.git",
        "https://gitlab.com/a/b/c/d/-/pipelines/12",
        "https://gitlab.com/a/b/c/d/tree/main",
        "https://gitlab.com/api/v4/projects/a%2Fb%2Fc%2Fd",
        "https://gitlab.com/api/v4/projects/a%2Fb%2Fc%2Fd/deployments",
        "git@gitlab.com:/a/b/c/d.git",
        "https://gitlab.com/a/b/c/d/commit/0a1b2c3d",
    ],
    # What could be a page, or another host's form, is none where git is given it.
    "gitlab.com/scm/team/app": ["git@gitlab.com:scm/team/app.git", "https://gitlab.com/scm/team/app"],
    "git.example/scm/team/app": ["git@git.example:scm/team/app.git"],
    "gitlab.com/acme/tools/pull/agent": [
        "git@gitlab.com:acme/tools/pull/agent.git",
        "https://gitlab.com/acme/tools/pull/agent",
    ],
    "git.example/acme/tools/tree/app": ["https://git.example/acme/tools/tree/app.git"],
    "github.com/scm/app": ["https://github.com/scm/app/issues"],
    "gerrit.example/a/web": ["ssh://gerrit.example/a/web", "https://gerrit.example/a/a/web"],
    "tfs.example/tfs/team/shop/web": [
        "https://tfs.example/tfs/Team/Shop/_git/Web",
        "https://tfs.example/tfs/Team/Shop/_git/Web/commit/1",
    ],
    "[2001:db8::1]:3000/a/b": ["https://[2001:db8::1]:3000/a/b.git", "http://[2001:DB8::1]:3000/a/b"],
    "[2001:db8::1]/a/b": ["git@[2001:db8::1]:a/b.git", "https://[2001:db8::1]:443/a/b"],
}


@pytest.mark.parametrize(("key", "url"), [(key, url) for key, urls in FORMS.items() for url in urls])
def test_the_forms_of_one_url_are_one_repository(key: str, url: str) -> None:
    identity = RepositoryIdentity.parse(url)
    assert identity.key == key
    assert "secret" not in identity.url
    again = RepositoryIdentity.parse(identity.url)
    assert (again, again.url, again.is_page) == (identity, identity.url, False)
    assert matches_any([identity.path], identity)
    assert matches_any([identity.shown], identity)
    assert matches_any([f"{identity.host}/{identity.path}"], identity)


@pytest.mark.parametrize(
    "urls",
    [
        ["https://git.example/a/b", "https://git.example:8443/a/b", "ssh://git@git.example:2222/a/b"],
        ["https://github.com/acme/shop", "https://gitlab.com/acme/shop"],
        ["https://git.example/a/b", "https://git.example/b"],
        ["https://git.example/a/tree", "https://git.example/a"],
    ],
)
def test_another_port_host_or_path_is_another_repository(urls: list[str]) -> None:
    assert len({RepositoryIdentity.parse(url) for url in urls}) == len(urls)


def test_a_page_of_a_repository_is_told_from_the_repository() -> None:
    assert all(RepositoryIdentity.parse(url).is_page for url in GITHUB_PAGES)
    assert not any(RepositoryIdentity.parse(url).is_page for url in [*GITHUB, *AZURE, *GERRIT, *OF_A_USER])


@pytest.mark.parametrize(
    ("url", "host", "path", "shown"),
    [
        (
            "https://gitlab.example:8443/Group/Sub/App.git",
            "gitlab.example:8443",
            "Group/Sub/App",
            "https://gitlab.example:8443/Group/Sub/App",
        ),
        ("git@bitbucket.org:team/app.git", "bitbucket.org", "team/app", "https://bitbucket.org/team/app"),
        ("https://git.example/linux.git", "git.example", "linux", "https://git.example/linux"),
        (AZURE[4], "dev.azure.com", "acme/Big Shop/Web Site", AZURE[0]),
    ],
)
def test_a_repository_keeps_its_case_and_shows_a_url_to_open(
    url: str, host: str, path: str, shown: str
) -> None:
    identity = RepositoryIdentity.parse(url)
    assert (identity.host, identity.path, identity.url) == (host, path, shown)


@pytest.mark.parametrize(
    "text",
    ["", "acme/shop", "github.com/acme/shop", "https://github.com", "https://", "file:///srv/shop", "ftp://h/a",
     "https://github.com/../shop", "https://github.com/acme shop", "C:\\shop", "https://h:port/a", "https://[::1/a",
     "<https://github.com/acme/shop>", "git@github.com:",
     "https://dev.azure.com/acme/shop/_build/results", "https://gitlab.com/api/v4/projects/12", "https://gitlab.com/api/v4/projects/12/deployments", "https://h/%ff/a", "https://h/a%00b"],
)  # fmt: skip
def test_what_is_no_repository_url_is_refused(text: str) -> None:
    with pytest.raises(RepositoryUrlError, match="git URL"):
        RepositoryIdentity.parse(text)


@given(st.text())
def test_any_text_is_a_repository_or_refused(text: str) -> None:
    try:
        identity = RepositoryIdentity.parse(text)
    except RepositoryUrlError:
        return
    assert RepositoryIdentity.parse(identity.url) == identity


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("acme/shop", True),
        ("ACME/SHOP", True),
        ("github.com/acme/shop", True),
        ("gitlab.com/acme/shop", False),
        ("acme/*", True),
        ("github.com/*", True),
        ("*", True),
        ("acme/sho", False),
        ("shop", False),
        ("", False),
    ],
)
def test_a_pattern_means_a_path_a_host_and_path_or_a_beginning(pattern: str, matches: bool) -> None:
    assert matches_any([pattern], RepositoryIdentity.parse(GITHUB[0])) is matches


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9998, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_instant_survives_being_kept(instant: datetime) -> None:
    assert from_microseconds(to_microseconds(instant)) == instant
