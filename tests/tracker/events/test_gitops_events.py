"""Argo CD, Argo Rollouts and Flux tell what runs: each release that takes its turn is one deployment."""

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from metrics.domain.repositories import allow_all
from tests.conftest import Book
from tests.events import Sender, Told, read, reason, recorded
from tracker.intakes.events import DeploymentTold
from tracker.intakes.recording import Outcome, Taken, take
from tracker.integrations.events.argo import ARGO_ROLLOUTS, ARGOCD
from tracker.integrations.events.flux import SOURCE as FLUX
from tracker.integrations.events.images import version_of
from tracker.records.ledger import Author

SHOP = "https://github.com/acme/shop"
SHA = "1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e"
TEMPLATES = Path(__file__).parents[3] / "integrations"


def sync(phase: str, health: str = "Healthy", **fields: Any) -> dict[str, Any]:
    return {
        "app": "shop",
        "project": "default",
        "namespace": "shop-live",
        "labels": None,
        "repoURL": "https://github.com/acme/gitops",
        "revision": SHA,
        "revisions": None,
        "phase": phase,
        "health": health,
        "startedAt": "2026-03-02T10:00:00Z",
        "finishedAt": None if phase == "Running" else "2026-03-02T10:02:00Z",
        "operation": {"sync": {"revision": SHA}, "initiatedBy": {"automated": True}},
        "images": ["registry.acme.example:5000/acme/proxy:9", "registry.acme.example:5000/acme/shop:v1.4@sha256:ab"],
        "url": "https://argocd.acme.example/applications/shop",
        **fields,
    }  # fmt: skip


def syncs(*payloads: Any, **options: str) -> list[Told]:
    return [one for payload in payloads for one in read(ARGOCD, payload, **options)]


def test_a_sync_is_one_deployment_in_whatever_order() -> None:
    told = syncs(sync("Running"), sync("Succeeded", "Progressing"), sync("Succeeded"), image="shop")
    assert recorded(told) == {
        "service": "shop",
        "version": "v1.4",
        "url": "https://argocd.acme.example/applications/shop",
        "status": "success",
        "started_at": "2026-03-02T10:00:00+00:00",
        "finished_at": "2026-03-02T10:02:00+00:00",
    }
    assert {one.key for one in told if isinstance(one, DeploymentTold)} == {
        "argocd:argocd.acme.example:sync:shop@2026-03-02T10:00:00+00:00"
    }


@pytest.mark.parametrize(
    ("phase", "health", "status"),
    [
        ("Failed", "Healthy", "fail"),
        ("Error", "Degraded", "fail"),
        ("Succeeded", "Degraded", "in_progress"),
        ("Terminating", "Healthy", "in_progress"),
    ],
)
def test_what_a_phase_means(phase: str, health: str, status: str) -> None:
    assert recorded(syncs(sync(phase, health)))["status"] == status


def test_a_revision_is_the_gitops_repositorys_unless_the_intake_says_otherwise() -> None:
    found = recorded(syncs(sync("Succeeded", images=None)))
    assert (found["version"], "commit_id" in found, "repository_url" in found) == (SHA, False, False)
    own = recorded(syncs(sync("Succeeded"), revision="source"))
    assert (own["commit_id"], own["repository_url"]) == (SHA, "https://github.com/acme/gitops")
    several = recorded(syncs(sync("Succeeded", images=[], revision=None, revisions=["aaa", "bbb"])))
    assert several["version"] == "aaa,bbb"


def test_the_environment_is_a_label_or_the_namespace() -> None:
    labelled = sync("Succeeded", labels={"environment": "live"})
    assert recorded(syncs(labelled, environment="namespace"))["environment"] == "live"
    assert recorded(syncs(sync("Succeeded"), environment="namespace"))["environment"] == "shop-live"


def test_a_sync_that_only_heals_is_none() -> None:
    assert reason(syncs(sync("Succeeded", operation={"sync": {"autoHealAttemptsCount": 1}}))) == "self_heal"
    assert reason(syncs(sync("Unheard"))) == "phase_not_used: Unheard"


@pytest.mark.parametrize(
    ("images", "wanted", "version"),
    [
        (["acme/shop"], None, None),
        (["host:5000/acme/shop"], None, None),
        (["host:5000/acme/shop:1.2"], None, "1.2"),
        (["acme/shop@sha256:ab"], None, "sha256:ab"),
        (["acme/proxy:1", "acme/shop:2"], "SHOP", "2"),
        (["acme/proxy:1", "acme/shop:2"], "mail", "1"),
        ([], "shop", None),
    ],
)
def test_a_version_is_the_tag_of_an_image(images: list[str], wanted: str | None, version: str | None) -> None:
    assert version_of(images, wanted) == version


