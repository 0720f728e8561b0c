"""Drone."""

from tracker.client.run import Environment, Run, System, instant, marked_by, number, text


def _read(environment: Environment) -> Run:
    tag = text(environment, "DRONE_TAG")
    return Run(
        system="drone",
        repository_url=text(environment, "DRONE_GIT_HTTP_URL", "DRONE_REPO_LINK"),
        commit_id=text(environment, "DRONE_COMMIT_SHA", "DRONE_COMMIT"),
        branch=None if tag else text(environment, "DRONE_SOURCE_BRANCH", "DRONE_BRANCH"),
        tag=tag,
        # A build that is restarted or promoted has a number of its own.
        id=_id(environment),
        url=text(environment, "DRONE_BUILD_LINK"),
        actor=text(environment, "DRONE_BUILD_TRIGGER", "DRONE_COMMIT_AUTHOR"),
        started_at=instant(environment, "DRONE_STAGE_STARTED", "DRONE_BUILD_STARTED"),
        pull_request_number=number(environment, "DRONE_PULL_REQUEST"),
        environment=text(environment, "DRONE_DEPLOY_TO"),
        status=text(environment, "DRONE_STAGE_STATUS", "DRONE_BUILD_STATUS"),
    )


def _id(environment: Environment) -> str | None:
    repository, build = text(environment, "DRONE_REPO"), text(environment, "DRONE_BUILD_NUMBER")
    return f"{repository}/{build}" if repository and build else build


DRONE = System(marked_by("DRONE"), _read)
