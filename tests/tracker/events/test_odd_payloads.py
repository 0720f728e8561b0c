"""Whatever a payload holds, a source says what of it is wrong, or tells what can be kept."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from metrics.domain.errors import InvalidInput
from tests.events import EVENTS, read
from tests.tracker.events import test_gitlab_events as gitlab
from tests.tracker.events.test_alerts import alert, group
from tests.tracker.events.test_cdevents import DEPLOYED, DETECTED, structured
from tests.tracker.events.test_github_events import STATUSES, push, pushed, release, run
from tests.tracker.events.test_github_events import issue as github_issue
from tests.tracker.events.test_gitops_events import A, flux, rollout, sync
from tests.tracker.events.test_pagerduty_events import RESOLVED
from tests.tracker.events.test_tracker_events import (
    ALERTED,
    firehydrant,
    incident_io,
    issue,
    jira,
    metric_alert,
    opsgenie,
    statuspage,
)
from tracker.intakes.events import DeploymentTold, Ignored, IncidentTold, PushTold
from tracker.intakes.recording import pushed_facts, state_of
from tracker.intakes.sources import UnreadableEvent
from tracker.integrations.events import SOURCES

GITLAB_TIME = "2021-04-28 21:50:00 +0200"
RUNS = {"deployments": "workflow_run", "workflows": "deploy.yml"}
ALL = {"incidents": "all"}
SAMPLES: list[tuple[str, dict[str, str], Any, dict[str, str]]] = [
    ("github", {"x-github-event": "deployment_status"}, STATUSES[1], {}),
    ("github", {"x-github-event": "workflow_run"}, run(), RUNS),
    ("github", {"x-github-event": "release"}, release(), {"deployments": "release"}),
    ("github", {"x-github-event": "issues"}, github_issue("opened", "2026-03-02T10:00:00Z"), {}),
    ("github", {"x-github-event": "push"}, push("a" * 40, pushed("b", 10)), {}),
    ("gitlab", {"x-gitlab-event": "Deployment Hook"}, gitlab.deployment("success", GITLAB_TIME), {}),
    (
        "gitlab",
        {"x-gitlab-event": "Pipeline Hook"},
        gitlab.pipeline(gitlab.build()),
        {"deployments": "pipeline"},
    ),
    ("gitlab", {"x-gitlab-event": "Push Hook"}, gitlab.pushed("b", "c"), {}),
    ("pagerduty", {}, RESOLVED, {"severities": "P1"}),
    ("alertmanager", {}, group(alert("resolved")), {"labels": "service=checkout"}),
    ("grafana", {}, group(alert()), {}),
    ("cdevents", {}, structured(DEPLOYED), {}),
    ("cdevents", {}, [structured(DETECTED)], {}),
    ("argocd", {}, sync("Succeeded"), {"image": "shop"}),
    ("argo-rollouts", {}, rollout("completed", "2026-03-02T10:00:00Z"), {}),
    ("flux", {}, flux(A, 0), {"revision": "source"}),
    ("opsgenie", {}, opsgenie("Close", "10:40"), {"tags": "page"}),
    ("jira", {}, jira("updated", "10:40", {"field": "labels", "fromString": "incident"}), {}),
    ("sentry", {"sentry-hook-resource": "metric_alert"}, metric_alert("resolved"), {}),
    ("sentry", {"sentry-hook-resource": "event_alert"}, ALERTED, ALL),
    ("sentry", {"sentry-hook-resource": "issue"}, issue("resolved"), ALL),
    ("statuspage", {}, statuspage("resolved", "10:40"), {}),
    ("incident.io", {}, incident_io("closed", "10:40", "incident_status_updated_v2"), {}),
    ("firehydrant", {}, firehydrant("resolved", "10:41"), {}),
]
ODD: list[Any] = [None, [], {}, 7, -1, 1e300, True, "x", "", [7], {"x": 7}, "http://[", "\x00", "9" * 40]


def places(payload: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = (
        payload.items()
        if isinstance(payload, dict)
        else enumerate(payload)
        if isinstance(payload, list)
        else ()
    )
    for name, value in inner:
        yield from places(value, (*path, name))


def changed(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copied = copy.deepcopy(payload)
    place = copied
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return copied


@pytest.mark.parametrize(
    ("source", "headers", "payload", "options"),
    SAMPLES,
    ids=[f"{one[0]}-{n}" for n, one in enumerate(SAMPLES)],
)
def test_whatever_stands_anywhere_is_told_or_refused(
    source: str, headers: dict[str, str], payload: Any, options: dict[str, str]
) -> None:
    assert any(not isinstance(one, Ignored) for one in read(SOURCES[source], payload, headers, **options))
    for path in places(payload):
        for value in ODD:
            try:
                told = read(SOURCES[source], changed(payload, path, value), headers, **options)
            except UnreadableEvent:
                continue
            for one in told:
                if isinstance(one, DeploymentTold | IncidentTold):
                    state_of(one)
                elif isinstance(one, PushTold):
                    with suppress(InvalidInput):
                        pushed_facts(one)


def test_each_source_has_a_sample() -> None:
    assert {one[0] for one in SAMPLES} == set(SOURCES)


def hostile(payload: Any) -> Any:
    """The payload with what a database refuses in every text."""
    if isinstance(payload, dict):
        return {name: hostile(value) for name, value in payload.items()}
    if isinstance(payload, list):
        return [hostile(one) for one in payload]
    return f"{payload}\x00" if isinstance(payload, str) else payload


def test_none_of_it_is_an_error_of_the_service(client: httpx.Client) -> None:
    for source, headers, payload, _ in SAMPLES:
        for odd in ([], hostile(payload)):
            answered = client.post(f"{EVENTS}/{source}", json=odd, headers=headers)
            assert answered.status_code == 200, (source, answered.text)
