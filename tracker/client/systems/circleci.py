"""CircleCI."""

from tracker.client.run import Environment, Run, System, marked_by, number, text


def _read(environment: Environment) -> Run:
    pull_request = text(environment, "CIRCLE_PULL_REQUEST") or ""
    return Run(
        system="circleci",
        repository_url=text(environment, "CIRCLE_REPOSITORY_URL"),
        commit_id=text(environment, "CIRCLE_SHA1"),
        branch=text(environment, "CIRCLE_BRANCH"),
        tag=text(environment, "CIRCLE_TAG"),
        id=text(environment, "CIRCLE_WORKFLOW_JOB_ID"),
        url=text(environment, "CIRCLE_BUILD_URL"),
        actor=text(environment, "CIRCLE_USERNAME"),
        # The page of one: …/pull/7.
        pull_request_number=number({"": pull_request.rpartition("/")[2]}, ""),
    )


CIRCLECI = System(marked_by("CIRCLECI"), _read)
