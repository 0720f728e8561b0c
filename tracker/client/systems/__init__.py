"""The CI systems that are known by their variables, each in a file of its own."""

from collections.abc import Sequence

from tracker.client.run import Environment, Run, System
from tracker.client.systems.argo import ARGO
from tracker.client.systems.azure import AZURE
from tracker.client.systems.bitbucket import BITBUCKET
from tracker.client.systems.buildkite import BUILDKITE
from tracker.client.systems.circleci import CIRCLECI
from tracker.client.systems.drone import DRONE
from tracker.client.systems.github import GITHUB
from tracker.client.systems.gitlab import GITLAB
from tracker.client.systems.jenkins import JENKINS
from tracker.client.systems.teamcity import TEAMCITY
from tracker.client.systems.tekton import TEKTON
from tracker.client.systems.woodpecker import WOODPECKER

# Those whose steps may run inside another come last: an agent of Jenkins may be a job of GitLab's, and sets
# what it has itself on top.
SYSTEMS: Sequence[System] = (
    GITHUB,
    GITLAB,
    BUILDKITE,
    CIRCLECI,
    AZURE,
    BITBUCKET,
    TEAMCITY,
    WOODPECKER,
    DRONE,
    JENKINS,
    TEKTON,
    ARGO,
)


def run_of(environment: Environment) -> Run | None:
    """The run that the environment tells of; None outside of the systems that are known."""
    for system in SYSTEMS:
        if system.is_there(environment):
            return system.read(environment)
    return None
