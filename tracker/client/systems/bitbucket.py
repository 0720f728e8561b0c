"""Bitbucket Pipelines."""

from tracker.client.run import Environment, Run, System, marked_by, number, text


def _read(environment: Environment) -> Run:
    page, build = text(environment, "BITBUCKET_GIT_HTTP_ORIGIN"), text(environment, "BITBUCKET_BUILD_NUMBER")
    page = page and page.replace("http://", "https://", 1)
    exited = text(environment, "BITBUCKET_EXIT_CODE")
    return Run(
        system="bitbucket",
        repository_url=page,
        commit_id=text(environment, "BITBUCKET_COMMIT"),
        branch=text(environment, "BITBUCKET_BRANCH"),
        tag=text(environment, "BITBUCKET_TAG"),
        id=text(environment, "BITBUCKET_STEP_UUID"),
        attempt=text(environment, "BITBUCKET_STEP_RUN_NUMBER"),
        url=f"{page}/pipelines/results/{build}" if page and build else None,
        actor=text(environment, "BITBUCKET_STEP_TRIGGERER_UUID"),
        pull_request_number=number(environment, "BITBUCKET_PR_ID"),
        environment=text(environment, "BITBUCKET_DEPLOYMENT_ENVIRONMENT"),
        status=None if exited is None else "success" if exited == "0" else "fail",
    )


BITBUCKET = System(marked_by("BITBUCKET_BUILD_NUMBER"), _read)
