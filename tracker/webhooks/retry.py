"""When an event that a subscriber did not take is sent again, and when it is given up."""

import random

SECOND = 1_000_000
GIVE_UP_SECONDS = 86_400
FIRST_DELAY_SECONDS, DELAY_FACTOR, LONGEST_DELAY_SECONDS = 5, 4, 4 * 3_600
JITTER = 0.2


def retry_seconds(failures: int, asked_for: float | None = None) -> float:
    """Return the seconds to wait after so many failures in a row: exponential, with jitter."""
    delay: float = min(FIRST_DELAY_SECONDS * DELAY_FACTOR ** (failures - 1), LONGEST_DELAY_SECONDS)
    delay *= random.uniform(1 - JITTER, 1 + JITTER)
    return max(delay, min(asked_for or 0, LONGEST_DELAY_SECONDS))
