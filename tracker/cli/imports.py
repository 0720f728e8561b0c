"""`tracker import`: history out of the product's own files and out of other systems; and taking it back."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import rich_click as click
from rich.progress import Progress, SpinnerColumn, TextColumn
from sqlalchemy import Engine, make_url

from metrics.domain.fix_patterns import FixFlag, parse_fix_pattern
from metrics.domain.instants import InstantError, read_date_or_instant
from tracker.cli.common import (
    CommandFailed,
    migrated_database,
    open_database,
    organization_option,
    require_organization,
    this_command,
)
from tracker.cli.console import DataTable, Terminal, printable
from tracker.cli.transfer import import_records
from tracker.integrations.history.options import HistoryOptions
from tracker.integrations.history.sources import SOURCES, HistorySource
from tracker.organizations.service import read_settings
from tracker.records.engine import connect, write_transaction
from tracker.records.ledger import Act, KnownRepositories, Ledger
from tracker.records.migrations import migrate
from tracker.records.recorder import Recorder
from tracker.settings import Settings
from tracker.transfer.imports.items import Item, SourceError
from tracker.transfer.imports.recording import AT_ONCE, Importer, Outcome, Settled, Summary
from tracker.transfer.imports.undoing import list_imports, undo_import

_OWN_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_ROWS_SHOWN = 10
_SHORT_SHA = 12
_UTC = ZoneInfo("UTC")


class _ImportCommand(click.RichCommand):
    """`tracker import FILE`, beside `tracker import list` and `tracker import undo`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> Any:
        other = {"list": list_known, "undo": undo}.get(args[0]) if args else None
        if other is None:
            return super().make_context(info_name, args, parent=parent, **extra)
        return other.make_context(f"{info_name} {args[0]}", args[1:], parent=parent, **extra)


@click.command("import", cls=_ImportCommand)
@click.argument("file", metavar="FILE")
@organization_option
@click.option(
    "--from", "source", type=click.Choice(sorted(SOURCES)),
    help="The system whose history it is; default: the product's own lines.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be recorded, and record nothing.")
@click.option(
    "--repository", "repository_url", metavar="URL", help="Of what names none; for git: its origin."
)
@click.option("--service", help="Of what names none.")
@click.option("--environment", help="Of what names none. Default: production.")
@click.option("--team", help="Of every deployment that comes in.")
@click.option("--since", metavar="DATE", help="Leave out what finished before.")
@click.option(
    "--within", "within_minutes", type=click.IntRange(0, 1_440), default=60, show_default=True,
    metavar="MINUTES",
    help="What a pipeline has recorded of the same release so near in time is the same deployment.",
)  # fmt: skip
@click.option(
    "--tags", multiple=True, metavar="[SERVICE=]PATTERN",
    help="git: the tags that are releases, 'v*' or web='web-v*'. Default: those that begin as versions.",
)  # fmt: skip
@click.option("--merges", is_flag=True, help="git: each commit of the default branch was deployed, not tags.")
@click.option("--branch", help="git, with --merges: this one in place of the default branch.")
@click.option(
    "--manifests", multiple=True, metavar="ENVIRONMENT=PATH",
    help="git: a GitOps repository; each change of a tag below the path was deployed. Repeatable.",
)  # fmt: skip
@click.option(
    "--path", "paths", multiple=True, metavar="[SERVICE=]PATH",
    help="git: only commits that change something below it are the service's own; repeatable.",
)  # fmt: skip
@click.option(
    "--hotfix", "hotfixes", multiple=True, metavar="PLACE:PATTERN",
    help="git: what marks a hotfix: tag:*-hotfix*, branch:hotfix/*, commit:hotfix, message:*urgent*.",
)  # fmt: skip
@click.option("--fix", "fixes", multiple=True, metavar="PLACE:PATTERN", help="git: likewise a fix.")
@click.option("--prereleases", is_flag=True, help="git, github: prereleases are deployed too.")
@click.option(
    "--workflow", "workflows", multiple=True, metavar="NAME",
    help="github: of workflow runs those of this one, by file or name; repeatable.",
)  # fmt: skip
@click.option(
    "--map", "columns", multiple=True, metavar="FIELD=COLUMN",
    help="csv: which column has a field, as in commit_id=sha; repeatable. Default: guessed, and shown.",
)  # fmt: skip
@click.option("--tz", "zone", metavar="NAME", help="csv: of times that name no zone, as in Europe/Berlin.")
def import_history(
    file: str, organization: str, source: str | None, dry_run: bool, within_minutes: int, **said: Any
) -> None:
    """Record history from FILE, or from standard input with [b]-[/b].

    Without --from: NDJSON, plain or gzip: one deployment or incident a line, with the fields of their POST,
    or what [b]tracker export[/b] has written; or CSV with a header of these fields. A line with a started_at
    and neither commit_id, version nor status is an incident. Good lines are kept; bad ones are reported with
    their numbers, and the exit code is then 1. Safe to repeat for an export, and where the lines carry a
    deployment_node_id or a key.

    With --from: the history of another system, safe to repeat, beside what is recorded already.
    [b]tracker import --from git . --org acme[/b] takes a repository's releases.
    [b]tracker import list[/b] shows what was imported, [b]tracker import undo ID[/b] takes one back.
    """
    if source is None:
        given = sorted(name for name, value in said.items() if value)
        if given or dry_run:
            raise click.UsageError("these options are for --from: say of which system the history is")
        import_records(_own_file(file), organization)
        return
    settings = Settings()
    with _database(settings, dry_run=dry_run) as engine:
        since = _since(said.pop("since"))
        options = _options(engine, organization, said)
        commit = _taken_back(engine) if dry_run else Recorder(engine).record_now
        importer = Importer(organization, source, _shown_name(file), commit, within_minutes * 60, since)
        try:
            with _progress() as advance:
                for items in _in_parts(SOURCES[source].read(file, options)):
                    importer.take(items)
                    advance(len(items))
        except SourceError as failure:
            raise CommandFailed(printable(str(failure))) from None
        importer.finish()
    _report(importer, SOURCES[source], dry_run=dry_run)
    if not dry_run and importer.summary.counts[Outcome.RECORDED]:
        click.echo(
            f"Look at it: {this_command(settings)} metrics --org {organization} --last 12m --interval month",
            err=True,
        )
    if failed := importer.summary.counts[Outcome.FAILED]:
        raise CommandFailed(f"not everything could be read: {failed} are wrong")


