"""GitLab CI."""

from tracker.client.run import Environment, Run, System, instant, listed, marked_by, number, text


def _read(environment: Environment) -> Run:
    return Run(
        system="gitlab",
        # Not CI_REPOSITORY_URL, which holds the job's token.
        repository_url=text(environment, "CI_PROJECT_URL"),
        commit_id=text(environment, "CI_COMMIT_SHA"),
        branch=text(environment, "CI_COMMIT_BRANCH", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"),
        tag=text(environment, "CI_COMMIT_TAG"),
        # A retried job has another id, in the same pipeline.
        id=text(environment, "CI_JOB_ID"),
        url=text(environment, "CI_JOB_URL", "CI_PIPELINE_URL"),
        actor=text(environment, "GITLAB_USER_LOGIN"),
        started_at=instant(environment, "CI_JOB_STARTED_AT"),
        pull_request_number=number(environment, "CI_MERGE_REQUEST_IID"),
        environment=text(environment, "CI_ENVIRONMENT_NAME"),
        labels=listed(environment, "CI_MERGE_REQUEST_LABELS"),
        status=text(environment, "CI_JOB_STATUS"),
    )


GITLAB = System(marked_by("GITLAB_CI"), _read)
