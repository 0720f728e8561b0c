"""What a record of another system is called here: its `deployment_node_id`, or an incident's `key`.

The same whether its history is imported or its events arrive: it begins with the source and the host.
"""

from hashlib import sha256

from metrics.domain.fields import LONGEST_NAME

_DIGEST_DIGITS = 32


def sender_key(source: str, host: str, kind: str, identity: str) -> str:
    """The key of what a system calls `identity`, as in `github:github.com:deployment:42`.

    One that is too long for a key keeps its beginning, and ends in a digest of the whole.
    """
    key = ":".join(part for part in (source, host, kind, identity) if part)
    if len(key) <= LONGEST_NAME:
        return key
    digest = sha256(key.encode()).hexdigest()[:_DIGEST_DIGITS]
    return f"{key[: LONGEST_NAME - _DIGEST_DIGITS - 1]}:{digest}"


def github_deployment(host: str, number: int) -> str:
    """The number, for GitHub writes a deployment's node id in two formats."""
    return sender_key("github", host, "deployment", str(number))


def github_run(host: str, number: int, attempt: int) -> str:
    """A workflow run and its attempt: a re-run keeps the run's number."""
    return sender_key("github", host, "run", f"{number}.{attempt}")


def github_release(host: str, number: int) -> str:
    return sender_key("github", host, "release", str(number))


def gitlab_deployment(host: str, number: int) -> str:
    """A retried job is another deployment, with a number of its own."""
    return sender_key("gitlab", host, "deployment", str(number))


def gitlab_job(host: str, number: int) -> str:
    return sender_key("gitlab", host, "job", str(number))


def gitlab_release(host: str, tag: str) -> str:
    """GitLab's releases have no number."""
    return sender_key("gitlab", host, "release", tag)


def devlake_deployment(deployment_id: str, sha: str) -> str:
    """DevLake's deployments hold one record a commit."""
    return sender_key("devlake", "", "deployment", f"{deployment_id}:{sha}")


def devlake_incident(incident_id: str) -> str:
    return sender_key("devlake", "", "incident", incident_id)


def datadog_deployment(deployment_id: str) -> str:
    return sender_key("datadog", "", "deployment", deployment_id)


def datadog_failure(failure_id: str) -> str:
    return sender_key("datadog", "", "failure", failure_id)


def sentry_deploy(version: str, environment: str, finished_at: int) -> str:
    """Sentry's deploys are sent without an id; `finished_at` in microseconds."""
    return sender_key("sentry", "", "deploy", f"{version}:{environment}:{finished_at}")


def linearb_deployment(ref: str, at: int) -> str:
    """LinearB's deployments are sent without an id; `at` in microseconds."""
    return sender_key("linearb", "", "deployment", f"{ref}:{at}")


def swarmia_deployment(version: str, at: int) -> str:
    """Swarmia's deployments are sent without an id; `at` in microseconds."""
    return sender_key("swarmia", "", "deployment", f"{version}:{at}")


def sleuth_deploy(slug: str, sha: str, at: int | None) -> str:
    """Sleuth's deploys have no id; one whose duplicates are to be ignored is known without its time."""
    return sender_key("sleuth", "", "deploy", f"{slug}:{sha}" if at is None else f"{slug}:{sha}:{at}")


def git_tag(host: str, tag: str) -> str:
    return sender_key("git", host, "tag", tag)


def git_commit(host: str, sha: str) -> str:
    return sender_key("git", host, "commit", sha)


def csv_row(content: str) -> str:
    """A row that has no id of its own is known by what it says."""
    return sender_key("csv", "", "row", sha256(content.encode()).hexdigest()[:_DIGEST_DIGITS])


def pipeline_run(system: str, run: str, attempt: str) -> str:
    """What `tracker record` calls an attempt of a run."""
    return ":".join((system, run, attempt))


_KINDS = {
    "github": ("deployment", "run", "release"),
    "gitlab": ("deployment", "job", "release"),
    "devlake": ("deployment",),
    "datadog": ("deployment",),
    "sentry": ("deploy",),
    "linearb": ("deployment",),
    "swarmia": ("deployment",),
    "sleuth": ("deploy",),
    "git": ("tag", "commit"),
    "csv": ("row",),
    "cdevents": ("service", "deployment", "pipelinerun", "taskrun"),
    "argocd": ("sync",),
    "argo-rollouts": ("rollout",),
    "flux": ("kustomization", "helmrelease"),
}


def series_of(key: str | None) -> str | None:
    """What is alike in the keys of one system's things of one kind; None for a key of another kind.

    Two records of one series are two: the system itself tells them apart.
    """
    source, _, rest = (key or "").partition(":")
    for kind in _KINDS.get(source, ()):
        host, found, _ = f":{rest}".partition(f":{kind}:")
        if found:
            return f"{source}{host}:{kind}"
    return None
