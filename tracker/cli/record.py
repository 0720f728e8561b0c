"""`tracker record`: records out of a pipeline, over HTTP. It needs nothing of the service."""

import os
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import rich_click as click

from tracker.cli.record_options import COMMON, DEPLOYMENT, INSTANT, with_options
from tracker.client.command import run_command
from tracker.client.facts import Wanted, written
from tracker.client.identity import token_of
from tracker.client.pipeline import Outcome, Pipeline
from tracker.client.service import Service
from tracker.client.spool import default_root
from tracker.client.systems import run_of

# Before a deployment nobody wants to wait for its record.
_START_SECONDS, _PATIENCE_SECONDS = 5.0, 30.0
# A CI system that cancels a job gives it some seconds more.
_CANCELLED_SECONDS = 3.0


_COMMAND = "tracker.command"


class _Record(click.RichGroup):
    """A group whose arguments after `--` are a command to run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND], args = args[at + 1 :], args[:at]
            if not ctx.meta[_COMMAND]:
                raise click.UsageError("after -- stands the command that deploys")
        return super().parse_args(ctx, args)


@click.group(cls=_Record, invoke_without_command=True)
@with_options(DEPLOYMENT)
@click.pass_context
def record(context: click.RichContext, /, **options: Any) -> None:
    """Record a deployment at a service, out of a pipeline.

    [b]tracker record[/b] after it, or around it: [b]tracker record --service web -- helm upgrade …[/b] runs
    the command, records its start, its duration and its outcome, and ends with its exit status.

    Repository, commit, branch, run, actor and pull request come from the CI system's variables, the commits
    since the last deployment from git. TRACKER_URL names the service. TRACKER_TOKEN lets the pipeline in, or
    the CI system's own OIDC token where the organization trusts it.

    It never fails the pipeline, unless --strict: a record that cannot be sent waits in a file for the next
    call.
    """
    context.obj = options
    command = context.meta.get(_COMMAND)
    if context.invoked_subcommand is not None:
        if command:
            raise click.UsageError("a command after -- is run by 'tracker record' alone")
        return
    if command:
        context.exit(_run_recorded(options, command))
    context.exit(_finish(options))


@record.command()
@with_options(DEPLOYMENT)
@click.pass_obj
def start(before: dict[str, Any], /, **options: Any) -> None:
    """Record that a deployment starts; `finish` in the same run finishes it."""
    options = _merged(before, options)
    started_at = options["started_at"] or datetime.now(UTC)
    sys.exit(_report(options, {"status": "in_progress", "started_at": started_at}, _START_SECONDS))


@record.command()
@with_options(DEPLOYMENT)
@click.pass_obj
def finish(before: dict[str, Any], /, **options: Any) -> None:
    """Record how a deployment ended, whether its start was recorded or not: --status "$JOB_STATUS"."""
    sys.exit(_finish(_merged(before, options)))


@record.group(invoke_without_command=True)
@with_options(COMMON)
@click.option("--key", help="What makes a report the same incident: of the pager, say.")
@click.option("--title")
@click.option("--severity")
@click.option("--started-at", type=INSTANT, help="Default: now.")
@click.option("--deployment", metavar="DEPLOYMENT", help="What caused it: an id or a node id.")
@click.option("--commit", help="The release that caused it.")
@click.option("--link", help="Where to read more.")
@click.option("--not-change-related", is_flag=True, default=None, help="No deployment has caused it.")
@click.pass_context
def incident(context: click.RichContext, /, **options: Any) -> None:
    """Report an incident: [b]tracker record incident --key INC-7 --title Down --service web[/b]."""
    before = context.obj
    context.obj = _merged(before, options)
    if context.invoked_subcommand is None:
        given = context.obj
        reported = _incident_fields(given) | {
            "title": given["title"],
            "severity": given["severity"],
            "started_at": written(given["started_at"] or datetime.now(UTC)),
            "deployment": given["deployment"],
            "commit_id": given["commit"],
            "url": given["link"],
            "change_related": False if given["not_change_related"] else None,
        }
        context.exit(_say(given, lambda pipeline: pipeline.record_incident(reported)))


@incident.command()
@with_options(COMMON)
@click.option("--key", help="The key that it was reported under.")
@click.option("--resolved-at", type=INSTANT, help="Default: now.")
@click.pass_obj
def resolve(before: dict[str, Any], /, resolved_at: datetime | None, **options: Any) -> None:
    """Say that an incident is over: [b]tracker record incident resolve --key INC-7[/b]."""
    given = _merged(before, options)
    resolved = {"key": given["key"], "resolved_at": written(resolved_at or datetime.now(UTC))}
    sys.exit(_say(given, lambda pipeline: pipeline.record_incident(resolved)))


def _incident_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": given["key"],
        "repository_url": given["repository_url"],
        "service": given["service"],
        "environment": given["environment"],
        "labels": _labels(given["labels"]) or None,
    }


def _merged(before: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a command, and those that stood before its name."""
    return {
        **options,
        **before,
        **{name: value for name, value in options.items() if value not in (None, ())},
    }