def rollout(event: str, at: str | None, **fields: Any) -> dict[str, Any]:
    return {
        "event": event,
        "namespace": "live",
        "name": "shop",
        "uid": "6f1d",
        "labels": {},
        "revision": "7",
        "images": ["acme/shop:v2"],
        "at": at,
        **fields,
    }


def rollouts(*payloads: Any, **options: str) -> list[Told]:
    return [one for payload in payloads for one in read(ARGO_ROLLOUTS, payload, **options)]


def test_a_rollout_that_was_aborted_and_retried_is_a_success_in_the_end() -> None:
    started, aborted, completed = (
        rollout(event, f"2026-03-02T10:0{minute}:00Z")
        for minute, event in enumerate(("started", "aborted", "completed"))
    )
    assert recorded(rollouts(started, aborted))["status"] == "fail"
    assert recorded(rollouts(started, aborted, completed, environment="namespace")) == {
        "service": "shop",
        "environment": "live",
        "version": "v2",
        "status": "success",
        "started_at": "2026-03-02T10:00:00+00:00",
        "finished_at": "2026-03-02T10:02:00+00:00",
    }


def test_a_rollout_without_a_time_has_that_of_its_receipt() -> None:
    (told,) = rollouts(rollout("completed", None))
    assert isinstance(told, DeploymentTold)
    assert told.at.tzinfo is not None
    assert told.key == "argo-rollouts:rollout:live/shop:6f1d#7"
    assert reason(rollouts(rollout("completed", None, images=[]))) == "no_image"
    assert reason(rollouts(rollout("paused", None))) == "event_not_used: paused"


GROUP = "kustomize.toolkit.fluxcd.io/"


def flux(
    release: str,
    minute: int,
    cause: str = "ReconciliationSucceeded",
    message: str = "Reconciliation finished",
    **fields: Any,
) -> dict[str, Any]:
    return {
        "involvedObject": {
            "kind": "Kustomization", "namespace": "flux-system", "name": "shop", "uid": "0d5e",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", **fields.pop("object", {}),
        },
        "severity": "info",
        "timestamp": f"2026-03-02T10:{minute:02}:00Z",
        "message": message,
        "reason": cause,
        "metadata": {f"{GROUP}revision": release, "environment": "live", **fields.pop("metadata", {})},
        "reportingController": "kustomize-controller",
        **fields,
    }  # fmt: skip


A, B = "main@sha1:" + "a" * 40, "main@sha1:" + "b" * 40
CONFIGURED = "Deployment/live/shop configured"


def fluxes(*payloads: Any, **options: str) -> list[Told]:
    return [one for payload in payloads for one in read(FLUX, payload, **options)]


def test_a_revision_names_the_gitops_repositorys_commit_unless_the_intake_says_otherwise() -> None:
    found = recorded(fluxes(flux(A, 0)))
    assert (found["service"], found["environment"], found["version"]) == ("shop", "live", A)
    assert "commit_id" not in found
    assert recorded(fluxes(flux(A, 0), revision="source"))["commit_id"] == "a" * 40
    pushed = flux("latest@sha256:" + "c" * 64, 0, metadata={f"{GROUP}originRevision": B})
    assert recorded(fluxes(pushed, revision="source"))["commit_id"] == "b" * 40


@pytest.mark.parametrize(
    ("cause", "message", "options", "status"),
    [
        ("Progressing", CONFIGURED, {}, "in_progress"),
        ("Progressing", CONFIGURED, {"applied": "success"}, "success"),
        ("Progressing", "Health check passed in 5s", {}, "success"),
        ("HealthCheckFailed", "timeout", {}, "fail"),
        ("UpgradeSucceeded", "", {}, "success"),
        ("InstallFailed", "", {}, "fail"),
    ],
)
def test_what_a_reason_means(cause: str, message: str, options: dict[str, str], status: str) -> None:
    assert recorded(fluxes(flux(A, 0, cause, message), **options))["status"] == status


def test_a_rollback_says_so() -> None:
    assert recorded(fluxes(flux("1.2.3", 0, "RollbackSucceeded")))["is_rollback"] is True


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (flux(A, 0, "DependencyNotReady"), "event_not_used: DependencyNotReady"),
        (flux(A, 0, object={"kind": "GitRepository"}), "other_kind: GitRepository"),
        ({**flux(A, 0), "metadata": None}, "no_revision: ReconciliationSucceeded"),
    ],
)
def test_what_else_flux_tells_is_ignored(payload: Any, why: str) -> None:
    assert reason(fluxes(payload)) == why


