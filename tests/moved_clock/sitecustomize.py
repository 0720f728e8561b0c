"""Moves the clock of every Python process of a test run on by TESTS_CLOCK_DAYS, and lets it tick.

`make test-later` puts this folder on PYTHONPATH, so that the services and commands that tests start, and whatever
those start, have the same clock. Clocks that measure spans stay as they are.
"""

import os
from datetime import UTC, datetime, timedelta

import time_machine

# A process reads the moved clock of the one that started it; the days are added to the real one only.
_moved = timedelta(days=int(os.environ.get("TESTS_CLOCK_DAYS", "0")))
time_machine.travel(datetime.now(UTC) + _moved, tick=True).start()
