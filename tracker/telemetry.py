"""The service's own figures, for Prometheus at `/metrics`, and its log. No label names an organization."""

import asyncio
import atexit
import logging
import math
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO, cast

import msgspec
import structlog
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
from prometheus_client.multiprocess import MultiProcessCollector

from tracker.settings import LogFormat, Settings

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_TOGETHER_SECONDS = 0.01
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
    "tracker_failed_logins_total",
    "Requests without a token that can be believed, by the reason.",
    ["reason"],
    registry=REGISTRY,
)
EVENTS = Counter(
    "tracker_events_total",
    "Events of other systems, by what became of them.",
    ["source", "outcome"],
    registry=REGISTRY,
)
EXPIRING_TOKENS = Gauge(
    "tracker_expiring_tokens",
    "Tokens in use that expire within 14 days: what they let record will be refused.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
NEXT_TOKEN_EXPIRY = Gauge(
    "tracker_next_token_expiry_timestamp_seconds",
    "When the next one of these expires, in seconds since 1970; NaN where none does.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
REPLICATION_LAG = Gauge(
    "tracker_replication_lag_revisions",
    "Revisions that the store has not taken in; the next metric takes them in before it is answered.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)


def exposition(lag: int | None) -> bytes:
    """All figures in the text format of Prometheus, of several workers those of all.

    `lag` is that of this process's stores; None is "not known".
    """
    REPLICATION_LAG.set(math.nan if lag is None else lag)
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    of_all = CollectorRegistry()
    MultiProcessCollector(of_all)  # type: ignore[no-untyped-call]
    return generate_latest(of_all)


def configure_logging(settings: Settings) -> None:
    """Logs on standard error: as JSON, or for a person where one is watching."""
    is_json = settings.log_format is LogFormat.JSON or (
        settings.log_format is LogFormat.AUTO and not sys.stderr.isatty()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = (
        [structlog.processors.format_exc_info, _render_json] if is_json else [structlog.dev.ConsoleRenderer()]
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Together(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    # What libraries write, in the same form; only what an operator has to know.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


class _Together:
    """A stream that is written to once for the events of some milliseconds.

    Each write lets other threads go first, and waits for them. Off the event loop, and when the process
    ends, what is there is written at once.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()
        self._events: list[str] = []
        self._is_due = False
        atexit.register(self._write_out)

    def write(self, event: str) -> None:
        with self._lock:
            self._events.append(event)

    def flush(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write_out()
            return
        if not self._is_due:
            self._is_due = True
            loop.call_later(_TOGETHER_SECONDS, self._write_out)

    def _write_out(self) -> None:
        with self._lock:
            self._is_due = False
            events, self._events = self._events, []
            if events:
                self._stream.write("".join(events))
                self._stream.flush()


def _render_json(_: Any, __: str, event: "EventDict") -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
