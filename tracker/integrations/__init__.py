"""Other systems' interfaces: each translates a foreign payload into a record, and an answer back."""

from collections.abc import Sequence

from tracker.integrations import (
    datadog,
    devlake,
    github,
    gitlab,
    iftrue,
    linearb,
    matatika,
    qovery,
    sentry,
    sleuth,
    swarmia,
)
from tracker.integrations.base import Integration

INTEGRATIONS: Sequence[Integration] = (
    iftrue.INTEGRATION,
    matatika.INTEGRATION,
    qovery.INTEGRATION,
    github.INTEGRATION,
    gitlab.INTEGRATION,
    datadog.INTEGRATION,
    devlake.INTEGRATION,
    sentry.INTEGRATION,
    linearb.INTEGRATION,
    swarmia.INTEGRATION,
    sleuth.INTEGRATION,
)
