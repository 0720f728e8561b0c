"""History out of Datadog's DORA metrics: the answers of its lists of deployments and failures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tracker.intakes.sources import UnreadableEvent
from tracker.integrations.events.reading import Fields, said
from tracker.integrations.history.gitlab import repository_of
from tracker.integrations.history.json_stream import json_objects, opened, texts
from tracker.integrations.history.options import HistoryOptions
from tracker.senders import keys
from tracker.transfer.imports.items import Found, Item, PassedOver, Unreadable

_MOST_LABELS = 20
_ROLLBACK = "rollback"


@dataclass(slots=True)
class _Reader:
    options: HistoryOptions
    remediations: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """By a deployment's id which one it repairs, and whether by going back."""

    def learn(self, element: Fields) -> None:
        """Keep what a deployment that failed says of its repair, which may stand before it."""
        found = element.object("attributes").object("remediation")
        repair = found.text("id")
        failed = element.text("id")
        if repair is not None and failed is not None:
            self.remediations[repair] = (failed, (found.text("type") or "").lower() == _ROLLBACK)

    def read(self, place: str, element: Fields) -> Item:
        """Raises `UnreadableEvent`."""
        kind, attributes = element.text("type") or "", element.object("attributes")
        if kind in ("dora_failure", "dora_incident"):
            return self._failure(place, element.need("id"), attributes)
        if kind not in ("dora_deployment", ""):
            return PassedOver(f"of the type {kind}")
        return self._deployment(place, element.need("id"), attributes)

    def _deployment(self, place: str, own_id: str, attributes: Fields) -> Item:
        git = attributes.object("git")
        failed, is_rollback = self.remediations.get(own_id, (None, False))
        record = said(
            repository_url=self._repository(git),
            commit_id=git.commit("commit_sha"),
            version=attributes.text("version"),
            service=attributes.text("service") or self.options.service,
            environment=attributes.text("env") or self.options.environment,
            team=attributes.text("team") or self.options.team,
            started_at=_text(attributes, "started_at"),
            finished_at=attributes.need_instant("finished_at").isoformat(),
            labels=_labels(attributes),
            remediates=None if failed is None else keys.datadog_deployment(failed),
            is_rollback=is_rollback or None,
            deployment_node_id=keys.datadog_deployment(own_id),
        )
        return Found(place, record)

    def _failure(self, place: str, own_id: str, attributes: Fields) -> Item:
        services = attributes.names("services")
        git = attributes.object("git")
        url = git.text("repository_url") or self.options.repository_url
        record = said(
            key=keys.datadog_failure(own_id),
            title=attributes.text("name"),
            started_at=attributes.need_instant("started_at").isoformat(),
            resolved_at=_text(attributes, "finished_at"),
            environment=attributes.text("env"),
            repository_url=None if url is None else repository_of(url, "git.repository_url").url,
            service=services[0] if services else self.options.service,
            severity=attributes.text("severity"),
            commit_id=git.commit("commit_sha"),
        )
        return Found(place, record, is_incident=True)

    def _repository(self, git: Fields) -> str:
        url = git.text("repository_url") or self.options.repository_url
        if url is None:
            raise UnreadableEvent("git.repository_url is missing: say it by --repository URL")
        return repository_of(url, "git.repository_url").url


def _text(fields: Fields, name: str) -> str | None:
    found = fields.instant(name)
    return None if found is None else found.isoformat()


def _labels(attributes: Fields) -> Mapping[str, str]:
    """The custom tags, `name:text`, as far as a record takes them."""
    pairs = (one.partition(":") for one in attributes.names("custom_tags"))
    found = {name.strip(): text.strip() for name, colon, text in pairs if colon and name.strip()}
    return dict(list(found.items())[:_MOST_LABELS])


def datadog_items(path: str, options: HistoryOptions) -> Iterator[Item]:
    """What a file of Datadog's answers tells. Raises `SourceError`."""
    reader, elements = _Reader(options), list[tuple[str, Fields]]()
    with opened(path) as stream:
        for place, value in json_objects(texts(stream)):
            if isinstance(value, Unreadable):
                yield value
            elif isinstance(value.get("data"), list):
                elements += [(f"{place}, {one.path}", one) for one in Fields(value).objects("data")]
            elif isinstance(value.get("data"), dict):
                elements.append((place, Fields(value).object("data")))
            elif "attributes" in value:
                elements.append((place, Fields(value)))
            else:
                yield Unreadable(place, "must be an answer of Datadog's lists, with data[].attributes")
    for _, element in elements:
        reader.learn(element)
    for place, element in elements:
        try:
            yield reader.read(place, element)
        except UnreadableEvent as error:
            yield Unreadable(place, str(error))
