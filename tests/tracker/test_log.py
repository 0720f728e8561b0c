"""The log is written once for what some milliseconds have to say, and nothing of it is lost."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tracker.telemetry import _Together


class Stream:
    """A stream that remembers each write."""

    def __init__(self) -> None:
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)

    def flush(self) -> None:
        pass


def say(together: _Together, event: str) -> None:
    together.write(event)
    together.flush()


def test_events_of_a_moment_are_written_together() -> None:
    stream = Stream()
    together = _Together(stream)  # type: ignore[arg-type]

    async def requests() -> None:
        for number in range(3):
            say(together, f"{number}\n")
        assert stream.writes == []
        await asyncio.sleep(0.1)
        assert stream.writes == ["0\n1\n2\n"]
        say(together, "3\n")

    asyncio.run(requests())
    # The loop has ended before it was time, and somebody else has something to say.
    say(together, "4\n")
    assert stream.writes == ["0\n1\n2\n", "3\n4\n"]


def test_threads_lose_nothing() -> None:
    stream = Stream()
    together = _Together(stream)  # type: ignore[arg-type]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: say(together, f"{number}\n"), range(1_000)))
    assert sorted(map(int, "".join(stream.writes).split())) == list(range(1_000))


def test_what_is_there_when_the_process_ends_is_written() -> None:
    program = (
        "import asyncio, sys; from tracker.telemetry import _Together\n"
        "async def run():\n  t = _Together(sys.stdout); t.write('last\\n'); t.flush()\n"
        "asyncio.run(run())"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "last\n"
