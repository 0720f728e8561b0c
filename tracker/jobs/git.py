"""Checks a commit of a repository out, with git, and lists the changes that it brings."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from metrics.domain.instants import to_microseconds
from tracker.jobs.processes import ProcessGroup

_MOST_SAID = 2_000
_LOOK_SECONDS = 0.1
# How much history is fetched: enough to find the commit that was deployed before.
_HISTORY = 200
_MOST_CHANGES = 1_000


class CheckoutFailed(Exception):
    """Git cannot get the repository, the branch or the commit; the message is git's."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A commit in a folder. `go_on` is called again and again, and what it raises ends git."""

    folder: Path
    go_on: Callable[[], None]

    def get(self, clone_url: str, branch: str, commit_id: str | None) -> str:
        """Put a commit, or the branch's last one, into the folder; its full id. Raises `CheckoutFailed`."""
        self.folder.mkdir()
        self._git("init", "--quiet")
        self._git("remote", "add", "origin", clone_url)
        depth = ("fetch", "--quiet", "--depth", str(_HISTORY), "origin")
        if commit_id is None:
            self._git(*depth, f"refs/heads/{branch}")
            self._git("checkout", "--quiet", "--detach", "FETCH_HEAD")
        else:
            try:
                self._git(*depth, commit_id)
            except CheckoutFailed:
                # Not every server gives out a commit by its id, and none by part of it.
                self._git("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
            self._git("checkout", "--quiet", "--detach", f"{commit_id}^{{commit}}")
        return self._git("rev-parse", "HEAD").strip()

    def changes_since(self, deployed: str | None) -> list[dict[str, str | int]]:
        """The commits that are new since one that was deployed, merges left out, by the author's date.

        None where that is not known here: the first time, or after a rollback.
        """
        if deployed is None:
            return []
        try:
            self._git("merge-base", "--is-ancestor", deployed, "HEAD")
            log = ("log", "--no-merges", "--format=%H %aI", f"--max-count={_MOST_CHANGES}")
            lines = self._git(*log, f"{deployed}..HEAD").splitlines()
        except CheckoutFailed:
            return []
        pairs = (line.split(" ", 1) for line in lines)
        return [
            {"sha": sha, "committed_at": to_microseconds(datetime.fromisoformat(at))} for sha, at in pairs
        ]

    def _git(self, *arguments: str) -> str:
        """Run git and return its output. Raises `CheckoutFailed`."""
        said = bytearray()
        command = ("git", "-c", "advice.detachedHead=false", "-c", "safe.directory=*", *arguments)
        try:
            group = ProcessGroup.start(command, self.folder, _environment())
        except OSError as failure:
            raise CheckoutFailed(f"git cannot be run: {failure.strerror}") from None
        with group:
            while (piece := group.read(_LOOK_SECONDS)) != b"":
                self.go_on()
                said += piece or b""
                if group.process.poll() is not None and piece is None:
                    break
            exit_code = group.process.wait()
        text = said.decode(errors="replace")
        if exit_code:
            raise CheckoutFailed(text.strip()[:_MOST_SAID] or f"git {arguments[0]} ended with {exit_code}")
        return text


def _environment() -> dict[str, str]:
    hidden = ("TRACKER_", "GIT_")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(hidden)}
    # Whoever is asked for a password here would never answer; helpers that run commands are no transport.
    return environment | {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file"}
