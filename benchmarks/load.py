"""A load generator for one loopback service: keep-alive connections, each with one request under way.

Plain sockets: an HTTP library's own cost would be what is measured.
"""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True, slots=True)
class Load:
    """What a run came to: requests a second, and latencies in milliseconds."""

    rate: float
    median_ms: float
    p99_ms: float


def post_for(url: str, body: bytes, headers: dict[str, str], connections: int, seconds: float) -> Load:
    """Post the body again and again for a bounded time. Raises `RuntimeError` on an answer that is no 2xx."""
    return uvloop.run(_post_for(url, body, headers, connections, seconds))


async def _post_for(url: str, body: bytes, headers: dict[str, str], connections: int, seconds: float) -> Load:
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    request = "\r\n".join([*lines, "", ""]).encode() + body
    latencies: list[float] = []
    started = time.perf_counter()

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while (sent := time.perf_counter()) - started < seconds:
            writer.write(request)
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
