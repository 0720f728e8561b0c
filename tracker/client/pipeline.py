"""A job of a pipeline records: it hands a record over now, or keeps it for the next call."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tracker.client.commits import carried_by, commit_fields, said_by
from tracker.client.facts import Wanted, facts_of, what_is_missing, without_credentials
from tracker.client.git import Checkout
from tracker.client.run import Environment, Run
from tracker.client.service import DEPLOYMENTS_PATH, INCIDENTS_PATH, Away, Refused, Service, encoded
from tracker.client.spool import Kept, Spool
from tracker.client.systems import run_of
from tracker.client.words import incident_told, named, remarks, told

# For what is not worth a wait.
_HASTE_SECONDS = 2.0
_INCIDENTS = "incidents"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a record, in one line; `is_done`: the service has it, or has checked it."""

    line: str
    is_done: bool
    body: str = ""


@dataclass(frozen=True)
class Pipeline:
    """A job of a pipeline that records at a service."""

    service: Service
    environment: Environment
    spool_root: Path
    folder: Path = field(default_factory=Path.cwd)
    dry_run: bool = False

    @cached_property
    def _run(self) -> Run:
        return run_of(self.environment) or Run(system="")

    @cached_property
    def _checkout(self) -> Checkout:
        return Checkout(self.folder)

    def record_deployment(self, wanted: Wanted) -> Outcome:
        """Record a deployment, with the commits that it carries."""
        record = facts_of(wanted, self._run, self._checkout, datetime.now(UTC))
        if missing := what_is_missing(record):
            return Outcome(f"not recorded: {missing}", False)
        spool = Spool.of(self.spool_root, self.service.url, record["repository_url"])
        carried, sent = carried_by(record, wanted, self.service, self._checkout), ""
        if not carried.is_unknown and (sent := self._send_kept(spool)):
            carried = carried_by(record, wanted, self.service, self._checkout)
        record |= said_by(carried, record, wanted, self._run, self._checkout)
        lacks_commits = carried.is_unknown and wanted.has_commits and record["commit_id"] is not None
        kept = Kept(DEPLOYMENTS_PATH, encoded(record), str(uuid.uuid4()), lacks_commits, wanted.paths)
        knows_why = bool(carried.note or carried.found)
        # Where it was asked in vain, it is not waited for once more.
        at = self._hasty() if carried.is_unknown else self
        name = named(record, carried.baseline.environment)
        outcome = at._hand_over(spool, kept, name, told(record, carried), knows_why=knows_why)
        return replace(outcome, line=outcome.line + sent)

    def record_incident(self, incident: Mapping[str, Any]) -> Outcome:
        """Report an incident, or with `resolved_at` alone resolve one under its key."""
        record = {name: value for name, value in incident.items() if value is not None}
        if "key" not in record and "started_at" not in record:
            return Outcome("not recorded: --key is needed, which the incident was reported under", False)
        if self._run.repository_url is not None:
            record.setdefault("repository_url", without_credentials(self._run.repository_url))
        of_it = f"{_INCIDENTS} {record.get('repository_url', '')}"
        spool = Spool.of(self.spool_root, self.service.url, of_it)
        sent = self._send_kept(spool)
        kept = Kept(INCIDENTS_PATH, encoded(record), str(uuid.uuid4()))
        outcome = self._hand_over(spool, kept, *incident_told(record))
        return replace(outcome, line=outcome.line + sent)

    def _hand_over(
        self, spool: Spool, kept: Kept, name: str, what: str, *, knows_why: bool = False
    ) -> Outcome:
        """Send a record, and keep it where that cannot be done."""
        act = "would record" if self.dry_run else "recorded"
        try:
            posted = self.service.post(kept.path, kept.body, kept.key, dry_run=self.dry_run)
        except Refused as refusal:
            return Outcome(f"not recorded: {name}: {refusal}", False, kept.body)
        except Away as failure:
            if self.dry_run:
                return Outcome(f"{act}: {name}: {what}; not checked: {failure}", False, kept.body)
            return _keep(spool, kept, name, str(failure))
        page = self.service.url + kept.path.removeprefix("/api/v1")
        said = remarks(page, posted, knows_why=knows_why)
        return Outcome(f"{act}: {name}: {what}{said}", True, kept.body)

    def _hasty(self) -> "Pipeline":
        seconds = min(_HASTE_SECONDS, self.service.patience_seconds)
        return replace(self, service=replace(self.service, patience_seconds=seconds))

    def _send_kept(self, spool: Spool) -> str:
        """Send what earlier calls could not; return the words for that, none where nothing was sent."""
        if self.dry_run:
            return ""
        sent, refused, left = 0, [], ""
        hasty = self._hasty()
        for file, kept in spool.waiting():
            try:
                hasty.service.post(kept.path, *hasty._completed(kept))
                sent += 1
            except Refused as refusal:
                refused.append(str(refusal))
            except Away as failure:
                if not failure.is_of_this_record:
                    break
                left = str(failure)
                continue
            file.unlink(missing_ok=True)
        words = f"; sent {sent} kept from before" if sent else ""
        words += f"; others kept from before wait for a token that reaches them: {left}" if left else ""
        return words + (f"; {len(refused)} kept from before not taken: {refused[0]}" if refused else "")

    def _completed(self, kept: Kept) -> tuple[str, str]:
        """What was kept and its key; with its commits where they could not be collected at the time.

        That is another body, and under its node id a repeat should the first one have arrived after all.
        """
        body = json.loads(kept.body)
        if not kept.lacks_commits or "deployment_node_id" not in body:
            return kept.body, kept.key
        found = carried_by(body, Wanted(paths=kept.within), self.service, self._checkout).found
        if found is None:
            return kept.body, kept.key
        return encoded({**body, **commit_fields(found, is_whole=not kept.within)}), f"{kept.key}-commits"


def _keep(spool: Spool, kept: Kept, name: str, why: str) -> Outcome:
    try:
        file = spool.keep(kept)
    except OSError as failure:
        # The log is the last place that it can be kept in.
        said = f"not recorded: {name}: {why}; and it could not be kept ({failure.strerror}): {kept.body}"
        return Outcome(said, False, kept.body)
    said = f"not recorded yet: {name}: {why}; kept in {file}, and sent by the next call"
    return Outcome(said, False, kept.body)
