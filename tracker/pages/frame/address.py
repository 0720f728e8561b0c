"""The state of a page: all of it stands in the address bar, so that a link shows somebody else the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from metrics.domain.errors import ParameterError
from metrics.queries.parameters import MetricParameters

WINDOW = ("last", "from", "to")
# What goes along from page to page.
SHARED = (*WINDOW, "environment", "team", "repository", "service", "label", "tz", "as_of")
MOST_PAGES = 4_000
_RECORDS = ("/deployments", "/incidents", "/repositories", "/settings")
Value = str | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Address:
    """A path with its parameters, each as often as it is given."""

    path: str
    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, path: str, pairs: Iterable[tuple[str, str]]) -> "Address":
        """An address as a browser sends it: of a form's empty fields nothing was meant."""
        return cls(path, tuple((name, text.strip()) for name, text in pairs if text.strip()))

    def first(self, name: str) -> str | None:
        return next((text for key, text in self.pairs if key == name), None)

    def every(self, name: str) -> list[str]:
        return [text for key, text in self.pairs if key == name]

    def given(self, *names: str) -> bool:
        return any(key in names for key, _ in self.pairs)

    def only(self, names: Iterable[str]) -> "Address":
        """The address without all other parameters."""
        kept = frozenset(names)
        return Address(self.path, tuple(pair for pair in self.pairs if pair[0] in kept))

    def without(self, names: Iterable[str]) -> "Address":
        left_out = frozenset(names)
        return Address(self.path, tuple(pair for pair in self.pairs if pair[0] not in left_out))

    def having(self, **changes: Value) -> "Address":
        """The address with other values, `from_` for `from`; None takes a parameter out.

        The page of a list begins anew.
        """
        named = {name.removesuffix("_"): value for name, value in changes.items()}
        pairs = list(self.without([*named, "cursor", "page"]).pairs)
        for name, value in named.items():
            if value is not None:
                pairs += [(name, text) for text in ([value] if isinstance(value, str) else value)]
        return Address(self.path, tuple(pairs))

    def at(self, path: str, **changes: Value) -> "Address":
        """Another page with the state that pages share."""
        shared = self.only(SHARED)
        # Lists and records are as they now are.
        kept = shared.without(["as_of"]) if path.startswith(_RECORDS) else shared
        return Address(path, kept.pairs).having(**changes)

    def __str__(self) -> str:
        return f"{self.path}?{urlencode(self.pairs)}" if self.pairs else self.path


def metric_pairs(address: Address) -> list[tuple[str, str]]:
    """What of an address a metric is asked with."""
    return list(address.only(SHARED).pairs)


def read_parameters(pairs: Iterable[tuple[str, str]], **more: str) -> MetricParameters:
    """The parameters of a question. Raises `ParameterError`."""
    return MetricParameters.read([*pairs, *more.items()])


def without_wrong(address: Address, error: ParameterError) -> tuple[Address, list[str]]:
    """The address without the parameters that are wrong, and a sentence for each on what is done instead."""
    wrong = dict(error.errors)
    said = [
        f"{name}{f' “{text}”' if text else ''} {detail}. The page is shown without it."
        for name, detail in wrong.items()
        for text in [address.first(name)]
    ]
    # A window that is wrong as a whole goes as a whole.
    names = {*wrong, *(WINDOW if not wrong.keys().isdisjoint(WINDOW) else ())}
    return address.without(names), said


def page_number(address: Address) -> int:
    """Which page of a list is asked for; the first one where that is not said in digits."""
    text = address.first("page") or ""
    return min(max(int(text), 1), MOST_PAGES) if text.isascii() and text.isdigit() and len(text) < 9 else 1
