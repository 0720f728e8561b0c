"""Buildkite."""

from tracker.client.run import Environment, Run, System, listed, marked_by, number, text


def _read(environment: Environment) -> Run:
    tag, exited = text(environment, "BUILDKITE_TAG"), text(environment, "BUILDKITE_COMMAND_EXIT_STATUS")
    commit = text(environment, "BUILDKITE_COMMIT")
    return Run(
        system="buildkite",
        repository_url=text(environment, "BUILDKITE_REPO"),
        # A build may be asked for by name, and its commit is the name until it is checked out.
        commit_id=None if commit == "HEAD" else commit,
        branch=None if tag else text(environment, "BUILDKITE_BRANCH"),
        tag=tag,
        # The job's id is another when it is retried.
        id=text(environment, "BUILDKITE_JOB_ID"),
        url=_page(environment),
        actor=text(environment, "BUILDKITE_BUILD_CREATOR", "BUILDKITE_BUILD_AUTHOR"),
        pull_request_number=number(environment, "BUILDKITE_PULL_REQUEST"),
        environment=text(environment, "BUILDKITE_GITHUB_DEPLOYMENT_ENVIRONMENT"),
        labels=listed(environment, "BUILDKITE_PULL_REQUEST_LABELS"),
        status=None if exited is None else "success" if exited == "0" else "fail",
    )


def _page(environment: Environment) -> str | None:
    page, job = text(environment, "BUILDKITE_BUILD_URL"), text(environment, "BUILDKITE_JOB_ID")
    return f"{page}#{job}" if page and job else page


BUILDKITE = System(marked_by("BUILDKITE"), _read)
