"""Records that could not be sent, in files, until a later call of the same repository sends them."""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

# The service remembers the keys of retries for as long.
KEPT_DAYS = 30
_MOST_SENT = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """A record that waits: where it goes, what it says, the key of its retries."""

    path: str
    body: str
    key: str
    lacks_commits: bool = False
    """Whether its commits were to be collected, and could not be without the service."""
    within: Sequence[str] = ()
    """The paths that its commits are limited to."""


@dataclass(frozen=True, slots=True)
class Spool:
    """The folder of the records of one repository for one service."""

    folder: Path

    @classmethod
    def of(cls, root: Path, url: str, repository: str) -> "Spool":
        """The folder below the root. Nothing is made before something is kept."""
        name = hashlib.sha256(f"{url}\n{repository}".encode()).hexdigest()[:32]
        return cls(root / name)

    def keep(self, kept: Kept) -> Path:
        """Keep a record; it is on disk, or not there at all. Raises `OSError`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.folder / f"{time.time_ns():020}-{kept.key}.json"
        draft = file.with_suffix(".draft")
        try:
            with open(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
            ) as stream:
                json.dump(asdict(kept), stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, file)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            raise
        return file

    def waiting(self) -> Iterator[tuple[Path, Kept]]:
        """The records that wait, the oldest first. What is too old, or is none, is removed."""
        for file in sorted(self.folder.glob("*.json"))[:_MOST_SENT]:
            try:
                if time.time() - file.stat().st_mtime > KEPT_DAYS * 86_400:
                    file.unlink()
                    continue
                yield file, Kept(**json.loads(file.read_text("utf-8")))
            except (ValueError, TypeError):
                file.unlink(missing_ok=True)
            except OSError:
                # Another job has sent it meanwhile.
                continue


def default_root() -> Path:
    """Where records wait unless TRACKER_SPOOL_DIR says otherwise."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "shiptally" / "spool"
