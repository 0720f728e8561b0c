"""TeamCity: few variables, and a file with the build's properties."""

import re
from pathlib import Path

from tracker.client.run import Environment, Run, System, marked_by, number, text


def _read(environment: Environment) -> Run:
    properties = _properties(environment)
    branch = properties.get("teamcity.build.branch", "").removeprefix("refs/heads/")
    tag = branch.removeprefix("refs/tags/") if branch.startswith("refs/tags/") else None
    return Run(
        system="teamcity",
        repository_url=properties.get("vcsroot.url") or text(environment, "BUILD_VCS_URL"),
        commit_id=text(environment, "BUILD_VCS_NUMBER"),
        branch=properties.get("teamcity.pullRequest.source.branch") or _named(branch, tag),
        tag=tag,
        id=properties.get("teamcity.build.id") or text(environment, "BUILD_NUMBER"),
        url=text(environment, "BUILD_URL"),
        pull_request_number=number(properties, "teamcity.pullRequest.number"),
        actor=properties.get("teamcity.build.triggeredBy.username"),
    )


def _named(branch: str, tag: str | None) -> str | None:
    """The branch; TeamCity may know it by no name, or by that of a tag."""
    return None if tag or branch in ("", "<default>") else branch


# The escapes of a Java properties file.
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")


def _properties(environment: Environment) -> dict[str, str]:
    """The properties of the build, and those of its configuration that the first file names."""
    found: dict[str, str] = {}
    path = text(environment, "TEAMCITY_BUILD_PROPERTIES_FILE")
    for _ in range(2):
        found |= _read_properties(path) if path else {}
        path = found.get("teamcity.configuration.properties.file")
    return found


def _read_properties(path: str) -> dict[str, str]:
    try:
        lines = Path(path).read_text("latin-1").splitlines()
    except OSError:
        return {}
    pairs = (re.split(r"(?<!\\)[=:]", line, maxsplit=1) for line in lines if line[:1] not in ("", "#", "!"))
    return {
        _unescaped(name).strip(): _unescaped(value).strip()
        for name, value in (p for p in pairs if len(p) == 2)
    }


def _unescaped(written: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1][1:], 16)) if len(found[1]) == 5 else found[1], written)


TEAMCITY = System(marked_by("TEAMCITY_VERSION"), _read)
