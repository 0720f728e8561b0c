"""What pages say: instants, changes, levels, and why a row is what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from metrics.definitions.base import Definition, MetricRow, Reason
from metrics.definitions.dora import Level, Score
from metrics.definitions.words import count, say, span
from metrics.output.comparison import Comparison

NO_BREAK = "\u00a0"
SIGNALS: Mapping[str, str] = {
    "incident": "incident",
    "rollback": "rollback",
    "hotfix": "hotfix",
    "fix": "fix",
    "status": "failed status",
}
_RULES: Mapping[str, str] = {
    "explicit": "named by the record",
    "rollback": "went back to the release before it",
    "incident": "repaired while its incident was open",
    "predecessor": "the deployment just before the repair",
    "nearest": "the last deployment before the incident",
    "project": "the last deployment of all repositories",
}
REASONS: Mapping[str, str] = {
    Reason.NO_DEPLOYMENTS: "no deployments in the window",
    Reason.NO_FAILURES: "nothing failed in the window",
    Reason.NONE_RECOVERED: "failures, none recovered yet",
    Reason.NO_COMMITS: "no commits were told in the window",
    "window_too_short": "the window is too short",
    "no_tiers": "the report has no levels",
    "not_published": "the report has no level for this",
    "beyond_all_tiers": "beyond all levels of the report",
}
_LEFT_OUT: Mapping[str, str] = {
    "in_progress": "still under way",
    "cancelled": "cancelled before it reached users",
    "other_environment": "in an environment that is not asked for",
    "did_not_reach_production": "did not get through, and no user noticed",
    "failed": "did not get through",
    "open": "not recovered yet",
    "counted_by_its_deployment": "counted with the deployment that it marks as failed",
    "clock_error": "its commit says that it is newer than the deployment",
    "carried_before": "an earlier deployment carried the commit",
    "no_commits": "tells no commits",
    "signal_off": "says nothing that counts as a failure by the settings",
    "not_change_related": "no deployment caused it",
    "unattributed": "nobody knows which deployment failed",
    "unknown_name": "names something that is not known",
    "names_nothing": "names neither a deployment nor a repository or service",
    "ambiguous_service": "names a service that several repositories have",
    "nothing_deployed": "nothing was deployed there before",
    "too_long_ago": "the last deployment before it is too long ago",
    "not_in_window": "the deployment that failed is outside of the window",
    "not_chosen": "the metric is not about it",
    "not_counted": "the metric does not count it",
    "no_time": "its time is not known",
    "not_asked_for": "the deployment that failed is not among those asked for",
}


def no_break(text: str) -> str:
    """A figure that stays on one line."""
    return text.replace(" ", NO_BREAK)


def counted(number: int, one: str, many: str | None = None) -> str:
    """So many of something."""
    return f"{count(number)}{NO_BREAK}{one if number == 1 else many or one + 's'}"


def rule_words(method: str | None) -> str:
    """The rule by which a repair or an incident found the deployment; empty where none did."""
    return _RULES.get(method or "", method or "")


def left_out_words(reason: str | None) -> str:
    """Why a row is not counted; empty where there is no reason."""
    return _LEFT_OUT.get(reason or "", reason or "")


@dataclass(frozen=True, slots=True)
class Clock:
    """The zone in which a page says times, the instant at which it does, and the one that is asked about."""

    zone: ZoneInfo
    now: datetime
    asked_at: datetime | None = None

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone)

    def day(self, day: date) -> str:
        """A day: today, yesterday, or its date, with the year where that is another."""
        today = self.local(self.now).date()
        if day == today:
            return "today"
        if day == today - timedelta(days=1):
            return "yesterday"
        year = "" if day.year == today.year else f" {day.year}"
        return no_break(f"{day.day} {day:%b}{year}")

    def long_day(self, day: date) -> str:
        year = "" if day.year == self.local(self.now).year else f" {day.year}"
        return no_break(f"{day.day} {day:%B}{year}")

    def text(self, instant: datetime, *, seconds: bool = False) -> str:
        """An instant as a person says it."""
        local = self.local(instant)
        return f"{self.day(local.date())}{NO_BREAK}{local:{'%H:%M:%S' if seconds else '%H:%M'}}"

    def mark(self, instant: datetime | None, *, seconds: bool = False) -> Markup:
        """An instant as an element, with the exact one for programs; an en dash where it is not known."""
        if instant is None:
            return Markup("–")
        local = self.local(instant)
        shown = escape(self.text(instant, seconds=seconds))
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            local.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S %Z}", shown
        )

    def ago(self, instant: datetime) -> str:
        """How long something has lasted, in minutes at the finest."""
        lasted = ((self.asked_at or self.now) - instant).total_seconds()
        return no_break(span(max(60.0, lasted // 60 * 60)))


@dataclass(frozen=True, slots=True)
class Shift:
    """A change in words. `tone` is good, bad or quiet; `told` whether it is more than chance."""

    words: str
    before: str
    arrow: str = ""
    tone: str = "quiet"
    told: bool = False


def shift_of(
    definition: Definition[Any], row: MetricRow, previous: MetricRow | None, comparison: Comparison | None
) -> Shift:
    """A metric's change against the window before, in words that respect chance."""
    before = definition.typical(previous) if previous is not None else None
    if previous is None or comparison is None or (before is None and definition.typical(row) is None):
        return Shift("nothing to compare", "")
    said = no_break(say_typical(definition, previous))
    if comparison.distinguishable is None:
        return Shift("too little to tell", said)
    if not comparison.distinguishable:
        return Shift("no clear change", said)
    rose = bool(comparison.rose)
    words = definition.directions[0 if rose else 1]
    tone = "good" if rose == definition.more_is_better else "bad"
    return Shift(f"{words}, beyond chance", said, "↑" if rose else "↓", tone, told=True)


def say_typical(definition: Definition[Any], row: MetricRow) -> str:
    """The value that changes and levels go by."""
    return say(definition.unit, definition.typical(row))


def level_words(level: Level) -> str:
    """A level with its year and its certainty."""
    if level.level is None:
        reason = REASONS.get(level.reason or "", "not known")
        return f"No level in DORA {level.year}: {reason}"
    if level.certain:
        return f"{level.level.capitalize()} in DORA {level.year}"
    return f"{one_of(level.possible).capitalize()} in DORA {level.year}, uncertain"


def one_of(names: Sequence[str]) -> str:
    """Names as one of which something is."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} or {names[-1]}"


def all_of(names: Sequence[str]) -> str:
    """Names, all of which something are."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def score_words(score: Score) -> str:
    """A score out of ten."""
    return "" if score.score is None else f"{score.score:.1f}".removesuffix(".0") + "/10"


def short_release(version: str | None, commit_id: str | None) -> str:
    """What a deployment released, short."""
    return version or (commit_id or "")[:7]


def about(repository: str | None, service: str | None) -> str:
    """A repository without its owner, and the service."""
    name = (repository or "").rsplit("/", 1)[-1]
    return f"{name} / {service}" if service else name
