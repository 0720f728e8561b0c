"""Jenkins, with its Git and multibranch plugins."""

from tracker.client.run import Environment, Run, System, marked_by, number, text


def _read(environment: Environment) -> Run:
    branch = text(environment, "CHANGE_BRANCH", "BRANCH_NAME", "GIT_LOCAL_BRANCH", "GIT_BRANCH")
    tag = text(environment, "TAG_NAME")
    return Run(
        system="jenkins",
        repository_url=text(environment, "GIT_URL", "GIT_URL_1"),
        commit_id=text(environment, "GIT_COMMIT"),
        # Of a tag BRANCH_NAME is the tag's name; GIT_BRANCH has the remote's before it.
        branch=None if tag or branch is None else branch.removeprefix("origin/"),
        tag=tag,
        # jenkins-${JOB_NAME}-${BUILD_NUMBER}; a build that is run again has a number of its own.
        id=text(environment, "BUILD_TAG"),
        url=text(environment, "BUILD_URL"),
        actor=text(environment, "BUILD_USER_ID"),
        pull_request_number=number(environment, "CHANGE_ID"),
        status=text(environment, "JOB_STATUS"),
    )


JENKINS = System(marked_by("JENKINS_URL", "JENKINS_HOME", "HUDSON_URL"), _read)