def _finish(options: dict[str, Any]) -> int:
    return _report(options, {} if options["status"] is None else {"status": options["status"].strip()})


def _run_recorded(options: dict[str, Any], command: list[str]) -> int:
    """Run a command between the records of its start and its end; return its exit status."""
    started_at = options["started_at"] or datetime.now(UTC)
    if options["node_id"] is None and run_of(os.environ) is None:
        options = options | {"node_id": f"run:{uuid.uuid4()}"}
    _report(options, {"status": "in_progress", "started_at": started_at}, _START_SECONDS)
    exit_status, interrupted = run_command(command)
    status = "cancelled" if interrupted else "success" if exit_status == 0 else "fail"
    ended = {"status": status, "started_at": started_at, "finished_at": datetime.now(UTC)}
    failed = _report(options, ended, _CANCELLED_SECONDS if interrupted else _PATIENCE_SECONDS)
    return exit_status or failed


def _report(options: dict[str, Any], facts: dict[str, Any], patience: float = _PATIENCE_SECONDS) -> int:
    """Record a deployment with these facts; return the exit status."""

    def act(pipeline: Pipeline) -> Outcome:
        return pipeline.record_deployment(replace(_wanted(options), **facts))

    return _say(options, act, patience)


def _wanted(options: dict[str, Any]) -> Wanted:
    return Wanted(
        repository_url=options["repository_url"],
        commit_id=options["commit"] or None,
        has_commit=not options["no_commit"],
        version=options["version"] or None,
        branch=options["branch"] or None,
        service=options["service"] or None,
        environment=options["environment"] or None,
        started_at=options["started_at"],
        finished_at=options["finished_at"],
        node_id=options["node_id"] or None,
        title=options["title"] or None,
        url=options["link"] or None,
        is_hotfix=options["hotfix"],
        is_fix=options["fix"],
        labels=_labels(options["labels"]),
        others={
            "production": options["production"],
            "is_rollback": options["rollback"],
            "is_forced": options["forced"],
            "remediates": options["remediates"] or None,
            "team": options["team"] or None,
        },
        since=options["since"] or None,
        paths=options["paths"],
        has_commits=not options["no_commits"],
    )


def _labels(given: Sequence[str]) -> dict[str, str]:
    pairs = (one.partition("=") for one in given)
    return {name.strip(): text for name, equals, text in pairs if equals and name.strip()}


def _say(
    options: dict[str, Any], act: Callable[[Pipeline], Outcome], patience: float = _PATIENCE_SECONDS
) -> int:
    """Do it and say in one line what became of it; return the exit status: 0, for the pipeline must go on."""
    try:
        outcome = _outcome(options, act, patience)
    except Exception as failure:  # noqa: BLE001  whatever is wrong with the client, the deployment goes on
        outcome = Outcome(f"not recorded: {type(failure).__name__}: {failure}", False)
    if options["dry_run"]:
        click.echo(outcome.body)
    # What it says is in part others' text, and a terminal obeys some of that.
    line = "".join(one if one.isprintable() else "\ufffd" for one in outcome.line)
    click.echo(f"tracker: {line}", err=True)
    return 0 if outcome.is_done or options["dry_run"] or not options["strict"] else 1


def _outcome(options: dict[str, Any], act: Callable[[Pipeline], Outcome], patience: float) -> Outcome:
    environment = dict(os.environ)
    url = (options["url"] or "").strip().rstrip("/")
    if not url:
        return Outcome("not recorded: set TRACKER_URL to the address of the service", False)
    root = Path(options["spool"]) if options["spool"] else default_root()
    audience = environment.get("TRACKER_AUDIENCE", "").strip() or url
    token = cache(lambda: token_of(environment, audience))
    service = Service(url, token, patience_seconds=options["timeout"] or patience)
    return act(Pipeline(service, environment, root, dry_run=bool(options["dry_run"])))
