"""The issuers of OIDC tokens that are known, each in a file of its own."""

from collections.abc import Mapping

from tracker.auth.issuers.azure import AZURE
from tracker.auth.issuers.base import IssuerKind
from tracker.auth.issuers.bitbucket import BITBUCKET
from tracker.auth.issuers.buildkite import BUILDKITE
from tracker.auth.issuers.circleci import CIRCLECI
from tracker.auth.issuers.github import GITHUB
from tracker.auth.issuers.gitlab import GITLAB
from tracker.auth.issuers.oidc import OIDC

KINDS: Mapping[str, IssuerKind] = {
    kind.name: kind for kind in (GITHUB, GITLAB, CIRCLECI, BUILDKITE, BITBUCKET, AZURE, OIDC)
}
