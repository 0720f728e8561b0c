"""The service's own figures, as Prometheus reads them at `/metrics`. No label names an organization."""

import math
from collections.abc import Callable

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

REGISTRY = CollectorRegistry()
for _collector in (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR):
    REGISTRY.register(_collector)

REQUESTS = Counter(
    "tracker_requests_total", "Requests answered.", ["method", "path", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "tracker_request_seconds",
    "Time from a request's arrival to the end of its answer, in seconds.",
    ["method", "path"],
    registry=REGISTRY,
)
COMMIT_SECONDS = Histogram(
    "tracker_commit_seconds",
    "Time of a transaction on the record database, commit included, in seconds.",
    registry=REGISTRY,
)
COMMIT_ACTS = Histogram(
    "tracker_commit_acts",
    "Requests, or chunks of a batch, that shared a commit.",
    buckets=[2**power for power in range(9)],
    registry=REGISTRY,
)
FAILED_COMMITS = Counter(
    "tracker_failed_commits_total", "Commits that the record database refused.", registry=REGISTRY
)
REFUSED_RECORDS = Counter(
    "tracker_refused_records_total",
    "Records that were refused, singly or as lines of a batch, by the reason.",
    ["reason"],
    registry=REGISTRY,
)
FAILED_LOGINS = Counter(
    "tracker_failed_logins_total", "Requests without a token that can be believed.", registry=REGISTRY
)
REPLICATION_LAG = Gauge(
    "tracker_replication_lag_revisions",
    "Revisions that the store has not taken in; the next metric takes them in before it is answered.",
    registry=REGISTRY,
)


def report_lag(lag: Callable[[], int | None]) -> None:
    """Ask this for the lag each time the figures are read; None is "not known"."""

    def figure() -> float:
        revisions = lag()
        return math.nan if revisions is None else revisions

    REPLICATION_LAG.set_function(figure)


def exposition() -> bytes:
    """All figures in the text format of Prometheus."""
    return generate_latest(REGISTRY)
