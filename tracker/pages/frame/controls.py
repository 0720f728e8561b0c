"""The controls of a page: what changes its question, as links and a form that work without script."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import available_timezones

from metrics.queries.question import Dimension
from tracker.pages.frame.address import WINDOW, Address
from tracker.pages.frame.asking import Asked
from tracker.pages.frame.words import Clock

WEEKS = (4, 13, 26, 52)
_MOST_CHOICES = 60
"""Of a list to choose from; of more names one is typed, with the first of them suggested."""
_MOST_SUGGESTED = 200
_FILTERS = (Dimension.ENVIRONMENT, Dimension.TEAM, Dimension.REPOSITORY, Dimension.SERVICE)


@dataclass(frozen=True, slots=True)
class Choice:
    url: str
    text: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A control for one dimension: what is chosen, with the address without it, and what else there is."""

    name: str
    label: str
    nothing: str
    chosen: Sequence[tuple[str, str]]
    choices: Sequence[str]
    is_typed: bool


@dataclass(frozen=True, slots=True)
class Controls:
    """What changes the question of a page, as links and a form."""

    windows: Sequence[Choice]
    is_custom: bool
    first_day: date
    last_day: date
    filters: Sequence[Filter]
    zone: str
    zones: Sequence[str]
    kept: Sequence[tuple[str, str]]
    """What a form sends along."""
    path: str


def controls_of(asked: Asked, *kept: str, is_list: bool = False) -> Controls:
    """The controls of a page; `kept` are the parameters of its own that go along.

    A list has all that there is where the address says nothing of a window or an environment.
    """
    address, question = asked.address.without(["until"]), asked.question
    last, is_custom = address.first("last"), address.given("from", "to")
    by_default = None if is_list else dict(asked.pairs).get("last")
    windows = []
    if is_list:
        windows.append(
            Choice(str(address.having(last=None, from_=None, to=None)), "All", not address.given(*WINDOW))
        )
    windows += [
        Choice(
            str(address.having(last=f"{weeks}w", from_=None, to=None)),
            f"{weeks} weeks",
            (last or by_default) == f"{weeks}w",
        )
        for weeks in WEEKS
    ]
    up_to_now = address.having(last=None, to=None, from_=_thirteen_weeks_before(asked.clock))
    is_up_to_now = (is_custom and not address.given("to")) or not (last or by_default or is_custom or is_list)
    windows.append(Choice(str(up_to_now), "Up to now", is_up_to_now))
    custom = address.having(
        last=None, from_=asked.first_day.isoformat(), to=(asked.last_day + timedelta(days=1)).isoformat()
    )
    is_dated = is_custom and address.given("to")
    windows.append(Choice(str(custom), "Custom…", is_dated))
    # What a form's own fields say is not said twice.
    own = {"tz", "environment", "team", "repository", "service"}
    names = {*WINDOW, "label", "as_of", *kept} - ({"from", "to", "last"} if is_dated else set())
    chosen = [pair for pair in address.pairs if pair[0] in names or pair[0] in own - {"tz"}]
    return Controls(
        windows=windows,
        is_custom=is_dated,
        first_day=asked.first_day,
        last_day=asked.last_day,
        filters=[_filter(asked, address, dimension, is_list=is_list) for dimension in _FILTERS],
        zone=question.zone.key,
        zones=time_zones(),
        kept=chosen,
        path=address.path,
    )


def _thirteen_weeks_before(clock: Clock) -> str:
    return (clock.local(clock.now).date() - timedelta(days=90)).isoformat()


def _filter(asked: Asked, address: Address, dimension: Dimension, *, is_list: bool) -> Filter:
    name = dimension.value
    given = address.every(name)
    chosen = [
        (text, str(address.having(**{name: [other for other in given if other != text]}))) for text in given
    ]
    known = [text for text in asked.names.of(dimension) if text not in given]
    production = dimension is Dimension.ENVIRONMENT and not is_list
    return Filter(
        name=name,
        label=name.capitalize(),
        nothing="add…" if given else "production" if production else "all",
        chosen=chosen,
        choices=known[:_MOST_SUGGESTED],
        is_typed=len(known) > _MOST_CHOICES,
    )


def time_zones() -> Sequence[str]:
    areas = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    return ["UTC", *sorted(zone for zone in available_timezones() if zone.split("/")[0] in areas)]
