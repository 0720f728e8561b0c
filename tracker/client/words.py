"""What is said of a record: one line, of which each of these is a part."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tracker.client.commits import Carried
from tracker.client.facts import Record
from tracker.client.service import Posted

_SHOWN_DIGITS = 7
_FLAGS = ("is_hotfix", "is_fix", "is_rollback")


def named(record: Record, environment: str) -> str:
    """Which deployment it is; `environment` is the service's word for where, if it has said one."""
    path = urlsplit(record["repository_url"]).path.strip("/").removesuffix(".git")
    release = record.get("version") or record["commit_id"][:_SHOWN_DIGITS]
    service = f" {record['service']}" if record.get("service") else ""
    environment = environment or record.get("environment") or "production"
    return f"{path or record['repository_url']}{service} {release} in {environment}"


def told(record: Record, carried: Carried) -> str:
    """How it ended, what it is, what it carries or why it carries nothing."""
    parts = [str(record["status"]), *(name.removeprefix("is_") for name in _FLAGS if record.get(name))]
    if carried.found is not None:
        count = len(carried.found.commits)
        parts.append(f"{count} commit{'' if count == 1 else 's'} since {carried.found.base[:_SHOWN_DIGITS]}")
    return ", ".join([*parts, *([carried.note] if carried.note else [])])


def incident_told(record: Mapping[str, Any]) -> tuple[str, str]:
    """Which incident it is, and what is reported of it."""
    name = f"incident {record['key']}" if record.get("key") else "an incident"
    if "started_at" in record:
        return name, f"began at {record['started_at']}"
    return name, f"resolved at {record['resolved_at']}"


def remarks(page: str, posted: Posted, *, knows_why: bool) -> str:
    """Where the record is, what the service warns of, and when the token expires where that is soon.

    `knows_why`: it is told already why there are no commits.
    """
    # Whoever starts a deployment knows that it has not finished.
    known = {"in_progress", *(["no_commits"] if knows_why else [])}
    found = [f"{page}/{posted.record['id']}"] if posted.record.get("id") else []
    found += [f"{code}: {detail}" for code, detail in posted.warnings if code not in known]
    if posted.token_expires_at:
        found.append(f"the token expires at {posted.token_expires_at}: renew it")
    return "".join(f"; {one}" for one in found)