@click.command("list")
@organization_option
def list_known(organization: str) -> None:
    """List what was imported by --from, the latest first."""
    engine = migrated_database(Settings())
    with engine.connect() as connection:
        require_organization(connection, organization)
        found = list_imports(connection, organization)
    for one in found:
        state = "interrupted" if one.finished_at is None else "finished"
        if one.undone_at is not None:
            state = f"undone {one.undone_at:%Y-%m-%d}"
        records = "1 record" if one.recorded == 1 else f"{one.recorded} records"
        started = f"{one.started_at:%Y-%m-%d %H:%M}"
        click.echo(printable(f"{one.id}  {started}  {one.source}  {one.name}  {records}, {state}"))


@click.command("undo")
@click.argument("import_id", metavar="ID")
@organization_option
def undo(import_id: str, organization: str) -> None:
    """Delete what an import has recorded, but for what somebody has changed since."""
    engine = migrated_database(Settings())
    with _progress() as advance:
        undone = undo_import(Recorder(engine), organization, import_id, advance)
    left = f", {undone.changed} left: changed since" if undone.changed else ""
    gone = f", {undone.gone} deleted before" if undone.gone else ""
    click.echo(f"{undone.deleted} deleted{left}{gone}")


@contextmanager
def _database(settings: Settings, *, dry_run: bool) -> Iterator[Engine]:
    """The record database, made where it is not there; for a dry run then one that nobody keeps."""
    url = make_url(settings.record_database_url)
    is_there = url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()
    if not dry_run:
        engine = open_database(settings)
        migrate(engine)
        yield engine
    elif is_there:
        yield migrated_database(settings)
    else:
        with tempfile.TemporaryDirectory() as folder:
            engine = connect(f"sqlite:///{folder}/tracker.db")
            migrate(engine)
            yield engine
            engine.dispose()


class _TakenBack(Exception):
    """Ends the transaction of a dry run."""


def _taken_back(engine: Engine) -> Callable[[Act[Any]], Any]:
    """Runs acts as the recorder does, and takes back what they have written."""

    def run(act: Act[Any]) -> Any:
        outcome = None
        try:
            with write_transaction(engine) as connection:
                outcome = act(Ledger(connection, KnownRepositories()))
                raise _TakenBack
        except _TakenBack:
            return outcome

    return run


def _options(engine: Engine, organization: str, said: dict[str, Any]) -> HistoryOptions:
    """Raises `click.UsageError`."""
    with engine.connect() as connection:
        patterns = list(read_settings(connection, organization).fix_patterns)
    for flag, name in ((FixFlag.HOTFIX, "hotfixes"), (FixFlag.FIX, "fixes")):
        patterns += [_fix_pattern(flag, text) for text in said.pop(name)]
    columns, zone = dict(map(_column, said.pop("columns"))), _zone(said.pop("zone"))
    return HistoryOptions(**said, fix_patterns=patterns, columns=columns, zone=zone)


