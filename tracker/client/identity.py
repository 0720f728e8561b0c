"""The token that a pipeline shows: one that was given to it, or the CI system's own OIDC token."""

import json
import shutil
import subprocess
from urllib.parse import quote

import httpx

from tracker.client.run import Environment, text
from tracker.client.service import Away

_SECONDS = 15.0


def token_of(environment: Environment, audience: str) -> str:
    """TRACKER_TOKEN, else the OIDC token that the CI system gives to this job for the audience.

    Raises `Away` where there is neither.
    """
    given = text(environment, "TRACKER_TOKEN", "TRACKER_ID_TOKEN")
    if given is not None:
        return _whole(given)
    for ask in (_github, _azure, _circleci, _buildkite, _bitbucket):
        found = ask(environment, audience)
        if found is not None:
            return _whole(found)
    raise Away("there is no token: set TRACKER_TOKEN, or let the job have an OIDC token")


def _whole(token: str) -> str:
    """The token, which is one word. Raises `Away`, and does not say it."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Away("the token holds white space or signs that no token has: was it pasted whole?")
    return token


def _github(environment: Environment, audience: str) -> str | None:
    """Where the job has `permissions: id-token: write`."""
    url, key = (text(environment, f"ACTIONS_ID_TOKEN_REQUEST_{name}") for name in ("URL", "TOKEN"))
    if url is None or key is None:
        return None
    return _asked("GET", f"{url}&audience={quote(audience, safe='')}", key, "value")


def _azure(environment: Environment, audience: str) -> str | None:  # noqa: ARG001  Azure has one audience
    """Where the step is given SYSTEM_ACCESSTOKEN."""
    url, key = text(environment, "SYSTEM_OIDCREQUESTURI"), text(environment, "SYSTEM_ACCESSTOKEN")
    if url is None or key is None:
        return None
    return _asked("POST", f"{url}?api-version=7.1", key, "oidcToken")


def _asked(method: str, url: str, key: str, name: str) -> str:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        answered = httpx.request(method, url, headers=headers, timeout=_SECONDS)
        answered.raise_for_status()
        return str(answered.json()[name])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as failure:
        raise Away(f"the CI system gives no OIDC token: {failure}") from None


def _circleci(environment: Environment, audience: str) -> str | None:
    if text(environment, "CIRCLECI") is None:
        return None
    made = _printed("circleci", "run", "oidc", "get", "--claims", json.dumps({"aud": audience}))
    return made or text(environment, "CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN")


def _buildkite(environment: Environment, audience: str) -> str | None:
    if text(environment, "BUILDKITE") is None:
        return None
    return _printed("buildkite-agent", "oidc", "request-token", "--audience", audience)


def _bitbucket(environment: Environment, audience: str) -> str | None:  # noqa: ARG001  its audience is set in its settings
    """Where the step has `oidc: true`."""
    return text(environment, "BITBUCKET_STEP_OIDC_TOKEN")


def _printed(program: str, *arguments: str) -> str | None:
    """What a program of the CI system prints; None where it is not there or fails."""
    found = shutil.which(program)
    if found is None:
        return None
    try:
        done = subprocess.run(
            [found, *arguments], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
