"""A sender of events: an intake of a running service, and what is posted there."""

import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.server import TLS
from tracker.intakes.events import DeploymentTold, Ignored, IncidentTold
from tracker.intakes.folding import Record, fold_deployment, fold_incident
from tracker.intakes.recording import state_of
from tracker.intakes.sources import EventSource, Incoming

INTAKES, EVENTS, DEPLOYMENTS, INCIDENTS = (
    f"/api/v1/{name}" for name in ("intakes", "events", "deployments", "incidents")
)


@dataclass(frozen=True)
class Sender:
    """A system that posts to an intake, with the right secret where nothing else is said."""

    client: httpx.Client
    source: str
    url: str
    secret: str

    @classmethod
    def to(cls, client: httpx.Client, source: str, **intake: Any) -> "Sender":
        """Make an intake of the client's organization, and a sender to it."""
        made = client.post(INTAKES, json={"source": source, **intake})
        assert made.status_code == 201, made.text
        body = made.json()
        return cls(client, source, httpx.URL(body["url"]).path, body["secret"])

    def post(
        self, payload: Any, headers: Mapping[str, str] | None = None, *, raw: bytes | None = None
    ) -> httpx.Response:
        """Post an event as it is, without the organization's token."""
        content = json.dumps(payload).encode() if raw is None else raw
        with httpx.Client(base_url=self.client.base_url, timeout=30, verify=TLS) as outsider:
            return outsider.post(
                self.url, content=content, headers={"Content-Type": "application/json", **(headers or {})}
            )

    def bearer(self, payload: Any, **headers: str) -> dict[str, Any]:
        """Post an event with the secret as a bearer token; what the service answers."""
        return self.taken(self.post(payload, {"Authorization": f"Bearer {self.secret}", **headers}))

    def signed(self, payload: Any, header: str, prefix: str = "", **headers: str) -> dict[str, Any]:
        """Post an event with the HMAC of its body in a header; what the service answers."""
        raw = json.dumps(payload).encode()
        digest = hmac.new(self.secret.encode(), raw, hashlib.sha256).hexdigest()
        return self.taken(self.post(None, {header: prefix + digest, **headers}, raw=raw))

    @staticmethod
    def taken(answered: httpx.Response) -> dict[str, Any]:
        assert answered.status_code == 200, answered.text
        body: dict[str, Any] = answered.json()
        return body

    def deployments(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.client.get(DEPLOYMENTS, params={"limit": 500}).json()["items"]
        return items

    def incidents(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.client.get(INCIDENTS, params={"limit": 500}).json()["items"]
        return items


Told = DeploymentTold | IncidentTold | Ignored


def read(
    source: EventSource, payload: Any, headers: Mapping[str, str] | None = None, **options: str
) -> list[Told]:
    """What a source reads in an event, without a service."""
    incoming = Incoming(headers or {}, payload, options)
    source.event_of(incoming)
    source.delivery_of(incoming)
    return list(source.read(incoming))


def reason(told: Sequence[Told]) -> str:
    """Why the one thing that was told records nothing."""
    (one,) = told
    assert isinstance(one, Ignored)
    return f"{one.reason}: {one.detail}" if one.detail else one.reason


def recorded(told: Sequence[Told]) -> dict[str, Any]:
    """The one record that all of it makes, whatever the order, and however often it is told."""
    assert told
    one, *others = {json.dumps(record) for record in _folded(told)}
    assert not others
    found: dict[str, Any] = json.loads(one)
    return found


def _folded(told: Sequence[Told]) -> Iterator[Record | None]:
    parts = [one for one in told if not isinstance(one, Ignored)]
    assert len({one.key for one in parts}) == 1
    fold = fold_deployment if isinstance(parts[0], DeploymentTold) else fold_incident
    for ordered in itertools.permutations([*parts[:4], parts[0]]):
        yield fold([state_of(one) for one in ordered])
