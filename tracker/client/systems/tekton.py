"""Tekton, which sets no variables of itself: a step is given those that the guide for it names."""

from tracker.client.run import Environment, Run, System, instant, marked_by, text, without_prefix


def _read(environment: Environment) -> Run:
    revision = text(environment, "TEKTON_REVISION")
    return Run(
        system="tekton",
        repository_url=text(environment, "TEKTON_REPOSITORY_URL"),
        commit_id=text(environment, "TEKTON_COMMIT"),
        branch=None if revision is None else without_prefix(revision, "refs/heads/"),
        tag=None if revision is None else without_prefix(revision, "refs/tags/"),
        # $(context.pipelineRun.uid): another one for each run; a retried task says which retry it is.
        id=text(environment, "TEKTON_PIPELINE_RUN_UID"),
        attempt=text(environment, "TEKTON_RETRY"),
        url=text(environment, "TEKTON_RUN_URL"),
        started_at=instant(environment, "TEKTON_STARTED_AT"),
        status=text(environment, "TEKTON_TASKS_STATUS"),
    )


TEKTON = System(marked_by("TEKTON_PIPELINE_RUN_UID"), _read)
