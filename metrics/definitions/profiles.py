"""Other people's rules: the same records, counted as another system counts them. docs/profiles.md.

A profile is a few switches and the SQL macros of its own folders in `metrics/sql/profiles/`, which take the
place of those of the same name in `metrics/sql/asked/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from metrics.definitions.catalog import MetricName, read_sql, sql_files
from metrics.domain.vocabulary import FailureSignal


class Profile(StrEnum):
    """Whose rules a question is answered by."""

    DEFAULT = "default"
    DEVLAKE = "devlake"
    MIDDLEWARE = "middleware"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a profile switches.

    `folders` are those of its macros, in the order in which they are created. `signals` are all that can make
    a deployment a failed one, whatever is asked for or set. A window that closes holds its last instant too.
    `differences` say of each metric, in a sentence, what differs from this service's own rules.
    """

    differences: Mapping[MetricName, str]
    folders: Sequence[str] = ()
    signals: Sequence[FailureSignal] | None = None
    closes_window: bool = False


_ONLY_INCIDENTS = (FailureSignal.INCIDENT,)
_NO_REWORK_RATE = "has no rework rate; this is the service's own"
RULES: Mapping[Profile, Rules] = {
    Profile.DEFAULT: Rules(
        differences=dict.fromkeys(MetricName, "This service's own rules: docs/metrics.md."),
    ),
    Profile.DEVLAKE: Rules(
        folders=("devlake", "project"),
        signals=_ONLY_INCIDENTS,
        differences={
            MetricName.DEPLOYMENT_FREQUENCY: (
                "The same deployments; of two values in the middle a median takes the lower."
            ),
            MetricName.LEAD_TIME_FOR_CHANGES: (
                "The same commits; of two values in the middle the median takes the lower."
            ),
            MetricName.CHANGE_FAILURE_RATE: (
                "Only incidents make failures, and each goes to the last successful deployment of all "
                "repositories asked for before it, however long before; repairs make none."
            ),
            MetricName.MEAN_TIME_TO_RECOVER: (
                "From the deployment's finish, not the incident's start, to the last resolution of the "
                "incidents that went to it; repairs say nothing."
            ),
            MetricName.DEPLOYMENT_REWORK_RATE: f"DevLake {_NO_REWORK_RATE}.",
        },
    ),
    Profile.MIDDLEWARE: Rules(
        folders=("middleware", "project"),
        signals=_ONLY_INCIDENTS,
        closes_window=True,
        differences={
            MetricName.DEPLOYMENT_FREQUENCY: (
                "Whole deployments a day, rounded down, over the days in UTC that the window touches; a week "
                "is never below 7 of these days, a month never below 30."
            ),
            MetricName.LEAD_TIME_FOR_CHANGES: "The same commits; the window holds its last instant too.",
            MetricName.CHANGE_FAILURE_RATE: (
                "Failed deployments are in the denominator; only incidents make failures, and each goes to "
                "the latest deployment of all repositories asked for; without deployments the rate is 0."
            ),
            MetricName.MEAN_TIME_TO_RECOVER: (
                "The mean over incidents, not deployments, from start to resolution, by when they were "
                "resolved."
            ),
            MetricName.DEPLOYMENT_REWORK_RATE: (
                f"Middleware {_NO_REWORK_RATE}, with the window's last instant."
            ),
        },
    ),
}


def search_path(profile: Profile) -> str:
    """Where a profile's statements look for macros: in a schema of its name first, where it has one."""
    return f"{profile},main" if RULES[profile].folders else "main"


def macros(profile: Profile) -> Mapping[str, str]:
    """The macros that a profile's statements are made of, by name."""
    return {name: read_sql("asked", name) for name in sql_files("asked")} | _own_macros(RULES[profile])


def creation() -> str:
    """The statements that create what is each profile's own."""
    statements = []
    for profile, rules in RULES.items():
        if rules.folders:
            statements += [f"create schema {profile};", f"set search_path = '{search_path(profile)}';"]
            statements += _own_macros(rules).values()
    return "\n".join([*statements, "reset search_path;"])


def _own_macros(rules: Rules) -> dict[str, str]:
    folders = [f"profiles/{folder}" for folder in rules.folders]
    return {name: read_sql(folder, name) for folder in folders for name in sql_files(folder)}
