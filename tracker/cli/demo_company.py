"""A simulated company: what its CI would have posted, day by day.

Every day of every product is drawn from a generator of its own, seeded with the seed, the product and the
date. So the days of a year are the same whenever it is simulated, and a later simulation goes on where
an earlier one ended.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

Record = dict[str, Any]

TIMEZONE = "Europe/Berlin"
NODE_PREFIX = "demo/"
"""How the node ids of simulated deployments begin."""
DAYS = 365
_ZONE = ZoneInfo(TIMEZONE)
_HOST = "https://github.com/acme-demo"
_PEOPLE = ("ada", "barbara", "edsger", "frances", "grace", "ken", "margaret", "radia")
_WEEKEND_SHARE = 0.05
_QUIET_SHARE = 0.15
_BAD_FORTNIGHT_FACTOR = 4.0


@dataclass(frozen=True, slots=True)
class Product:
    """What is deployed, and how well. Shares are of its production deployments."""

    repository: str
    service: str
    team: str
    a_day: float
    """Production deployments on a working day."""
    breaking: float
    """The share that needs repair."""
    failing: float
    """The share that does not get through."""
    lead_hours: float
    """The median from writing a commit to its deployment."""
    minutes: float
    """How long a deployment takes."""
    grows: float
    """How much more often it deploys after a year, as a share."""

    @property
    def url(self) -> str:
        return f"{_HOST}/{self.repository}"

    @property
    def name(self) -> str:
        return f"{self.repository}-{self.service}" if self.service else self.repository


PRODUCTS = (
    Product("shop", "web", "checkout", 3.0, 0.05, 0.03, 20, 6, 0.6),
    Product("shop", "api", "checkout", 2.2, 0.07, 0.04, 26, 8, 0.3),
    Product("shop", "worker", "checkout", 0.8, 0.06, 0.03, 40, 5, 0.0),
    Product("payments", "", "payments", 0.7, 0.03, 0.02, 70, 14, 0.1),
    Product("search", "", "discovery", 1.4, 0.12, 0.06, 30, 11, -0.2),
    Product("mobile-gateway", "", "mobile", 0.5, 0.09, 0.05, 110, 9, 0.2),
    Product("infrastructure", "", "platform", 1.0, 0.08, 0.12, 12, 22, 0.0),
)


@dataclass(frozen=True, slots=True)
class Day:
    """What the company's CI and its people post on one day."""

    deployments: Sequence[Record]
    incidents: Sequence[Record]


def simulate(seed: int, until: datetime) -> Iterator[Day]:
    """The days of the year that ends at `until`.

    What is under way at `until` is in progress, and an incident of then is open.
    """
    last = until.astimezone(_ZONE).date()
    for day in (last - timedelta(days=back) for back in range(DAYS, -1, -1)):
        deployments: list[Record] = []
        incidents = list(_outages(seed, day))
        for product in PRODUCTS:
            simulated = _ProductDay(product, seed, day)
            simulated.run()
            deployments += simulated.deployments
            incidents += simulated.incidents
        yield Day(
            [known for one in deployments if (known := _known(one, until, "finished_at")) is not None],
            [known for one in incidents if (known := _known(one, until, "resolved_at")) is not None],
        )


