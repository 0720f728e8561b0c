"""Which severities of incidents an intake counts, in the sender's own words."""

from collections.abc import Mapping

from tracker.intakes.sources import Option

SEVERITIES = Option(
    "severities", "the severities that are incidents, in the sender's words, comma-separated; default: all"
)


def listed(options: Mapping[str, str], name: str) -> list[str]:
    """What an option lists between commas, in lower case."""
    return [one.strip().lower() for one in options.get(name, "").split(",") if one.strip()]


def not_counted(options: Mapping[str, str], *severities: str | None) -> str | None:
    """Why an incident of these severities is none for the intake; None where it is one.

    Where a sender has two words for it, either will do.
    """
    wanted, said = listed(options, SEVERITIES.name), [one for one in severities if one]
    if not wanted or {one.lower() for one in said} & set(wanted):
        return None
    return f"other_severity: {said[0]}" if said else "no_severity"
