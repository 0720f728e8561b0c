"""Azure Pipelines."""

from tracker.client.run import Environment, Run, System, instant, marked_by, number, text, without_prefix


def _read(environment: Environment) -> Run:
    ref, source = (
        text(environment, "BUILD_SOURCEBRANCH"),
        text(environment, "SYSTEM_PULLREQUEST_SOURCEBRANCH"),
    )
    project = "".join(environment.get(name, "") for name in ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECT"))
    build = text(environment, "BUILD_BUILDID")
    return Run(
        system="azure",
        repository_url=text(environment, "BUILD_REPOSITORY_URI"),
        commit_id=text(environment, "BUILD_SOURCEVERSION"),
        # Of a pull request at GitHub the branch comes without its prefix.
        branch=source.removeprefix("refs/heads/") if source else without_prefix(ref, "refs/heads/"),
        tag=without_prefix(ref, "refs/tags/"),
        id=build,
        attempt=text(environment, "SYSTEM_JOBATTEMPT"),
        url=f"{project}/_build/results?buildId={build}".replace(" ", "%20") if project and build else None,
        actor=text(environment, "BUILD_REQUESTEDFOREMAIL", "BUILD_REQUESTEDFOR"),
        started_at=instant(environment, "SYSTEM_PIPELINESTARTTIME"),
        pull_request_number=number(
            environment, "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "SYSTEM_PULLREQUEST_PULLREQUESTID"
        ),
        environment=text(environment, "ENVIRONMENT_NAME"),
        status=text(environment, "AGENT_JOBSTATUS"),
    )


AZURE = System(marked_by("TF_BUILD"), _read)
