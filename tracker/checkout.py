"""Checks a commit of a repository out, with git."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_MOST_SAID = 2_000
_LOOK_SECONDS = 0.1


class CheckoutFailed(Exception):
    """What git says of a repository, a branch or a commit that it cannot get."""


def check_out(
    clone_url: str, branch: str, commit_id: str | None, folder: Path, go_on: Callable[[], None]
) -> str:
    """Put a commit, or the last one of the branch, into a new folder; its full id.

    `go_on` is called again and again, and what it raises ends git. Raises `CheckoutFailed`.
    """
    folder.mkdir()

    def git(*arguments: str) -> str:
        return _git(folder, arguments, go_on)

    git("init", "--quiet")
    git("remote", "add", "origin", clone_url)
    if commit_id is None:
        git("fetch", "--quiet", "--depth", "1", "origin", f"refs/heads/{branch}")
        git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    else:
        try:
            git("fetch", "--quiet", "--depth", "1", "origin", commit_id)
        except CheckoutFailed:
            # Not every server gives out a commit by its id, and none by part of it.
            git("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
        git("checkout", "--quiet", "--detach", commit_id)
    return git("rev-parse", "HEAD").strip()


def _git(folder: Path, arguments: Sequence[str], go_on: Callable[[], None]) -> str:
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("TRACKER_", "GIT_"))
    }
    # Whoever is asked for a password here would never answer; helpers that run commands are no transport.
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file"}
    process = subprocess.Popen(
        ["git", "-c", "advice.detachedHead=false", "-c", "safe.directory=*", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        while process.poll() is None:
            go_on()
            time.sleep(_LOOK_SECONDS)
        assert process.stdout is not None
        said = process.stdout.read()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if process.returncode:
        raise CheckoutFailed(
            said.strip()[:_MOST_SAID] or f"git {arguments[0]} ended with {process.returncode}"
        )
    return said
