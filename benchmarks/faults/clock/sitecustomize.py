"""Moves the clock of a running service by as many seconds as the file FAULTS_CLOCK says; spans stay."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

_moved = 0


def _follow(file: Path) -> None:
    global _moved
    clock = time_machine.travel(datetime.now(UTC), tick=True).start()
    while True:
        text = file.read_text() if file.exists() else ""
        if text and (wanted := int(text)) != _moved:
            clock.shift(timedelta(seconds=wanted - _moved))
            _moved = wanted
        time.sleep(0.05)


if named := os.environ.get("FAULTS_CLOCK"):
    threading.Thread(target=_follow, args=(Path(named),), daemon=True).start()
