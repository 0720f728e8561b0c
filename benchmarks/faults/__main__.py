"""`make faults`: what becomes of records while something fails, a table with a fault a line.

Each fault strikes a service of its own, under clients that send again as documented. Exits with 1 where an
acknowledged record is missing or there twice, or the service does not recover.
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.faults.catalogue import FAULTS
from benchmarks.faults.trial import Outcome, Pace, try_fault
from tests.conftest import Postgres

_COLUMNS = ("fault", "requests", "acknowledged", "lost", "doubled", "seconds to recover")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="parts of the names of faults; default: all")
    parser.add_argument("--list", action="store_true", help="name the faults, and run none")
    parser.add_argument("--hold", type=float, default=30, help="how long a fault lasts, in seconds")
    asked = parser.parse_args()
    wanted = [one for one in FAULTS if not asked.names or any(part in one.name for part in asked.names)]
    if asked.list:
        print(*(one.name for one in wanted), sep="\n")
        return 0
    table = Table(*_COLUMNS, title="Faults", title_justify="left")
    went_wrong = []
    with _postgres(any(one.on_postgres for one in wanted)) as postgres:
        for fault in wanted:
            try:
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
                    outcome = try_fault(fault, Path(place), postgres, Pace(hold_seconds=asked.hold))
            except Exception:  # noqa: BLE001  # one that breaks the trial must not hide the others
                traceback.print_exc()
                went_wrong.append(f"{fault.name}: the trial broke")
                continue
            table.add_row(*_row(outcome))
            print(*_row(outcome), sep=" | ", file=sys.stderr, flush=True)
            went_wrong += [f"{fault.name}: {what}" for what in outcome.wrong]
    Console().print(table)
    print(*went_wrong, sep="\n")
    return 1 if went_wrong else 0


@contextmanager
def _postgres(is_wanted: bool) -> Iterator[Postgres | None]:
    if not is_wanted:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        running = Postgres(Path(folder) / "data")
        try:
            yield running
        finally:
            running.server.cleanup()


def _row(outcome: Outcome) -> tuple[str, ...]:
    counts = (outcome.requests, outcome.acknowledged, outcome.lost, outcome.doubled)
    return (outcome.name, *(f"{count:,}" for count in counts), f"{outcome.recovery_seconds:.1f}")


if __name__ == "__main__":
    sys.exit(main())
