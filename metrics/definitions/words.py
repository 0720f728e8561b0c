"""Figures as a person would say them: shares, times, frequencies, counts. Unknown is an en dash, never 0."""

from metrics.definitions.base import Unit

UNKNOWN = "–"
_THIN = "\u202f"
_HOUR, _DAY = 3_600, 86_400


def count(number: int) -> str:
    """A count, with a narrow space between thousands."""
    return f"{number:,}".replace(",", _THIN)


def percent(share: float | None) -> str:
    """A share, with one decimal."""
    return UNKNOWN if share is None else f"{100 * share:.1f}{_THIN}%"


def frequency(a_day: float | None) -> str:
    """A number a day: one decimal, two below one."""
    if a_day is None:
        return UNKNOWN
    return f"{a_day:.1f}" if a_day >= 1 else f"{a_day:.2f}" if a_day else "0"


def span(seconds: float | None) -> str:
    """A time in its two largest units; days from 48 hours."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else f"{seconds:.1g} s"
    whole = round(seconds)
    if whole < 600:
        return _two(whole, 60, "min", "s")
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes} min" if minutes < 60 else _two(minutes, 60, "h", "min")
    return _two(round(seconds / _HOUR), 24, "d", "h")


def coarse_span(seconds: float) -> str:
    """A time as a bound of an interval: one unit from ten of it on."""
    for unit, size in (("d", _DAY), ("h", _HOUR)):
        if seconds >= 10 * size:
            return f"{round(seconds / size)} {unit}"
    return span(seconds)


def _two(number: int, size: int, unit: str, rest_unit: str) -> str:
    whole, rest = divmod(number, size)
    return f"{whole} {unit} {rest} {rest_unit}" if rest else f"{whole} {unit}"


def say(unit: Unit, value: float | None) -> str:
    """A metric's value."""
    match unit:
        case Unit.PER_DAY:
            return frequency(value)
        case Unit.RATIO:
            return percent(value)
        case Unit.SECONDS:
            return span(value)


def say_interval(unit: Unit, interval: tuple[float, float]) -> str:
    """The bounds of a metric's interval."""
    low, high = (coarse_span(bound) if unit is Unit.SECONDS else say(unit, bound) for bound in interval)
    return f"{low} to {high}"
