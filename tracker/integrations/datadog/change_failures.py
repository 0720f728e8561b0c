"""A deployment that is marked as failed, or as sound again: an incident of it, and what remediated it."""

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import or_, select

from metrics.domain.corrections import Correction
from metrics.domain.incidents import NewIncident
from metrics.domain.instants import instant_of
from tracker.auth.callers import Caller
from tracker.deployments.service import RecordedDeployment, revise_deployment
from tracker.errors import NotFound
from tracker.incidents.service import delete_incident, report_incident, revise_incident
from tracker.integrations.datadog.bodies import PatchAttributes, Remediation
from tracker.integrations.translation import find_deployment, find_incident
from tracker.records.ledger import Author, Ledger
from tracker.records.tables import DEPLOYMENTS, INCIDENTS, current
from tracker.senders import keys

OF_CHANGE_FAILURES = keys.sender_key("datadog", "", "change_failure", "")
_TITLE = "Change failure"


@dataclass(frozen=True, slots=True)
class Marking:
    """Whose deployments are marked."""

    ledger: Ledger
    author: Author
    caller: Caller

    def mark(self, failed: RecordedDeployment, said: PatchAttributes) -> None:
        """Mark the deployment as a change failure, with what remediated it, or as none. Raises `NotFound`."""
        if said.change_failure is False:
            self._mark_sound(failed)
            return
        remediation = None if said.remediation is None else self._remediation(failed, said.remediation)
        if remediation is not None:
            assert said.remediation is not None
            changes: dict[str, Any] = {"remediates": failed.version.id}
            if said.remediation.type is not None:
                changes["is_rollback"] = said.remediation.type == "rollback"
            self._revise(remediation, changes)
        self._report(failed, remediation)

    def _report(self, failed: RecordedDeployment, remediation: RecordedDeployment | None) -> None:
        facts = failed.facts
        began = facts.finished_at or facts.started_at or failed.version.created_at
        ended = None if remediation is None else remediation.facts.finished_at
        resolved_at = None if ended is None or ended < began else ended
        key = _key(failed)
        known = find_incident(self.ledger.connection, self.caller, INCIDENTS.c.key == key)
        if known is not None:
            if resolved_at is not None:
                changes = {"resolved_at": resolved_at}
                revise_incident(self.ledger, self.author, known.version.id, changes, self.caller.can_access)
            return
        fields = {
            "key": key,
            "title": _TITLE,
            "started_at": instant_of(began),
            "resolved_at": instant_of(resolved_at),
            "environment": facts.environment,
            "repository_url": facts.repository_url,
            "service": facts.service,
            "deployment": failed.version.id,
        }
        body = NewIncident.parse(msgspec.json.encode(fields))
        report_incident(self.ledger, self.author, body.sent(self.ledger.now), self.caller.can_access)

    def _mark_sound(self, failed: RecordedDeployment) -> None:
        """Take the mark away, and what said that another deployment repaired this one."""
        known = find_incident(self.ledger.connection, self.caller, INCIDENTS.c.key == _key(failed))
        if known is not None:
            delete_incident(self.ledger, self.author, known.version.id, self.caller.can_access)
        repairs = self.ledger.connection.execute(
            select(DEPLOYMENTS).where(
                current(DEPLOYMENTS.c, self.author.organization),
                DEPLOYMENTS.c.remediates == failed.version.id,
            )
        )
        for row in repairs.all():
            self._revise(RecordedDeployment.from_row(row), {"remediates": None, "is_rollback": None})

    def _revise(self, deployment: RecordedDeployment, changes: dict[str, Any]) -> None:
        revise_deployment(
            self.ledger, self.author, deployment.version.id, Correction(changes), self.caller.can_access
        )

    def _remediation(self, failed: RecordedDeployment, said: Remediation) -> RecordedDeployment | None:
        columns, facts = DEPLOYMENTS.c, failed.facts
        if said.id is not None:
            found = find_deployment(self.ledger.connection, self.caller, has_id(said.id))
        elif said.version is not None:
            found = find_deployment(
                self.ledger.connection,
                self.caller,
                columns.version == said.version,
                columns.repository_key == facts.repository_key,
                columns.service_key == facts.service_key,
                columns.environment_key == facts.environment_key,
            )
        else:
            return None
        if found is None:
            raise NotFound(f"There is no deployment {said.id or said.version} that could be the remediation.")
        return found


def has_id(deployment_id: str) -> Any:
    """Whether a row has the id, as a record or as Datadog's clients know it."""
    columns = DEPLOYMENTS.c
    key = keys.datadog_deployment(deployment_id)
    return or_(columns.id == deployment_id, columns.deployment_node_id == key)


def _key(failed: RecordedDeployment) -> str:
    return keys.sender_key("datadog", "", "change_failure", failed.version.id)
