"""GitLab's DORA metrics API: the service's own figures, for clients and dashboards that read GitLab's."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from litestar import Controller, get
from litestar.params import FromPath

from metrics.definitions.base import MetricName
from metrics.domain.errors import InvalidInput
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from metrics.queries.calendar import Interval, months_before
from metrics.queries.parameters import MetricParameters
from tracker.auth.callers import requires
from tracker.auth.tokens import Scope
from tracker.errors import NotFound
from tracker.integrations.gitlab.answers import PREFIX, Answer
from tracker.integrations.gitlab.projects import HEADERS, project_of
from tracker.organizations.service import read_settings
from tracker.web.paging import CallerRequest
from tracker.web.state import Service

_READERS = [requires(Scope.METRICS_READ, headers=HEADERS)]
_WRONG = "does not have a valid value"
_METRICS: Mapping[str, tuple[MetricName, Callable[[Any], float | None]]] = {
    # GitLab counts them; how many a day is for whoever reads.
    "deployment_frequency": (MetricName.DEPLOYMENT_FREQUENCY, lambda row: row.deployments),
    "lead_time_for_changes": (MetricName.LEAD_TIME_FOR_CHANGES, lambda row: row.value),
    "time_to_restore_service": (MetricName.MEAN_TIME_TO_RECOVER, lambda row: row.median),
    "change_failure_rate": (MetricName.CHANGE_FAILURE_RATE, lambda row: row.value),
}
_INTERVALS: Mapping[str, Interval | None] = {"daily": Interval.DAY, "monthly": Interval.MONTH, "all": None}
_PRODUCTION = "production"
_TIERS: Mapping[str, Sequence[str]] = {
    "staging": ("stag*", "model*", "pre", "preprod*", "demo*"),
    "testing": ("test*", "tst*", "qa*", "uat*", "accept*", "quality*", "control*"),
    "development": ("dev*", "review*", "trunk*"),
    "other": ("other*",),
}
"""The environments of a tier by the beginnings of their names, as GitLab guesses them."""
_DEFAULT_MONTHS = 3


class DoraController(Controller):
    """A metric of a project, or of all projects of a group."""

    path = PREFIX
    include_in_schema = False

    @get("/projects/{project:str}/dora/metrics", guards=_READERS, sync_to_thread=True)
    def of_project(
        self, project: FromPath[str], request: CallerRequest, service: Service
    ) -> Sequence[Answer]:
        """A metric of one project."""
        with service.engine.connect() as connection:
            identity = project_of(connection, request.user, service.settings.gitlab_url, project)
        return _answers(request, service, f"{identity.host}/{identity.path}")

    @get("/groups/{group:str}/dora/metrics", guards=_READERS, sync_to_thread=True)
    def of_group(self, group: FromPath[str], request: CallerRequest, service: Service) -> Sequence[Answer]:
        """A metric of all projects of a group that the token reaches, those of its subgroups too."""
        path = unquote(group).strip("/")
        try:
            identity = RepositoryIdentity.parse(f"{service.settings.gitlab_url.rstrip('/')}/{path}/x")
        except RepositoryUrlError:
            raise NotFound("Group Not Found") from None
        # A number of GitLab's own says nothing here.
        if path.isdecimal() or "\x00" in path:
            raise NotFound("Group Not Found")
        return _answers(request, service, f"{identity.host}/{path}/*")


def _answers(request: CallerRequest, service: Service, repositories: str) -> Sequence[Answer]:
    given, caller = request.query_params, request.user
    metric, value = _chosen("metric", given.get("metric"), _METRICS)
    interval = _chosen("interval", given.get("interval") or "daily", _INTERVALS)
    with service.engine.connect() as connection:
        settings = read_settings(connection, caller.organization)
    last = _date(given.get("end_date"), "end_date") or datetime.now(UTC).date()
    first = _date(given.get("start_date"), "start_date") or months_before(last, _DEFAULT_MONTHS)
    if first > last:
        raise InvalidInput.field("start_date", "must not be after end_date")
    names = ("environment_tiers[]", "environment_tiers")
    tiers = [text for name in names for text in given.getall(name, []) if text] or [_PRODUCTION]
    asked = {
        "from": first.isoformat(),
        "to": (last + timedelta(days=1)).isoformat(),
        "repository": [repositories],
        "environment": _environments(tiers, settings.production_environments),
        "interval": interval,
    }
    parameters = MetricParameters.of({name: text for name, text in asked.items() if text})
    session = service.session(caller.organization, caller.repositories)
    (answer,) = session.answers(parameters, [metric])
    if interval is None:
        return [{"date": None, "value": value(answer.row)}]
    zone = answer.question.zone
    return [
        {
            "date": interval.start(point.window.from_at.astimezone(zone).date()),
            "value": value(point.row),
        }
        for point in answer.series
    ]


def _environments(tiers: Sequence[str], production: Sequence[str]) -> list[str]:
    """The patterns of the environments; none where those of production are asked for alone."""
    if tiers == [_PRODUCTION]:
        return []
    found = [
        name
        for tier in tiers
        for name in (production if tier == _PRODUCTION else _chosen("environment_tiers", tier, _TIERS))
    ]
    return list(dict.fromkeys(found))


def _chosen(name: str, text: str | None, choices: Mapping[str, Any]) -> Any:
    if text is None:
        raise InvalidInput.field(name, "is required")
    if text not in choices:
        raise InvalidInput.field(name, _WRONG)
    return choices[text]


def _date(text: str | None, name: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise InvalidInput.field(name, "must be a date, as in 2026-03-02") from None
