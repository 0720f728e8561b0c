"""The options of `tracker record` and its commands."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import reduce
from typing import Any, TypeVar

import rich_click as click

from metrics.domain.instants import InstantError, read_instant

Command = TypeVar("Command", bound=Callable[..., Any])


class _Instant(click.ParamType[datetime]):
    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return read_instant(value)
        except InstantError as error:
            self.fail(str(error), param, ctx)


INSTANT = _Instant()
COMMON = (
    click.option("--url", envvar="TRACKER_URL", help="The service; TRACKER_URL."),
    click.option(
        "--strict", is_flag=True, default=None, help="Fail where the service does not have the record."
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        default=None,
        help="Show what would be sent, let it be checked, record nothing.",
    ),
    click.option(
        "--spool",
        envvar="TRACKER_SPOOL_DIR",
        metavar="FOLDER",
        help="Where records wait while the service is away; TRACKER_SPOOL_DIR.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=1),
        envvar="TRACKER_TIMEOUT",
        help="For how many seconds it is tried, 30, and 5 before a deployment; TRACKER_TIMEOUT.",
    ),
    click.option(
        "--repository-url", envvar="TRACKER_REPOSITORY_URL", help="Default: of the CI system, else of git."
    ),
    click.option(
        "--service", envvar="TRACKER_SERVICE", help="What of the repository: web, or web@eu for a region."
    ),
    click.option("--environment", envvar="TRACKER_ENVIRONMENT", help="Default: production."),
    click.option("--label", "labels", multiple=True, metavar="NAME=TEXT", help="Repeatable."),
)
DEPLOYMENT = (
    *COMMON,
    click.option(
        "--production", is_flag=True, default=None, help="The environment is production, whatever its name."
    ),
    click.option("--version", help="What was deployed, an image tag say. Default: the tag that is built."),
    click.option("--commit", help="The commit deployed. Default: of the CI system, else of git."),
    click.option("--no-commit", is_flag=True, default=None, help="The version alone says what is deployed."),
    click.option("--branch", help="Default: of the CI system."),
    click.option("--status", help="success, failure, cancelled …: in the words of the CI system."),
    click.option("--hotfix/--no-hotfix", default=None, help="It repairs production, urgently."),
    click.option("--fix/--no-fix", default=None, help="It repairs something, not urgently."),
    click.option("--rollback/--no-rollback", default=None, help="Default: worked out from the releases."),
    click.option("--forced", is_flag=True, default=None, help="Somebody forced it past the checks."),
    click.option(
        "--remediates", metavar="DEPLOYMENT", help="What it repairs: an id, a node id or a release."
    ),
    click.option("--team", help="Default: the team that is set for the service or the repository."),
    click.option("--title", help="Default: the subject of the commit."),
    click.option("--link", help="Where to read more. Default: the run."),
    click.option("--id", "node_id", help="What makes a repeat the same record. Default: run and attempt."),
    click.option("--path", "paths", multiple=True, help="Only commits that touch it; repeatable."),
    click.option(
        "--since",
        metavar="REVISION",
        help="Commits after it. Default: what the service has as deployed last.",
    ),
    click.option("--no-commits", is_flag=True, default=None, help="Collect no commits."),
    click.option(
        "--started-at", type=INSTANT, help="Default: of the CI system, where it says when the job began."
    ),
    click.option("--finished-at", type=INSTANT, help="Default: now."),
)


def with_options(options: Sequence[Callable[[Any], Any]]) -> Callable[[Command], Command]:
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)
