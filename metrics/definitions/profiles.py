"""Other people's rules: the same records, counted as another system counts them. docs/profiles.md.

A profile is a few switches and the SQL macros of its own folders in `metrics/sql/profiles/`, which take the
place of those of the same name in `metrics/sql/asked/`. What differs for a metric is said in its definition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrics.definitions.base import Profile
from metrics.definitions.catalog import CATALOG
from metrics.definitions.statistics import MEDIAN_RANKS, T95_SERIES, Z95
from metrics.domain.vocabulary import FailureSignal
from metrics.sql import macros_in


@dataclass(frozen=True, slots=True)
class Rules:
    """What a profile switches.

    `folders` are those of its macros, in the order in which they are created. `signals` are all that can make
    a deployment a failed one, whatever is asked for or set. A window that closes holds its last instant too.
    """

    folders: Sequence[str] = ()
    signals: Sequence[FailureSignal] | None = None
    closes_window: bool = False


_ONLY_INCIDENTS = (FailureSignal.INCIDENT,)
RULES: Mapping[Profile, Rules] = {
    Profile.DEFAULT: Rules(),
    Profile.DEVLAKE: Rules(folders=("devlake", "project"), signals=_ONLY_INCIDENTS),
    Profile.MIDDLEWARE: Rules(folders=("middleware", "project"), signals=_ONLY_INCIDENTS, closes_window=True),
}


def difference(profile: Profile, metric: str) -> str:
    """What differs from this service's own rules, in a sentence."""
    definition = CATALOG[metric]
    if definition.selection is not None and profile is not Profile.DEFAULT:
        return "The same selection, of the deployments that are asked about by these rules."
    return definition.differences.get(profile, "This service's own rules: docs/metrics.md.")


def search_path(profile: Profile) -> str:
    """Where a profile's statements look for macros: in a schema of its name first, where it has one."""
    return f"{profile},main" if RULES[profile].folders else "main"


def macros(profile: Profile) -> Mapping[str, str]:
    """The macros that a profile's statements are made of, by name."""
    return {**macros_in("asked"), **_own_macros(RULES[profile])}


def creation() -> str:
    """The statements that create the macros: the service's own, then each profile's."""
    statements = [
        f"create macro z95() as {Z95};",
        f"create macro t95_series() as {list(T95_SERIES)};",
        # One constant, and not a hundred.
        f"create macro median_ranks() as '{list(MEDIAN_RANKS)}'::bigint[];",
        *macros_in("asked").values(),
    ]
    for profile, rules in RULES.items():
        if rules.folders:
            statements += [f"create schema {profile};", f"set search_path = '{search_path(profile)}';"]
            statements += _own_macros(rules).values()
    return "\n".join([*statements, "set search_path = 'main';"])


def _own_macros(rules: Rules) -> dict[str, str]:
    return {name: text for folder in rules.folders for name, text in macros_in(f"profiles/{folder}").items()}
