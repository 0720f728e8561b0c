"""Alerts of Prometheus' Alertmanager and of Grafana, which sends them in the same form: each an incident.

An alert is known by its labels and its start, for the next one with these labels has the same fingerprint.
"""

from collections.abc import Mapping
from functools import partial

from tracker.intakes.events import Ignored, IncidentTold, Told, Turn
from tracker.intakes.sources import EventSource, HmacHeader, Incoming, Option
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.events.severities import SEVERITIES, not_counted
from tracker.senders import keys

_OPTIONS = (
    SEVERITIES,
    Option(
        "labels",
        "the labels that an alert must have, comma-separated, values with | between: team=shop,page=yes|now",
    ),
    Option("service_label", "the label that names the service; default: service"),
    Option("environment_label", "the label that names the environment; default: environment"),
    Option("severity_label", "the label that names the severity; default: severity"),
)
_TURNS = {"firing": Turn.BEGUN, "resolved": Turn.RESOLVED}
# What Grafana sends from the button that tests a contact point, and where a query gives nothing to judge.
_GRAFANA_TEST = {"alertname": "TestAlert", "instance": "Grafana"}
_NOT_JUDGED = ("DatasourceNoData", "DatasourceError")


def _read(source: str, incoming: Incoming) -> Told:
    group = Fields.of(incoming.payload)
    told = [_alert(source, alert, incoming.options) for alert in group.objects("alerts")]
    missing = group.values.get("truncatedAlerts")
    if isinstance(missing, int) and missing > 0:
        told.append(Ignored("truncated_alerts", str(missing)))
    return told


def _alert(source: str, alert: Fields, options: Mapping[str, str]) -> IncidentTold | Ignored:
    labels, annotations = alert.object("labels"), alert.object("annotations")
    severity = labels.short(options.get("severity_label", "severity"))
    why_not = _why_not(source, labels, options) or not_counted(options, severity)
    if why_not is not None:
        return Ignored(why_not)
    turn = _TURNS.get(alert.need("status"))
    if turn is None:
        return Ignored("state_not_used", alert.need("status"))
    began = alert.need_instant("startsAt")
    return IncidentTold(
        key=keys.sender_key(source, "", "alert", f"{alert.need('fingerprint')}@{began.isoformat()}"),
        # One that fires has a zero or an expected end.
        at=began if turn is Turn.BEGUN else alert.need_instant("endsAt"),
        turn=turn,
        started_at=began,
        fields=said(
            title=annotations.short("summary") or annotations.short("title") or labels.short("alertname"),
            url=alert.url("generatorURL"),
            severity=severity,
            service=labels.short(options.get("service_label", "service")),
            environment=labels.short(options.get("environment_label", "environment")),
            repository_url=annotations.url("repository_url"),
        ),
    )


def _why_not(source: str, labels: Fields, options: Mapping[str, str]) -> str | None:
    if source == "grafana":
        if all(labels.text(name) == text for name, text in _GRAFANA_TEST.items()):
            return "test"
        if labels.text("alertname") in _NOT_JUDGED:
            return "no_data"
    for one in filter(None, (part.strip() for part in options.get("labels", "").split(","))):
        name, equals, wanted = one.partition("=")
        text = labels.text(name.strip())
        if text is None or (equals and text not in [value.strip() for value in wanted.split("|")]):
            return f"other_labels: {one}"
    return None


def _event_of(incoming: Incoming) -> str:
    return Fields.of(incoming.payload).text("status") or ""


ALERTMANAGER = EventSource(
    name="alertmanager",
    title="Alertmanager",
    read=partial(_read, "alertmanager"),
    event_of=_event_of,
    options=_OPTIONS,
    hint=(
        "alertmanager.yml, receivers, webhook_configs: the address as url, the secret as http_config, "
        "authorization, credentials; and send_resolved: true, as is the default."
    ),
)
GRAFANA = EventSource(
    name="grafana",
    title="Grafana",
    read=partial(_read, "grafana"),
    event_of=_event_of,
    credentials=(HmacHeader("x-grafana-alerting-signature", timestamp="x-grafana-alerting-timestamp"),),
    options=_OPTIONS,
    hint=(
        "Alerting, Contact points, Webhook: the address as URL, method POST, and under HMAC Signature the "
        "secret, with X-Grafana-Alerting-Timestamp as the timestamp header."
    ),
)