class _ProductDay:
    """One day of a product."""

    def __init__(self, product: Product, seed: int, day: date) -> None:
        self._product, self._seed, self._day = product, seed, day
        self._dice = Random(f"{seed}/{product.name}/{day}")
        self._is_bad = _is_in_bad_fortnight(seed, day)
        self.deployments: list[Record] = []
        self.incidents: list[Record] = []

    def run(self) -> None:
        """Draw what happens."""
        before: Record | None = None
        for number, begins_at in enumerate(sorted(self._moment() for _ in range(self._count())), start=1):
            release = self._release(number, begins_at)
            before = self._ship(release, begins_at, before)

    def _count(self) -> int:
        """Draw the number of production deployments: Poisson, less at weekends and the turn of the year."""
        mean = self._product.a_day * (1 + self._product.grows * (self._day.timetuple().tm_yday / 366 - 0.5))
        if self._day.weekday() >= 5:
            mean *= _WEEKEND_SHARE
        if (self._day.month, self._day.day) >= (12, 20) or (self._day.month, self._day.day) <= (1, 3):
            mean *= _QUIET_SHARE
        threshold, count, product = math.exp(-mean), 0, self._dice.random()
        while product > threshold:
            count += 1
            product *= self._dice.random()
        return count

    def _moment(self) -> datetime:
        """A time of the working day, most of them before and after lunch."""
        hour = self._dice.choice((10.5, 15.0)) + self._dice.gauss(0, 1.2)
        local = datetime.combine(self._day, time(0), _ZONE) + timedelta(hours=min(max(hour, 8), 19))
        return local.astimezone(UTC).replace(microsecond=0)

    def _release(self, number: int, begins_at: datetime) -> Record:
        commits = [
            {
                "sha": self._sha(f"{number}/{index}"),
                "committed_at": _text(
                    begins_at - timedelta(hours=self._product.lead_hours * self._dice.lognormvariate(0, 0.9))
                ),
            }
            for index in range(self._dice.choice((1, 1, 1, 2, 2, 3, 5)))
        ]
        return {
            "commit_id": commits[0]["sha"],
            "version": f"{self._day:%Y.%m.%d}.{number}",
            "branch": "main",
            "title": f"{self._product.name} {self._day:%Y.%m.%d}.{number}",
            "member_id": self._dice.choice(_PEOPLE),
            "pull_request_number": self._dice.randrange(100, 9_000),
            "commits": commits,
            "commits_count": len(commits),
        }

    def _ship(self, release: Record, begins_at: datetime, before: Record | None) -> Record:
        """Staging, production, and what goes wrong there; what is in production afterwards."""
        self._deploy(release, begins_at - timedelta(minutes=self._dice.randrange(20, 90)), "staging")
        at = begins_at
        while self._dice.random() < self._product.failing:
            at = self._deploy(release, at, status="fail") + timedelta(minutes=self._dice.randrange(5, 40))
        live_at = self._deploy(release, at, is_forced=self._dice.random() < 0.01)
        if self._dice.random() < 0.02:
            self._deploy(release, live_at + timedelta(minutes=10), title="New configuration")
        share = self._product.breaking * (_BAD_FORTNIGHT_FACTOR if self._is_bad else 1)
        if self._dice.random() < share:
            return self._repair(release, live_at, before)
        return release

    def _repair(self, broken: Record, live_at: datetime, before: Record | None) -> Record:
        """An incident or none, then back to the release before or on to a better one."""
        noticed_at = live_at + timedelta(minutes=self._dice.randrange(3, 60))
        kind = self._dice.choices(("rollback", "hotfix", "fix"), (3, 4, 3))[0]
        if kind == "rollback" and before is not None:
            repaired = {name: before[name] for name in ("commit_id", "version", "branch", "member_id")}
            at = noticed_at + timedelta(minutes=self._dice.randrange(3, 25))
            repaired_at = self._deploy(repaired, at, title=f"Back to {before['version']}")
        else:
            urgent = kind != "fix"
            hours = self._dice.lognormvariate(0.2, 0.7) if urgent else self._dice.uniform(16, 60)
            at = noticed_at + timedelta(hours=hours)
            repaired = self._better(broken, at, urgent=urgent)
            repaired_at = self._deploy(repaired, at)
        if kind != "fix" and self._dice.random() < 0.6:
            self.incidents.append(
                {
                    "key": f"demo-{broken['commit_id'][:12]}",
                    "title": self._dice.choice(("Errors", "Slow answers", "Wrong prices", "Cannot log in")),
                    "severity": self._dice.choice(("sev1", "sev2", "sev2", "sev3")),
                    "started_at": _text(noticed_at),
                    "resolved_at": _text(repaired_at + timedelta(minutes=self._dice.randrange(1, 15))),
                    "repository_url": self._product.url,
                    "service": self._product.service,
                    "environment": "production",
                }
            )
        return repaired

    def _better(self, broken: Record, at: datetime, *, urgent: bool) -> Record:
        sha = self._sha(f"repair/{broken['commit_id']}")
        commit = {"sha": sha, "committed_at": _text(at - timedelta(minutes=self._dice.randrange(10, 60)))}
        repair = {"is_hotfix": True, "branch": f"hotfix/{sha[:7]}"} if urgent else {"is_fix": True}
        return broken | repair | {
            "commit_id": sha,
            "version": f"{broken['version']}-{'hotfix' if urgent else 'fix'}",
            "title": f"Repair {broken['version']}",
            "commits": [commit],
            "commits_count": 1,
        }  # fmt: skip

    def _deploy(
        self, release: Record, begins_at: datetime, environment: str = "production", **fields: Any
    ) -> datetime:
        """Deploy once; return when the attempt finished."""
        minutes = self._product.minutes * self._dice.lognormvariate(0, 0.3)
        finished_at = begins_at + timedelta(seconds=round(60 * minutes))
        number = len(self.deployments) + 1
        node_id = f"{NODE_PREFIX}{self._seed}/{self._product.name}/{self._day}/{number}"
        self.deployments.append(
            {
                **release,
                "repository_url": self._product.url,
                "service": self._product.service,
                "environment": environment,
                "status": "success",
                "started_at": _text(begins_at),
                "finished_at": _text(finished_at),
                "deployment_node_id": node_id,
                "url": f"https://ci.example.com/{node_id}",
                "labels": {"region": "eu"},
                **fields,
            }
        )
        return finished_at

    def _sha(self, text: str) -> str:
        return hashlib.sha1(f"{self._seed}/{self._product.name}/{self._day}/{text}".encode()).hexdigest()


def _is_in_bad_fortnight(seed: int, day: date) -> bool:
    """Once a year, two weeks in which far more goes wrong."""
    begins = date(day.year, 2, 1) + timedelta(days=Random(f"{seed}/{day.year}").randrange(280))
    return begins <= day < begins + timedelta(days=14)


def _outages(seed: int, day: date) -> Iterator[Record]:
    """Draw the incidents that no deployment caused."""
    dice = Random(f"{seed}/outage/{day}")
    if dice.random() < 0.015:
        started_at = datetime.combine(day, time(dice.randrange(24)), UTC)
        yield {
            "key": f"demo-outage-{seed}-{day}",
            "title": "The provider's network",
            "severity": "sev1",
            "started_at": _text(started_at),
            "resolved_at": _text(started_at + timedelta(minutes=dice.randrange(20, 240))),
            "change_related": False,
        }


def _text(instant: datetime) -> str:
    return instant.replace(microsecond=0).isoformat()


def _known(record: Record, now: datetime, end: str) -> Record | None:
    """The record as its sender knew it at that moment; None before it began."""
    if datetime.fromisoformat(record["started_at"]) > now:
        return None
    if datetime.fromisoformat(record[end]) <= now:
        return record
    under_way = {name: value for name, value in record.items() if name != end}
    return under_way | {"status": "in_progress"} if "status" in record else under_way
