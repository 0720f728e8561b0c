"""History out of GitHub: what its interface answers, read as its events are, so that both are one record."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from tracker.intakes.events import DeploymentTold, Ignored, IncidentTold, Told
from tracker.intakes.folding import fold_deployment, fold_incident
from tracker.intakes.recording import state_of
from tracker.intakes.sources import Incoming, UnreadableEvent
from tracker.integrations.events.github import SOURCE, deployment_told, status_told
from tracker.integrations.events.reading import Fields
from tracker.integrations.history.json_stream import read_objects
from tracker.integrations.history.options import HistoryOptions
from tracker.senders.states import GITHUB_DEPLOYMENT
from tracker.transfer.imports.items import Found, Item, PassedOver, SourceError

NO_STATUSES = "deployments without their statuses"
HOW_TO_GET_STATUSES = (
    "GitHub's list of deployments has no outcome: get the statuses of each too, and give both as "
    '{"deployment": …, "statuses": […]} a line; docs/history.md has the command'
)

_TELLING = {"in_progress", *(state for state, outcome in GITHUB_DEPLOYMENT.items() if outcome is not None)}
"""The states that say when it began, and how it ended."""


@dataclass(frozen=True, slots=True)
class _Reader:
    options: HistoryOptions

    def read(self, place: str, element: Fields) -> Iterator[Item]:
        """What one object of GitHub's interface tells. Raises `UnreadableEvent`, `SourceError`."""
        values = element.values
        if "deployment" in values:
            yield self._deployment(place, element.object("deployment"), element.objects("statuses"))
        elif "workflow_runs" in values:
            for run in element.objects("workflow_runs"):
                yield self._run(f"{place}, {run.path}", run)
        elif "run_started_at" in values or "workflow_id" in values:
            yield self._run(place, element)
        elif "tag_name" in values:
            yield self._release(place, element)
        elif "sha" in values and "environment" in values:
            has_statuses = isinstance(values.get("statuses"), list)
            yield (
                self._deployment(place, element, element.objects("statuses"))
                if has_statuses
                else PassedOver(NO_STATUSES)
            )
        elif "number" in values and "labels" in values:
            yield self._issue(place, element)
        elif "message" in values:
            raise UnreadableEvent(f"is GitHub's error: {element.text('message')}")
        else:
            raise UnreadableEvent("must be a deployment with its statuses, a run, a release or an issue")

    def _deployment(self, place: str, deployment: Fields, statuses: Iterable[Fields]) -> Item:
        told = deployment_told(deployment, self._repository(deployment, "repository_url")["html_url"])
        if isinstance(told, Ignored):
            return self._folded(place, [told])
        telling = (one for one in statuses if one.text("state") in _TELLING)
        return self._folded(place, [told, *(status_told(one, told) for one in telling)])

    def _run(self, place: str, run: Fields) -> Item:
        if not self.options.workflows:
            raise SourceError("these are workflow runs: say which workflows deploy, by --workflow deploy.yml")
        repository = self._repository(run.object("repository"), "html_url")
        payload = {"workflow_run": run.values, "repository": repository}
        options = {"deployments": "workflow_run", "workflows": ",".join(self.options.workflows)}
        return self._folded(place, _told("workflow_run", payload, options))

    def _release(self, place: str, release: Fields) -> Item:
        payload = {
            "action": "published",
            "release": release.values,
            "repository": self._repository(release, "html_url"),
        }
        prereleases = "yes" if self.options.prereleases else "no"
        return self._folded(
            place, _told("release", payload, {"deployments": "release", "prereleases": prereleases})
        )

    def _issue(self, place: str, issue: Fields) -> Item:
        """An issue with the label `incident`."""
        if "pull_request" in issue.values:
            return PassedOver("pull requests")
        payload = {"issue": issue.values, "repository": self._repository(issue, "html_url")}
        told = list(_told("issues", {**payload, "action": "opened"}))
        if issue.text("closed_at") is not None:
            told += _told("issues", {**payload, "action": "closed"})
        return self._folded(place, told)

    def _folded(self, place: str, told: Told) -> Item:
        """The record, where what was told makes one that is over."""
        known = list(told)
        incidents = [one for one in known if isinstance(one, IncidentTold)]
        if incidents:
            record = fold_incident(map(state_of, incidents))
            assert record is not None
            return Found(
                place, {**record, "key": incidents[0].key, **self._said("service")}, is_incident=True
            )
        deployments = [one for one in known if isinstance(one, DeploymentTold)]
        if not deployments:
            ignored = [one for one in known if isinstance(one, Ignored)]
            return PassedOver(_why(ignored[0]))
        record = fold_deployment(map(state_of, deployments))
        if record is None or record["status"] == "in_progress":
            return PassedOver("not over, as far as GitHub says")
        said = {**self._said("service", "environment", "team"), **record}
        return Found(place, {**said, "deployment_node_id": deployments[0].key})

    def _said(self, *names: str) -> Mapping[str, str]:
        return {name: text for name in names if (text := getattr(self.options, name)) is not None}

    def _repository(self, within: Fields, name: str) -> Mapping[str, str]:
        """The repository as an event has it, by an address of it or of something in it."""
        url = self.options.repository_url or within.need(name)
        try:
            return {"html_url": RepositoryIdentity.parse(url).url}
        except RepositoryUrlError as error:
            raise UnreadableEvent(f"{name} {error}") from None


def _told(event: str, payload: Mapping[str, Any], options: Mapping[str, str] | None = None) -> Told:
    return SOURCE.read(Incoming({"x-github-event": event}, payload, options or {}))


def _why(ignored: Ignored) -> str:
    """Why it is no deployment, in words that are counted."""
    words = ignored.reason.replace("_", " ")
    return f"{words} {ignored.detail}".strip()


def github_items(path: str, options: HistoryOptions) -> Iterator[Item]:
    """What a file of GitHub's answers tells. Raises `SourceError`."""
    return read_objects(path, _Reader(options).read)
