"""Argo Workflows and Argo CD: variables that their templates set, and those that Argo CD sets of itself."""

from tracker.client.run import Environment, Run, System, marked_by, text


def _read(environment: Environment) -> Run:
    return Run(
        system="argo",
        repository_url=text(environment, "ARGO_REPOSITORY_URL", "ARGOCD_APP_SOURCE_REPO_URL"),
        commit_id=text(environment, "ARGO_COMMIT", "ARGOCD_APP_REVISION"),
        branch=text(environment, "ARGO_BRANCH", "ARGOCD_APP_SOURCE_TARGET_REVISION"),
        # Argo Workflows gives every container the id of its node.
        id=text(environment, "ARGO_WORKFLOW_UID", "ARGO_NODE_ID"),
        url=text(environment, "ARGO_RUN_URL"),
        status=text(environment, "ARGO_WORKFLOW_STATUS"),
    )


ARGO = System(marked_by("ARGO_NODE_ID", "ARGO_WORKFLOW_UID", "ARGOCD_APP_NAME"), _read)