def taken(book: Book, payload: Any, org: str) -> Taken:
    (told,) = read(FLUX, payload)
    assert isinstance(told, DeploymentTold)
    told = DeploymentTold(
        key=told.key, at=told.at, happened=told.happened, release=told.release,
        fields={**told.fields, "repository_url": SHOP},
    )  # fmt: skip
    return book.recorder.record_now(lambda ledger: take(ledger, Author(org, "intake:flux"), told, allow_all))


def deployed(book: Book, org: str) -> list[tuple[str, str, str | None, str]]:
    """The deployments of an organization: key without its place, status, start and finish."""
    rows = book.rows(
        "select deployment_node_id, status, started_at, finished_at from deployments "
        f"where organization = '{org}' and superseded_revision is null order by finished_at"
    )

    def clock(at: int | None) -> str | None:
        return None if at is None else f"{datetime.fromtimestamp(at / 1e6, UTC):%M}"

    return [(key[-3:], status, clock(began), str(clock(ended))) for key, status, began, ended in rows]


def test_what_is_told_every_interval_is_one_deployment_until_another_release_runs(book: Book) -> None:
    told = [
        flux(A, 0), flux(A, 5), flux(A, 10), flux(B, 12, "Progressing", CONFIGURED), flux(B, 13, "HealthCheckFailed"),
        flux(B, 14), flux(B, 20), flux(A, 25), flux(A, 30),
    ]  # fmt: skip
    outcomes = [taken(book, one, "acme").outcome for one in told]
    assert outcomes == [
        Outcome.RECORDED, Outcome.REPEATED, Outcome.REPEATED, Outcome.RECORDED, Outcome.UPDATED, Outcome.UPDATED,
        Outcome.REPEATED, Outcome.RECORDED, Outcome.REPEATED,
    ]  # fmt: skip
    expected = [
        ("a#1", "success", None, "00"),
        ("b#1", "success", "12", "14"),
        ("a#2", "success", None, "25"),
    ]
    assert deployed(book, "acme") == expected
    assert taken(book, told[4], "acme").outcome == Outcome.REPEATED
    kept = book.rows("select count(*) from sender_events where organization = 'acme'")
    assert kept == [(8,)]


def test_the_order_in_which_flux_is_heard_makes_no_difference(book: Book) -> None:
    told = [flux(A, 0), flux(A, 5), flux(B, 12, "Progressing", CONFIGURED), flux(B, 14), flux(A, 25)]
    orders = list(itertools.permutations(told))[::13]
    for number, order in enumerate(orders):
        for payload in order:
            taken(book, payload, f"order-{number}")
        assert deployed(book, f"order-{number}") == [
            ("a#1", "success", None, "00"), ("b#1", "success", "12", "14"), ("a#2", "success", None, "25"),
        ], order  # fmt: skip


def test_the_templates_are_yaml_and_tell_what_is_read() -> None:
    seen = 0
    for path in sorted(TEMPLATES.glob("*/*notifications.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            assert {"apiVersion", "kind", "metadata"} <= document.keys()
            for name, text in document.get("data", {}).items():
                within = yaml.safe_load(text)
                if name.startswith("template."):
                    webhook = within["webhook"]["tracker"]
                    assert webhook["method"] == "POST"
                    fields = rollout("", None) if "rollouts" in path.name else sync("Running")
                    assert all(f'"{field}": ' in webhook["body"] for field in fields), name
                    seen += 1
                if name.startswith("trigger."):
                    assert all(one["send"] for one in within)
    assert seen == 4


def test_they_show_the_secret_or_sign_with_it(client: httpx.Client) -> None:
    shop = {"shop": {"repository_url": SHOP, "service": "checkout"}}
    argocd = Sender.to(client, "argocd", names=shop, defaults={"environment": "live"})
    assert argocd.bearer(sync("Running"))["outcome"] == "recorded"
    assert argocd.bearer(sync("Succeeded"))["outcome"] == "updated"
    assert argocd.post(sync("Succeeded"), {"Authorization": "Bearer other"}).status_code == 401
    rolled = Sender.to(client, "argo-rollouts")
    assert rolled.bearer(rollout("completed", None))["reason"].startswith("no_repository: ")
    sender = Sender.to(client, "flux", names=shop)
    assert sender.signed(flux(A, 0), "X-Signature", "sha256=")["outcome"] == "recorded"
    assert sender.signed(flux(A, 5), "X-Signature", "sha256=")["outcome"] == "repeated"
    assert sender.post(flux(B, 6), {"X-Signature": "sha256=" + "0" * 64}).status_code == 401
    assert {(one["service"], one["status"]) for one in sender.deployments()} == {("checkout", "success")}
