"""Flux's events, by its notification controller: of Kustomizations and HelmReleases."""

from collections.abc import Mapping

from tracker.intakes.events import DeploymentTold, Happened, Ignored, Told
from tracker.intakes.sources import EventSource, HmacHeader, Incoming, Option
from tracker.integrations.events.gitops import ENVIRONMENT, REVISION, environment_of, is_own
from tracker.integrations.events.reading import Fields, said
from tracker.senders import keys

_KINDS = ("Kustomization", "HelmRelease")
_SUCCEEDED = ("ReconciliationSucceeded", "InstallSucceeded", "UpgradeSucceeded", "RollbackSucceeded")
_PROGRESSING = "Progressing"
# Where health is waited for this is the success: that of the reconciliation is for commit statuses alone.
_HEALTHY = "Health check passed"
_APPLIED = Option(
    "applied", "what an applied Kustomization is that waits for no health", ("started", "success")
)


def _read(incoming: Incoming) -> Told:
    event, options = Fields.of(incoming.payload), incoming.options
    place, reason = event.object("involvedObject"), event.need("reason")
    if place.need("kind") not in _KINDS:
        return [Ignored("other_kind", place.need("kind"))]
    happened = _of_reason(reason, event.text("message") or "", options)
    if happened is None:
        return [Ignored("event_not_used", reason)]
    metadata = _without_groups(event.object("metadata"))
    revision = metadata.text("revision")
    if revision is None:
        return [Ignored("no_revision", reason)]
    kind, namespace, name = place.need("kind").lower(), place.need("namespace"), place.need("name")
    fields = said(
        service=metadata.short("service") or name,
        environment=environment_of(metadata, namespace, options),
        repository_url=metadata.url("repository_url"),
        version=revision[:200],
        commit_id=_commit(metadata) if is_own(options) else None,
        is_rollback=reason == "RollbackSucceeded" or None,
    )
    return [
        DeploymentTold(
            key=keys.sender_key("flux", "", kind, place.text("uid") or f"{namespace}/{name}"),
            at=event.need_instant("timestamp"),
            happened=happened,
            fields=fields,
            release=revision,
        )
    ]


def _of_reason(reason: str, message: str, options: Mapping[str, str]) -> Happened | None:
    if reason in _SUCCEEDED:
        return Happened.SUCCESS
    if reason.endswith("Failed"):
        return Happened.FAIL
    if reason != _PROGRESSING:
        return None
    is_over = message.startswith(_HEALTHY) or options.get("applied") == "success"
    return Happened.SUCCESS if is_over else Happened.RUNNING


def _without_groups(metadata: Fields) -> Fields:
    """What an event says beside the object, without the groups that newer versions put before its names."""
    return Fields({name.rpartition("/")[2]: text for name, text in metadata.values.items()}, metadata.path)


def _commit(metadata: Fields) -> str | None:
    """The commit of a revision: `main@sha1:…`, `refs/heads/main@sha1:…`, and before Flux 2 `main/…`."""
    for name in ("originRevision", "revision"):
        text = (metadata.text(name) or "").rpartition("@")[2]
        found = Fields({name: text.removeprefix("sha1:").rpartition("/")[2]}).commit(name)
        if found is not None:
            return found
    return None


SOURCE = EventSource(
    name="flux",
    title="Flux",
    read=_read,
    event_of=lambda incoming: Fields.of(incoming.payload).text("reason") or "",
    credentials=(HmacHeader("x-signature", "sha256="),),
    options=(REVISION, ENVIRONMENT, _APPLIED),
    hint="Put integrations/flux/notifications.yaml into flux-system, with the address and the secret.",
)
