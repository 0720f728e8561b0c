"""Reading a payload by the names of its fields, with a clear word where it is not as its sender promises."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from metrics.domain.instants import InstantError
from metrics.domain.repositories import RepositoryIdentity, RepositoryUrlError
from metrics.domain.vocabulary import COMMIT_PATTERN
from tracker.intakes.sources import UnreadableEvent
from tracker.senders.times import read_foreign_instant

_INTEGER = re.compile(r"\d{1,19}", re.ASCII)
_COMMIT = re.compile(COMMIT_PATTERN)
_LARGEST_INTEGER = 2**63 - 1
_LONGEST_TEXT = 2_000
_LONGEST_TITLE = 500
# Senders name no zone where they mean this one.
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Fields:
    """An object of a payload. `path` says where it stands, for messages."""

    values: Mapping[str, Any]
    path: str = ""

    @classmethod
    def of(cls, payload: object) -> "Fields":
        """The payload itself. Raises `UnreadableEvent` where it is no object."""
        if not isinstance(payload, Mapping):
            raise UnreadableEvent("the body must be a JSON object")
        return cls(payload)

    def object(self, name: str) -> "Fields":
        """An object within; an empty one where there is none."""
        found = self.values.get(name)
        return Fields(found if isinstance(found, Mapping) else {}, self._path(name))

    def objects(self, name: str) -> Iterator["Fields"]:
        """The objects of a list within."""
        found = self.values.get(name)
        for index, one in enumerate(
            found if isinstance(found, Sequence) and not isinstance(found, str) else ()
        ):
            if isinstance(one, Mapping):
                yield Fields(one, f"{self._path(name)}[{index}]")

    def text(self, name: str) -> str | None:
        """A text or a number as text; None where there is none."""
        found = self.values.get(name)
        if isinstance(found, bool) or not isinstance(found, (str, int, float)):
            return None
        return _kept(str(found))[:_LONGEST_TEXT] or None

    def short(self, name: str) -> str | None:
        """A text of one line, cut to what a title holds."""
        found = " ".join((self.text(name) or "").split())
        return found[:_LONGEST_TITLE] or None

    def need(self, name: str) -> str:
        """A text. Raises `UnreadableEvent` where there is none."""
        found = self.text(name)
        if found is None:
            raise UnreadableEvent(f"{self._path(name)} is missing")
        return found

    def need_integer(self, name: str) -> int:
        """An integer, as such or as text. Raises `UnreadableEvent` where there is none that can be kept."""
        text = self.need(name)
        if not _INTEGER.fullmatch(text) or int(text) > _LARGEST_INTEGER:
            raise UnreadableEvent(f"{self._path(name)} is no integer that can be kept")
        return int(text)

    def flag(self, name: str) -> bool | None:
        found = self.values.get(name)
        return found if isinstance(found, bool) else None

    def instant(self, name: str) -> datetime | None:
        """A time; None where there is none. Raises `UnreadableEvent` where it cannot be read."""
        try:
            return read_foreign_instant(self.values.get(name), _UTC)
        except InstantError as error:
            raise UnreadableEvent(f"{self._path(name)} {error}") from None

    def need_instant(self, name: str) -> datetime:
        """A time. Raises `UnreadableEvent` where there is none."""
        found = self.instant(name)
        if found is None:
            raise UnreadableEvent(f"{self._path(name)} is missing")
        return found

    def commit(self, name: str) -> str | None:
        """A commit's hash; None where the text is none."""
        found = self.text(name)
        return found.lower() if found is not None and _COMMIT.fullmatch(found) else None

    def url(self, name: str) -> str | None:
        """An http or https address; None where the text is none."""
        found = self.text(name)
        try:
            return found if found is not None and urlsplit(found).scheme in ("http", "https") else None
        except ValueError:
            return None

    def need_url(self, name: str) -> str:
        """An http or https address. Raises `UnreadableEvent` where there is none."""
        found = self.url(name)
        if found is None:
            raise UnreadableEvent(f"{self._path(name)} is missing")
        return found

    def names(self, name: str, key: str = "name") -> list[str]:
        """The names of the objects, or the texts, of a list within: labels, say."""
        found = self.values.get(name)
        listed = found if isinstance(found, Sequence) and not isinstance(found, str) else ()
        named = [one.get(key) if isinstance(one, Mapping) else one for one in listed]
        return [_kept(one) for one in named if isinstance(one, str)]

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def _kept(text: str) -> str:
    """A text without what PostgreSQL cannot keep."""
    return text.replace("\x00", "")


def host_of(url: str) -> str:
    """The host of a repository's address. Raises `UnreadableEvent`."""
    try:
        return RepositoryIdentity.parse(url).host
    except RepositoryUrlError as error:
        raise UnreadableEvent(f"the repository's address {error}") from None


def said(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
