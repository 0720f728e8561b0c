"""How often a token, an organization and, with tokens that are not valid, an address may ask a minute."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from tracker.auth.callers import Caller
from tracker.errors import TooManyRequests
from tracker.settings import Settings
from tracker.web.proxies import client_address

if TYPE_CHECKING:
    from litestar.types import Scope

_MINUTE_SECONDS = 60
_SWEEP_SECONDS = 1.0
_TOKEN, _ORGANIZATION, _FAILED = "token", "organization", "failed-logins"


@dataclass(frozen=True, slots=True)
class _Limit:
    """So many requests a minute of each of a kind."""

    name: str
    item: RateLimitItemPerMinute

    @classmethod
    def of(cls, name: str, per_minute: int) -> "_Limit | None":
        return cls(name, RateLimitItemPerMinute(per_minute, namespace=name)) if per_minute else None


class _Counters(MemoryStorage):
    """Counters of this process, which are swept once a second.

    The library sweeps on a thread of its own and starts the next as soon as that has ended: a hundred a
    second, and an eighth of what recording takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._swept_at = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.monotonic()
        if now - self._swept_at > _SWEEP_SECONDS:
            self._swept_at = now
            return int(super().incr(key, expiry, amount))
        self.get(key)  # A count that is over is dropped.
        with self.locks[key]:
            self.storage[key] += amount
            if self.storage[key] == amount:
                self.expirations[key] = time.time() + expiry
            return int(self.storage[key])


class RateLimits:
    """Counts what is asked of this process. A limit of 0 is none."""

    def __init__(self, settings: Settings) -> None:
        self._limiter = FixedWindowRateLimiter(_Counters())
        self._trusted_proxies = settings.trusted_proxies
        self._token = _Limit.of(_TOKEN, settings.token_requests_per_minute)
        self._organization = _Limit.of(_ORGANIZATION, settings.organization_requests_per_minute)
        self._failed = _Limit.of(_FAILED, settings.failed_logins_per_minute)

    def count(self, caller: Caller) -> None:
        """Count a request of a caller. Raises `TooManyRequests`."""
        for limit, name in self._limits_of(caller):
            if not self._limiter.hit(limit.item, name):
                raise self._refusal(
                    limit, name, f"This {limit.name} asks more than {limit.item.amount} times a minute"
                )

    def count_failed_login(self, scope: "Scope") -> None:
        """Count a request without a valid token, by its address. Raises `TooManyRequests`."""
        address = client_address(scope, self._trusted_proxies)
        if self._failed is not None and not self._limiter.hit(self._failed.item, address):
            raise self._refusal(
                self._failed, address, "Too many requests without a valid token come from this address"
            )

    def headers(self, caller: Caller) -> Mapping[str, str]:
        """What is left to the caller: the fields RateLimit-Policy and RateLimit, an Internet draft."""
        return self._headers(self._limits_of(caller))

    def _limits_of(self, caller: Caller) -> Sequence[tuple[_Limit, str]]:
        both = (self._token, caller.claims.token_id), (self._organization, caller.organization)
        return [(limit, name) for limit, name in both if limit is not None]

    def _refusal(self, limit: _Limit, name: str, detail: str) -> TooManyRequests:
        _, seconds = self._left(limit, name)
        return TooManyRequests(f"{detail}; go on in {seconds} s.", seconds, self._headers([(limit, name)]))

    def _headers(self, counted: Sequence[tuple[_Limit, str]]) -> Mapping[str, str]:
        if not counted:
            return {}
        policies, left = [], []
        for limit, name in counted:
            remaining, seconds = self._left(limit, name)
            policies.append(f'"{limit.name}";q={limit.item.amount};w={_MINUTE_SECONDS}')
            left.append(f'"{limit.name}";r={remaining};t={seconds}')
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}

    def _left(self, limit: _Limit, name: str) -> tuple[int, int]:
        """What is left, and for how many seconds."""
        stats = self._limiter.get_window_stats(limit.item, name)
        return stats.remaining, max(math.ceil(stats.reset_time - time.time()), 1)
