"""Any sequence of posts, repeats, corrections, deletions, incidents and settings, against a plain model."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from metrics.definitions.base import MetricName
from metrics.domain.errors import Contradiction, InvalidInput
from metrics.engine.following import follow
from metrics.engine.pulled_tables import PULLED
from metrics.engine.settling import FACTS
from metrics.engine.store import Store
from metrics.queries.session import open_snapshot
from tests.conftest import Book
from tests.metrics.changes import TIMES
from tracker.deployments.schemas import DeploymentAnswer
from tracker.deployments.service import RecordedDeployment
from tracker.incidents.schemas import IncidentAnswer
from tracker.incidents.service import RecordedIncident
from tracker.records.history import Action, entries, find_versions
from tracker.records.tables import DEPLOYMENTS, INCIDENTS
from tracker.records.verification import verify_records

ENVIRONMENTS = ["production", "Staging"]
STARTS = ["2026-03-02T10:00:00Z", "2026-03-02T10:10:00Z"]
FINISHES = ["2026-03-02T10:20:00Z", "2026-03-02T10:30:00Z"]
FREE = ("branch", "team", "is_fix")
COMPARED = (MetricName.DEPLOYMENT_FREQUENCY, MetricName.CHANGE_FAILURE_RATE, MetricName.MEAN_TIME_TO_RECOVER)
WINDOW = {"from_": "2026-03-01", "to": "2026-04-01"}

_organizations = itertools.count()


@dataclass(eq=False)
class Thing:
    """What the model knows of one record: its fields now, and each version's."""

    id: str
    fields: dict[str, Any]
    versions: list[tuple[Action, dict[str, Any]]] = field(default_factory=list)

    def become(self, action: Action, fields: dict[str, Any]) -> None:
        if action is Action.CHANGED and fields == self.fields:
            return
        self.fields = dict(fields)
        self.versions.append((action, dict(fields)))


def repeated(before: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """The record after a repeat: the last word of the attempt, by the time that its sender gives."""
    after = dict(before)
    was_over, is_over = (fields["status"] != "in_progress" for fields in (before, sent))
    time = "finished_at" if is_over else "started_at"
    is_late = (was_over and not is_over) or (before[time] or "") > (sent.get(time) or "~")
    for name in FREE:
        if sent.get(name) is not None and (before[name] is None or not is_late):
            after[name] = sent[name]
    if before["started_at"] is None:
        after["started_at"] = sent.get("started_at")
    if is_over and not is_late and sent["status"] != before["status"]:
        after["finished_at"] = sent["finished_at"]
    if is_over and not is_late:
        after["status"] = sent["status"]
    return after


attempts = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["success", "fail", "in_progress"]),
        "started_at": st.sampled_from([None, *STARTS]),
        "branch": st.sampled_from([None, "main", "release"]),
        "team": st.sampled_from([None, "a", "b"]),
        "is_fix": st.sampled_from([None, True, False]),
        "finished_at": st.sampled_from(FINISHES),
    }
)
corrections = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["success", "fail", "in_progress"]),
        "started_at": st.sampled_from([None, *STARTS]),
        "branch": st.sampled_from([None, "main", "release"]),
        "is_fix": st.booleans(),
        "finished_at": st.sampled_from(FINISHES),
    },
)
keys = st.tuples(st.sampled_from(ENVIRONMENTS), st.sampled_from("12"))


