"""Other systems' interfaces: each translates a foreign payload into a record, and an answer back."""

from collections.abc import Sequence

from tracker.integrations import github, iftrue, matatika, qovery
from tracker.integrations.base import Integration

INTEGRATIONS: Sequence[Integration] = (
    iftrue.INTEGRATION,
    matatika.INTEGRATION,
    qovery.INTEGRATION,
    github.INTEGRATION,
)
