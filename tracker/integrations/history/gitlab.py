"""History out of GitLab: what its interface answers for deployments and releases."""

from collections.abc import Iterator
from dataclasses import dataclass

from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from tracker.intakes.sources import UnreadableEvent
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.history.json_stream import read_objects
from tracker.integrations.history.options import HistoryOptions
from tracker.senders import keys
from tracker.senders.states import GITLAB
from tracker.transfer.imports.items import Found, Item, PassedOver


@dataclass(frozen=True, slots=True)
class _Reader:
    options: HistoryOptions

    def read(self, place: str, element: Fields) -> Iterator[Item]:
        """What one object of GitLab's interface tells. Raises `UnreadableEvent`."""
        values = element.values
        if "environment" in values and "sha" in values:
            yield self._deployment(place, element)
        elif "tag_name" in values:
            yield self._release(place, element)
        elif "message" in values or "error" in values:
            said_by_it = element.text("message") or element.text("error") or ""
            raise UnreadableEvent(f"is GitLab's error: {said_by_it}")
        else:
            raise UnreadableEvent("must be a deployment or a release, as GitLab's interface answers them")

    def _deployment(self, place: str, deployment: Fields) -> Item:
        job = deployment.object("deployable")
        status = deployment.need("status").lower()
        if status not in GITLAB:
            raise UnreadableEvent(f"status {status} is none that GitLab has")
        outcome = GITLAB[status]
        if outcome is None:
            return PassedOver("not over, as far as GitLab says")
        repository = self._repository(job)
        # Of a deployment that came by the interface there is no job.
        finished_at = job.instant("finished_at") or deployment.need_instant("updated_at")
        started_at = job.instant("started_at") or deployment.instant("created_at")
        environment, ref = deployment.object("environment"), deployment.text("ref")
        is_tag = job.flag("tag")
        record = said(
            repository_url=repository.url,
            commit_id=deployment.need("sha").lower(),
            version=ref if is_tag else None,
            branch=None if is_tag else ref,
            service=self.options.service,
            environment=environment.text("name") or self.options.environment,
            production=environment.text("tier") == "production" or None,
            team=self.options.team,
            status=outcome,
            started_at=None if started_at is None or started_at > finished_at else started_at.isoformat(),
            finished_at=finished_at.isoformat(),
            title=job.object("commit").text("title"),
            url=job.url("web_url") or job.object("pipeline").url("web_url"),
            member_id=deployment.object("user").text("username"),
            deployment_node_id=keys.gitlab_deployment(repository.host, int(deployment.need("id"))),
        )
        return Found(place, record)

    def _release(self, place: str, release: Fields) -> Item:
        if release.flag("upcoming_release"):
            return PassedOver("releases that are to come")
        links, tag = release.object("_links"), release.need("tag_name")
        repository = self._repository(links)
        record = said(
            repository_url=repository.url,
            commit_id=release.object("commit").commit("id"),
            version=tag,
            service=self.options.service,
            environment=self.options.environment,
            team=self.options.team,
            finished_at=release.need_instant("released_at").isoformat(),
            title=release.text("name"),
            url=links.url("self"),
            changelog=release.text("description"),
            member_id=release.object("author").text("username"),
            deployment_node_id=keys.gitlab_release(repository.host, tag),
        )
        return Found(place, record)

    def _repository(self, within: Fields) -> RepositoryIdentity:
        """The repository: as is said, else by the address of something in it. Raises `UnreadableEvent`."""
        pages = (
            within.url("self"),
            within.object("pipeline").url("web_url"),
            within.object("commit").url("web_url"),
        )
        url = self.options.repository_url or next((one for one in pages if one is not None), None)
        if url is None:
            raise UnreadableEvent("names no repository: say it by --repository URL")
        return repository_of(url)


def repository_of(url: str, name: str = "the repository's address") -> RepositoryIdentity:
    """Raises `UnreadableEvent`."""
    try:
        return RepositoryIdentity.parse(url)
    except RepositoryUrlError as error:
        raise UnreadableEvent(f"{name} {error}") from None


def gitlab_items(path: str, options: HistoryOptions) -> Iterator[Item]:
    """What a file of GitLab's answers tells. Raises `SourceError`."""
    return read_objects(path, _Reader(options).read)