class Records(RuleBasedStateMachine):
    """Does the same to the product and to the model, and compares all that can be seen of them."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self.book = book
        self.org = f"model-{next(_organizations)}"
        self.deployments: dict[tuple[str, str], Thing] = {}
        self.incidents: dict[str, Thing] = {}
        self.blamed: dict[str, Thing] = {}
        self.deleted: list[Thing] = []
        self.production = ["production", "prod", "live"]

    @rule(key=keys, sent=attempts)
    def post(self, key: tuple[str, str], sent: dict[str, Any]) -> None:
        if sent["status"] == "in_progress":
            sent = {**sent, "finished_at": None}
        body = {name: value for name, value in sent.items() if value is not None}
        known = self.deployments.get(key)
        after = sent if known is None else repeated(known.fields, sent)

        def post() -> Any:
            # The version makes each record a release of its own: none is a redeployment or a rollback.
            environment, node_id = key
            return self.book.deploy(
                org=self.org, environment=environment, deployment_node_id=node_id, version=f"{environment}{node_id}", **body
            )  # fmt: skip

        recording = post()
        assert recording.repeated == (known is not None)
        if known is None:
            known = self.deployments[key] = Thing(recording.deployment.version.id, {})
            known.become(Action.CREATED, after)
        else:
            assert recording.deployment.version.id == known.id
            known.become(Action.CHANGED, after)

    @precondition(lambda self: self.deployments)
    @rule(data=st.data(), sent=corrections)
    def correct(self, data: st.DataObject, sent: dict[str, Any]) -> None:
        known = data.draw(st.sampled_from(list(self.deployments.values())))
        after = {**known.fields, **sent}
        was_final, is_final = (fields["status"] != "in_progress" for fields in (known.fields, after))
        if (was_final and not is_final) or (not is_final and "finished_at" in sent):
            assert refusal_of(lambda: self.book.correct(known.id, org=self.org, **sent)) is InvalidInput
            return
        if is_final and after["finished_at"] is None:
            sent = {**sent, "finished_at": FINISHES[0]}
            after["finished_at"] = FINISHES[0]
        self.book.correct(known.id, org=self.org, **sent)
        known.become(Action.CHANGED, after)

    @precondition(lambda self: self.deployments)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(list(self.deployments)))
        known = self.deployments.pop(key)
        self.book.delete(known.id, org=self.org)
        known.become(Action.DELETED, known.fields)
        self.deleted.append(known)

    @rule(key=st.sampled_from("xy"), title=st.sampled_from([None, "down", "slow"]))
    def report(self, key: str, title: str | None) -> None:
        body = {"key": key, "started_at": STARTS[0]} | ({} if title is None else {"title": title})
        known = self.incidents.get(key)
        if known is None:
            recorded = self.book.report(org=self.org, **body)
            known = self.incidents[key] = Thing(recorded.version.id, {})
            known.become(Action.CREATED, {"title": title, "resolved_at": None, "deployment": None})
        elif title is not None and known.fields["title"] not in (None, title):
            assert refusal_of(lambda: self.book.report(org=self.org, **body)) is Contradiction
        else:
            self.book.report(org=self.org, **body)
            known.become(Action.CHANGED, {**known.fields, "title": title or known.fields["title"]})

    @precondition(lambda self: self.incidents)
    @rule(data=st.data(), resolved_at=st.sampled_from([None, *FINISHES]))
    def resolve(self, data: st.DataObject, resolved_at: str | None) -> None:
        known = data.draw(st.sampled_from(list(self.incidents.values())))
        self.book.revise(known.id, org=self.org, resolved_at=resolved_at)
        known.become(Action.CHANGED, {**known.fields, "resolved_at": resolved_at})

    @precondition(lambda self: self.incidents and self.deployments)
    @rule(data=st.data())
    def blame(self, data: st.DataObject) -> None:
        """It may be under way, in another environment or deleted later on."""
        key = data.draw(st.sampled_from(list(self.incidents)))
        culprit = data.draw(st.sampled_from(list(self.deployments.values())))
        known = self.incidents[key]
        self.book.revise(known.id, org=self.org, deployment=culprit.id)
        known.become(Action.CHANGED, {**known.fields, "deployment": culprit.id})
        self.blamed[key] = culprit

    @rule(environments=st.sampled_from([None, ["staging"], ["Production", "STAGING"]]))
    def set(self, environments: list[str] | None) -> None:
        self.book.set(org=self.org, production_environments=environments)
        self.production = (
            ["production", "prod", "live"] if environments is None else [e.lower() for e in environments]
        )

    @rule()
    def compare_answers(self) -> None:
        """At any moment, so that the store has followed some changes and not others."""
        answers = self.book.ask(org=self.org, metrics=COMPARED, failure_signals="status", **WINDOW)
        finished = [
            known.fields["status"]
            for (environment, _), known in self.deployments.items()
            if environment.lower() in self.production and known.fields["status"] != "in_progress"
        ]
        frequency: Any = answers["deployment_frequency"].row
        failures: Any = answers["change_failure_rate"].row
        recovery: Any = answers["mean_time_to_recover"].row
        assert frequency.deployments == finished.count("success")
        assert (failures.numerator, failures.denominator) == (finished.count("fail"), len(finished))
        elsewhere = [
            key
            for key, culprit in self.links().items()
            if self.environment_of(culprit).lower() not in self.production
        ]
        assert recovery.incidents == len(self.incidents) - len(elsewhere)

    def links(self) -> dict[str, Thing]:
        """The deployments that incidents name, once they have finished and while they are there."""
        return {
            key: culprit
            for key, culprit in self.blamed.items()
            if culprit not in self.deleted and culprit.fields["status"] != "in_progress"
        }

    def environment_of(self, deployment: Thing) -> str:
        """An incident stands where its deployment does."""
        return next(
            environment for (environment, _), known in self.deployments.items() if known is deployment
        )

    @rule()
    def compare_links(self) -> None:
        """An incident is linked to the deployment that it names, once that has finished and while it is there."""
        answers = self.book.ask(org=self.org, metrics=COMPARED, failure_signals="incident", **WINDOW)
        links = self.links()
        population, failed, seconds, still_open = 0, 0, [], 0
        for (environment, _), known in self.deployments.items():
            if environment.lower() not in self.production or known.fields["status"] == "in_progress":
                continue
            told = [self.incidents[key].fields["resolved_at"] for key, one in links.items() if one is known]
            # One that failed to be deployed reached users where an incident says so.
            population += known.fields["status"] == "success" or bool(told)
            if told:
                failed += 1
                if None in told:
                    still_open += 1
                else:
                    impaired = datetime.fromisoformat(max(told)) - datetime.fromisoformat(STARTS[0])
                    seconds.append(impaired.total_seconds())
        failures: Any = answers["change_failure_rate"].row
        recovery: Any = answers["mean_time_to_recover"].row
        assert (failures.numerator, failures.denominator) == (failed, population)
        assert (recovery.recovered, recovery.open) == (len(seconds), still_open)
        assert recovery.value == (fmean(seconds) if seconds else None)
        assert recovery.unattributed_incidents == len(self.incidents) - len(links)

    def teardown(self) -> None:
        self.compare_answers()
        self.compare_links()
        for known in [*self.deployments.values(), *self.deleted]:
            rows = find_versions(self.book.engine, DEPLOYMENTS, self.org, known.id)
            read = lambda row: DeploymentAnswer.of(RecordedDeployment.from_row(row))  # noqa: E731
            compare_versions(known, rows, read)
        for known in self.incidents.values():
            rows = find_versions(self.book.engine, INCIDENTS, self.org, known.id)
            compare_versions(known, rows, lambda row: IncidentAnswer.of(RecordedIncident.from_row(row)))
        current = self.book.rows(
            f"select id from deployments where superseded_revision is null and organization = '{self.org}'"
        )
        assert {row[0] for row in current} == {known.id for known in self.deployments.values()}


def compare_versions(known: Thing, rows: Any, read: Callable[[Any], Any]) -> None:
    recorded = entries(rows, read, frozenset())
    assert [entry.action for entry in recorded] == [action for action, _ in known.versions]
    for entry, (_, fields) in zip(recorded, known.versions, strict=True):
        for name, value in fields.items():
            answered = getattr(entry.record, name)
            if name.endswith("_at") and answered is not None:
                answered = answered.isoformat().replace("+00:00", "Z")
            wanted = bool(value) if name == "is_fix" else value
            assert answered == wanted, name


def refusal_of(act: Callable[[], object]) -> type[Exception]:
    try:
        act()
    except (Contradiction, InvalidInput) as refusal:
        return type(refusal)
    raise AssertionError("it was not refused")


@pytest.mark.long
def test_records_history_and_answers_are_those_of_a_plain_model(book: Book) -> None:
    run_state_machine_as_test(
        lambda: Records(book),
        settings=settings(
            max_examples=10 * TIMES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    with book.engine.connect() as connection:
        assert [finding for finding in verify_records(connection) if not finding.holds] == []
    with (
        open_snapshot(book.store) as followed,
        Store(follow(book.url)) as anew,
        open_snapshot(anew) as rebuilt,
    ):
        tables = (*PULLED, *FACTS)
        assert followed.digests(tables) == rebuilt.digests(tables)
