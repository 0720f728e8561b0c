"""The systems whose events come in, each a module that says what its events tell."""

from collections.abc import Mapping

from tracker.intakes.sources import EventSource
from tracker.integrations.events import (
    alerts,
    argo,
    cdevents,
    firehydrant,
    flux,
    github,
    gitlab,
    incident_io,
    jira,
    opsgenie,
    pagerduty,
    sentry,
    statuspage,
)

SOURCES: Mapping[str, EventSource] = {
    one.name: one
    for one in (
        github.SOURCE,
        gitlab.SOURCE,
        pagerduty.SOURCE,
        alerts.ALERTMANAGER,
        alerts.GRAFANA,
        cdevents.SOURCE,
        argo.ARGOCD,
        argo.ARGO_ROLLOUTS,
        flux.SOURCE,
        opsgenie.SOURCE,
        jira.SOURCE,
        sentry.SOURCE,
        statuspage.SOURCE,
        incident_io.SOURCE,
        firehydrant.SOURCE,
    )
}
