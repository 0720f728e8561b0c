"""Woodpecker, whose variables have some names in common with GitLab's."""

from tracker.client.run import Environment, Run, System, instant, listed, number, text


def _read(environment: Environment) -> Run:
    tag = text(environment, "CI_COMMIT_TAG")
    # Of a pull request CI_COMMIT_BRANCH is the branch that it would be merged into.
    branch = text(environment, "CI_COMMIT_SOURCE_BRANCH", "CI_COMMIT_BRANCH")
    repository, build = text(environment, "CI_REPO"), text(environment, "CI_PIPELINE_NUMBER")
    return Run(
        system="woodpecker",
        repository_url=text(environment, "CI_REPO_CLONE_URL", "CI_REPO_URL"),
        commit_id=text(environment, "CI_COMMIT_SHA"),
        branch=None if tag else branch,
        tag=tag,
        id=f"{repository}/{build}" if repository and build else build,
        url=text(environment, "CI_STEP_URL", "CI_PIPELINE_URL"),
        actor=text(environment, "CI_PIPELINE_AUTHOR", "CI_COMMIT_AUTHOR"),
        started_at=instant(environment, "CI_STEP_STARTED", "CI_PIPELINE_STARTED"),
        pull_request_number=number(environment, "CI_COMMIT_PULL_REQUEST"),
        labels=listed(environment, "CI_COMMIT_PULL_REQUEST_LABELS"),
        environment=text(environment, "CI_PIPELINE_DEPLOY_TARGET"),
    )


WOODPECKER = System(lambda environment: environment.get("CI") == "woodpecker", _read)
