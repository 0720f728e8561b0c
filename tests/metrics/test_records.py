"""What a repository, an instant and an environment are."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.domain.instants import from_microseconds, to_microseconds
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError, matches_any

SAME = [
    "https://github.com/acme/shop",
    "https://github.com/acme/shop.git",
    "https://github.com/acme/shop/",
    "https://user:secret@github.com/acme/shop.git",
    "http://GitHub.com:8080/Acme/Shop?x=1#y",
    "git@github.com:acme/shop.git",
    "github.com:acme/shop",
    "ssh://git@github.com/acme/shop.git",
    "ssh://git@github.com:2222/acme/shop",
    "git://github.com/acme/shop.git",
    "  https://github.com/acme/shop  ",
]


@pytest.mark.parametrize("url", SAME)
def test_the_forms_of_one_url_are_one_repository(url: str) -> None:
    identity = RepositoryIdentity.parse(url)
    assert identity == RepositoryIdentity.parse(SAME[0])
    assert identity.key == "github.com/acme/shop"
    assert identity.path.casefold() == "acme/shop"
    assert "secret" not in identity.url


@pytest.mark.parametrize(
    ("url", "host", "path", "shown"),
    [
        (
            "https://gitlab.example:8443/Group/Sub/App.git",
            "gitlab.example",
            "Group/Sub/App",
            "https://gitlab.example:8443/Group/Sub/App",
        ),
        ("git@bitbucket.org:team/app.git", "bitbucket.org", "team/app", "https://bitbucket.org/team/app"),
        ("https://git.example/linux.git", "git.example", "linux", "https://git.example/linux"),
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
     "<https://github.com/acme/shop>", "git@github.com:"],
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
    assert matches_any([pattern], RepositoryIdentity.parse(SAME[0])) is matches


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9998, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_instant_survives_being_kept(instant: datetime) -> None:
    assert from_microseconds(to_microseconds(instant)) == instant
