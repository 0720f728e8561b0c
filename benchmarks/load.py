"""A load generator for one loopback service: keep-alive connections, each with one request under way.

Plain sockets: an HTTP library's own cost would be what is measured.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 64
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a run came to: requests a second, and latencies in milliseconds."""

    rate: float
    median_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"{self.rate:,.0f}/s, median {self.median_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"


def ends_of_questions(day: str) -> Iterator[str]:
    """The seconds of a day of UTC, each to end a question: what was asked just now is not worked out."""
    began = datetime.fromisoformat(f"{day}T00:00Z")
    return (
        (began + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ") for second in itertools.count()
    )


def post_for(url: str, body: bytes, headers: dict[str, str], connections: int, seconds: float) -> Load:
    """Post the body again and again for a bounded time. Raises `RuntimeError` on an answer that is no 2xx."""
    until = time.perf_counter() + seconds
    bodies = itertools.takewhile(lambda _: time.perf_counter() < until, itertools.repeat(body))
    return post_all(url, bodies, headers, connections)


def post_all(url: str, bodies: Iterator[bytes], headers: dict[str, str], connections: int) -> Load:
    """Post one body after the other. Raises `RuntimeError` on an answer that is no 2xx."""
    return uvloop.run(_post_all(url, bodies, headers, connections))


async def _post_all(url: str, bodies: Iterator[bytes], headers: dict[str, str], connections: int) -> Load:
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    head_of_all = "\r\n".join([*lines, "Content-Length: "]).encode()
    latencies: list[float] = []
    started = time.perf_counter()

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for body in bodies:
            sent = time.perf_counter()
            writer.write(b"%b%d\r\n\r\n%b" % (head_of_all, len(body), body))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 2"):
                raise RuntimeError(head.decode(errors="replace"))
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(connections)))
    elapsed = time.perf_counter() - started
    latencies.sort()
    return Load(
        rate=len(latencies) / elapsed,
        median_ms=latencies[len(latencies) // 2] * 1_000,
        p99_ms=latencies[int(len(latencies) * 0.99)] * 1_000,
    )
