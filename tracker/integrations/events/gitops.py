"""What the tools of GitOps share: whose commit a revision is, and what is an environment."""

from collections.abc import Mapping

from tracker.intakes.sources import Option
from tracker.integrations.events.reading import Fields

REVISION = Option(
    "revision",
    "whose commits a revision names: the GitOps repository's, or the service's own",
    ("gitops", "source"),
)
ENVIRONMENT = Option("environment", "namespace: the namespace is the environment", ("namespace",))
IMAGE = Option("image", "a part of the name of the image whose tag is the version; default: the first one's")


def is_own(options: Mapping[str, str]) -> bool:
    """Whether a revision is a commit of the service's own repository."""
    return options.get(REVISION.name) == "source"


def environment_of(labels: Fields, namespace: str | None, options: Mapping[str, str]) -> str | None:
    """The label `environment`, else the namespace where the intake says so."""
    by_namespace = namespace if options.get(ENVIRONMENT.name) == "namespace" else None
    return labels.short("environment") or by_namespace
