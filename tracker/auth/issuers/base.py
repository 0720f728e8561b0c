"""What a CI system's OIDC token says of the job that shows it, whichever system it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize

from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from metrics.domain.vocabulary import name_key

JobClaims = Mapping[str, Any]
"""The payload of a token whose signature, issuer, audience and times have been verified."""
ClaimPatterns = Mapping[str, Sequence[str]]
"""By claim the texts of which it must be one; in them a * stands for any characters."""


class Unproven(Exception):
    """The token lacks what its issuer's tokens of jobs have, or says it in a way that misleads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the token proves of the deployment that its job records; None: it proves nothing of that."""

    subject: str
    """Who it is, as the history shows it."""
    repository: RepositoryIdentity | None = None
    commit_id: str | None = None
    branch: str | None = None
    environment: str | None = None
    node_ids: Sequence[str] = ()
    """What names the run: a record's node id is one of them, or begins with one and a colon."""
    is_outsiders: bool = False
    """Whether somebody who may not push could have set the job off: by a pull request from a fork, say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What has to be said to trust an issuer: its name on the command line and in a body, and what it is."""

    name: str
    help: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKind:
    """A kind of issuer: what has to be said to trust one, and what its tokens prove."""

    name: str
    title: str
    options: Sequence[Option]
    issuer_of: Callable[[Mapping[str, str]], str]
    """The issuer's URL, of the options. Raises `ValueError`."""
    claims_of: Callable[[Mapping[str, str]], ClaimPatterns]
    """The claims that say whose jobs they are, of the options."""
    prove: Callable[[JobClaims, str], Proof]
    """What a token of the issuer proves. Raises `Unproven`."""
    owner_claims: Sequence[str] = ()
    """The claims that say whose jobs they are; none where that is the issuer, or any claims."""
    proves_repository: bool = True
    proves_environment: bool = False
    audience: str | None = None
    """The audience that its tokens have where a job cannot choose one."""
    cannot_prove: Sequence[str] = field(default=())


def required(claims: JobClaims, name: str) -> str:
    """A claim that the tokens of jobs have. Raises `Unproven`."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise Unproven(f"the token lacks the claim {name}")
    return value


def said(claims: JobClaims, name: str) -> str | None:
    """A claim that is there and not empty."""
    value = claims.get(name)
    return value if isinstance(value, str) and value else None


def repository_at(url: str) -> RepositoryIdentity:
    """The repository at a URL. Raises `Unproven` where its name could be taken for another's."""
    try:
        found = RepositoryIdentity.parse(url)
    except RepositoryUrlError as error:
        raise Unproven(f"the token names no repository: {error}") from None
    # Names are compared case-folded, and that makes one of letters which only look alike.
    if name_key(found.path) != normalize("NFC", found.path.lower()) or found.is_page:
        raise Unproven(f"the repository {found.path!r} could be taken for another one")
    return found


def branch_of(ref: str | None) -> str | None:
    """The branch that a full ref is; None for a tag or a pull request."""
    return ref.removeprefix("refs/heads/") if ref and ref.startswith("refs/heads/") else None


def as_sent(options: Mapping[str, str], name: str, default: str) -> str:
    """An option's URL without a slash at its end."""
    return options.get(name, default).rstrip("/")


def nothing(_: Mapping[str, str]) -> ClaimPatterns:
    """Of issuers whose claims the options do not say."""
    return {}