def _column(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not equals:
        raise click.UsageError(f"--map {text}: write FIELD=COLUMN, as in commit_id=sha")
    return name.strip(), column.strip()


def _since(text: str | None) -> Any:
    try:
        return None if text is None else read_date_or_instant(text, _UTC)
    except InstantError as error:
        raise click.UsageError(f"--since {error}") from None


def _fix_pattern(flag: FixFlag, text: str) -> str:
    place, colon, pattern = text.partition(":")
    if place in ("tag", "message") and colon and pattern.strip():
        return f"{flag}:{text}"
    try:
        parse_fix_pattern(f"{flag}:{text}")
    except ValueError:
        detail = "must be tag, branch, commit or message, then a pattern: branch:hotfix/*, say"
        raise click.UsageError(f"--{flag} {text}: {detail}") from None
    return f"{flag}:{text}"


def _in_parts(items: Iterator[Item]) -> Iterator[Sequence[Item]]:
    while part := list(islice(items, AT_ONCE)):
        yield part


def _shown_name(file: str) -> str:
    """What was read, without a password."""
    if "://" in file:
        return make_url(file).render_as_string(hide_password=True)
    return str(Path(file).resolve()) if file != "-" else "standard input"


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """A count on standard error where a person watches; nothing elsewhere."""
    console = Terminal(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.completed} so far"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading", total=None)
        yield lambda count: progress.advance(task, count)


def _report(importer: Importer, source: HistorySource, *, dry_run: bool) -> None:
    """What became of all: a table for a dry run, what is wrong and why, and one line with the counts."""
    summary = importer.summary
    for text in summary.remarks:
        click.echo(printable(f"Read as {text}"), err=True)
    if dry_run:
        _print_table(summary)
    _print_details(summary)
    counts = [f"{summary.counts[outcome]} {outcome.value}" for outcome in _counted(summary)]
    left_out = [f"{count} {reason}" for reason, count in sorted(summary.passed_over.items())]
    name = "Would be" if dry_run else f"Import {importer.id}:"
    click.echo(f"{name} {', '.join(counts)}" + (f"; left out: {', '.join(left_out)}" if left_out else ""))
    for import_id, count in sorted(summary.beside_estimates.items()):
        click.echo(f"{count} of these stand beside estimates: tracker import undo {import_id}", err=True)
    for said in (
        *(hint for reason, hint in source.hints.items() if summary.passed_over[reason]),
        source.remark,
    ):
        if said:
            click.echo(said)


def _counted(summary: Summary) -> Iterable[Outcome]:
    always = (Outcome.RECORDED, Outcome.REPEATED, Outcome.FAILED)
    return [one for one in Outcome if one in always or summary.counts[one]]


def _print_details(summary: Summary) -> None:
    """On standard error what is wrong, and by what a deployment was recognised."""
    for outcome in (Outcome.RECOGNISED, Outcome.FAILED):
        shown = summary.shown.get(outcome, [])
        for one in shown:
            click.echo(printable(f"{one.place}: {one.detail}"), err=True)
        if (more := summary.counts[outcome] - len(shown)) > 0:
            click.echo(f"… and {more} more {outcome.value}", err=True)


def _print_table(summary: Summary) -> None:
    table = DataTable(title="what would be recorded", title_justify="left")
    for column in ("finished", "service", "environment", "release", "status", "commits", ""):
        table.add_column(column)
    rows = summary.shown.get(Outcome.RECORDED, [])[:_ROWS_SHOWN]
    for one in rows:
        table.add_row(*_cells(one))
    Terminal().print(table)
    if (more := summary.counts[Outcome.RECORDED] - len(rows)) > 0:
        click.echo(f"… and {more} more")


def _cells(one: Settled) -> Sequence[str]:
    record = one.record
    release = record.get("version") or (record.get("commit_id") or "")[:_SHORT_SHA]
    flags = [name.removeprefix("is_") for name in ("is_hotfix", "is_fix", "is_rollback") if record.get(name)]
    at = str(record.get("finished_at") or record.get("started_at") or "")[:16].replace("T", " ")
    return (
        at,
        record.get("service") or "",
        record.get("environment") or "production",
        release or str(record.get("title") or "incident"),
        str(record.get("status") or ("success" if release else "")),
        str(record.get("commits_count", "")),
        ", ".join(flags),
    )


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise click.UsageError(f"--tz {name}: is no time zone, as in Europe/Berlin") from None


def _own_file(name: str) -> Path:
    """Raises `click.BadParameter` where there is no such file."""
    found: Path = _OWN_FILE.convert(name, None, click.get_current_context(silent=True))
    return found
