"""Argo CD's and Argo Rollouts' notifications, by the templates in `integrations/argocd`."""

from urllib.parse import urlsplit

from tracker.intakes.events import DeploymentTold, Happened, Ignored, Told
from tracker.intakes.sources import EventSource, Incoming
from tracker.integrations.events.gitops import ENVIRONMENT, IMAGE, REVISION, environment_of, is_own
from tracker.integrations.events.images import version_of
from tracker.integrations.events.reading import Fields, said
from tracker.senders import keys

_RUNNING = ("Running", "Terminating")
_FAILED = ("Failed", "Error")
_SELF_HEAL = ("autoHealAttemptsCount", "selfHealAttemptsCount")
_ROLLOUT = {"started": Happened.RUNNING, "completed": Happened.SUCCESS, "aborted": Happened.FAIL}


def _read_sync(incoming: Incoming) -> Told:
    """A sync of an application: over once its resources are there and healthy."""
    sync, options = Fields.of(incoming.payload), incoming.options
    operation = sync.object("operation").object("sync")
    if any(operation.text(name) not in (None, "0") for name in _SELF_HEAL):
        return [Ignored("self_heal")]
    app, began = sync.need("app"), sync.need_instant("startedAt")
    happened = _of_phase(sync)
    if happened is None:
        return [Ignored("phase_not_used", sync.need("phase"))]
    revision = sync.text("revision") or ",".join(sync.names("revisions"))
    fields = said(
        service=app,
        environment=environment_of(sync.object("labels"), sync.short("namespace"), options),
        version=version_of(sync.names("images"), options.get("image")) or revision[:200],
        repository_url=sync.url("repoURL") if is_own(options) else None,
        commit_id=sync.commit("revision") if is_own(options) else None,
        url=sync.url("url"),
    )
    host = urlsplit(sync.url("url") or "").hostname or ""
    return [
        DeploymentTold(
            key=keys.sender_key("argocd", host, "sync", f"{app}@{began.isoformat()}"),
            at=sync.need_instant("finishedAt") if happened.is_final else began,
            happened=happened,
            started_at=began,
            fields=fields,
        )
    ]


def _of_phase(sync: Fields) -> Happened | None:
    phase = sync.need("phase")
    if phase in _FAILED:
        return Happened.FAIL
    if phase == "Succeeded":
        # Applied is not running yet, and what degrades later was deployed all the same.
        return Happened.SUCCESS if sync.text("health") == "Healthy" else Happened.RUNNING
    return Happened.RUNNING if phase in _RUNNING else None


def _read_rollout(incoming: Incoming) -> Told:
    """A rollout of a revision. Its status may be an older one: the trigger says what happened."""
    rollout, options = Fields.of(incoming.payload), incoming.options
    event = rollout.need("event")
    if event not in _ROLLOUT:
        return [Ignored("event_not_used", event)]
    name, namespace = rollout.need("name"), rollout.need("namespace")
    fields = said(
        service=name,
        environment=environment_of(rollout.object("labels"), namespace, options),
        version=version_of(rollout.names("images"), options.get("image")),
    )
    if "version" not in fields:
        return [Ignored("no_image")]
    identity = f"{namespace}/{name}:{rollout.text('uid') or ''}#{rollout.need('revision')}"
    return [
        DeploymentTold(
            key=keys.sender_key("argo-rollouts", "", "rollout", identity),
            at=rollout.instant("at") or incoming.received_at,
            happened=_ROLLOUT[event],
            fields=fields,
        )
    ]


ARGOCD = EventSource(
    name="argocd",
    title="Argo CD",
    read=_read_sync,
    event_of=lambda incoming: Fields.of(incoming.payload).text("phase") or "",
    options=(REVISION, ENVIRONMENT, IMAGE),
    hint=(
        "Put integrations/argocd/notifications.yaml into the namespace of Argo CD, with the address and the "
        "secret, and annotate the applications with notifications.argoproj.io/subscribe.tracker.tracker: ''."
    ),
)
ARGO_ROLLOUTS = EventSource(
    name="argo-rollouts",
    title="Argo Rollouts",
    read=_read_rollout,
    event_of=lambda incoming: Fields.of(incoming.payload).text("event") or "",
    options=(ENVIRONMENT, IMAGE),
    hint=(
        "Put integrations/argocd/rollouts-notifications.yaml into the namespace of Argo Rollouts, with the "
        "address and the secret, and annotate the rollouts as it says."
    ),
)
