"""A short round of `make faults`: one of the faults, and that a trial would tell of a loss."""

import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.faults.catalogue import FAULTS
from benchmarks.faults.trial import Fault, Pace, Strike, try_fault
from tests.conftest import Postgres

PACE = Pace(hold_seconds=1, clients=2, records_around=10, verifies=False)
CUT = next(fault for fault in FAULTS if fault.name == "PostgreSQL's connections are cut")


def test_every_acknowledged_record_is_there_exactly_once(postgres: Postgres, tmp_path: Path) -> None:
    outcome = try_fault(CUT, tmp_path, postgres, PACE)
    assert outcome.wrong == ()
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.acknowledged >= 2 * PACE.records_around


def test_a_record_that_is_lost_is_found_missing(tmp_path: Path) -> None:
    def take_out(strike: Strike) -> None:
        with closing(sqlite3.connect(strike.site.records / "tracker.db", timeout=30)) as database, database:
            database.execute(
                "delete from deployments where revision = (select min(revision) from deployments)"
            )

    outcome = try_fault(Fault("a row is taken out", take_out), tmp_path, None, PACE)
    assert outcome.lost == 1
    assert outcome.wrong
