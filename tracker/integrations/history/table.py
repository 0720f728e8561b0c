"""History out of a table with whatever columns: CSV, with a guess at which is which."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from metrics.domain.deployments import NewDeployment
from metrics.domain.instants import InstantError
from metrics.wire.csv_rows import cell_value, delimiter_of
from tracker.integrations.history.json_stream import opened
from tracker.integrations.history.options import HistoryOptions
from tracker.senders import keys
from tracker.senders.times import read_foreign_instant
from tracker.transfer.imports.items import Found, Item, Remark, SourceError, Unreadable

_TIMES = ("started_at", "finished_at")
_GUESSES: Mapping[str, Sequence[str]] = {
    "repository_url": ("repository", "repo", "repo_url", "git_url"),
    "commit_id": ("commit", "sha", "commit_sha", "git_sha", "revision", "hash", "commit_hash"),
    "version": ("tag", "release", "image_tag", "release_version"),
    "finished_at": (
        "deployed_at", "finished", "finish", "completed_at", "ended_at", "end_time", "finish_time", "end",
        "deployment_time", "deploy_time", "deployed", "timestamp", "datetime", "date", "time", "created_at",
    ),
    "started_at": ("started", "start_time", "start", "begin"),
    "environment": ("env", "stage", "target"),
    "service": ("app", "application", "component", "service_name"),
    "status": ("result", "outcome", "state", "conclusion"),
    "branch": ("ref", "git_branch"),
    "title": ("description", "message", "summary", "name"),
    "url": ("link",),
    "member_id": ("author", "user", "deployed_by", "deployer", "actor"),
    "duration_seconds": ("duration",),
    "is_hotfix": ("hotfix",),
    "is_fix": ("fix",),
    "is_rollback": ("rollback",),
    "pull_request_number": ("pr", "pr_number", "pull_request"),
    "deployment_node_id": ("id", "deployment_id", "run_id", "build_id"),
}  # fmt: skip
"""By field the names that others have for it, the likeliest first."""


def guessed_columns(header: Sequence[str], said: Mapping[str, str]) -> dict[str, str]:
    """By field the column: as is said, else of its own name, else of one that others use."""
    by_name = {_plain(name): name for name in header}
    found = dict(said)
    for field in NewDeployment.model_fields:
        if field in found:
            continue
        taken = set(found.values())
        names = (by_name.get(name) for name in (field, *_GUESSES.get(field, ())))
        column = next((name for name in names if name is not None and name not in taken), None)
        if column is not None:
            found[field] = column
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


@dataclass(frozen=True, slots=True)
class _Reader:
    options: HistoryOptions
    columns: Mapping[str, str]

    def read(self, place: str, row: Mapping[str, str]) -> Item:
        record = self._said()
        for field, column in self.columns.items():
            cell = (row.get(column) or "").strip()
            if not cell:
                continue
            if field in _TIMES:
                try:
                    found = read_foreign_instant(cell, self.options.zone)
                except InstantError as error:
                    hint = "" if self.options.zone else " (--tz NAME says which zone is meant)"
                    return Unreadable(place, f"{column} {error}{hint if 'zone' in str(error) else ''}")
                record[field] = None if found is None else found.isoformat()
            else:
                record[field] = cell_value(field, cell)
        if not record.get("deployment_node_id"):
            content = msgspec.json.encode(record, order="deterministic").decode()
            record["deployment_node_id"] = keys.csv_row(content)
        return Found(place, record)

    def _said(self) -> dict[str, Any]:
        names = ("repository_url", "service", "environment", "team")
        return {name: value for name in names if (value := getattr(self.options, name)) is not None}


def _require_columns(columns: Mapping[str, str], header: Sequence[str], options: HistoryOptions) -> None:
    """Raises `SourceError` where a record could not be made of the columns."""
    unknown = [f"{field}={name}" for field, name in options.columns.items() if name not in header]
    fields = [field for field in options.columns if field not in NewDeployment.model_fields]
    there = f"the columns are {', '.join(header)}"
    if fields:
        raise SourceError(f"--map {fields[0]}=…: a deployment has no such field")
    if unknown:
        raise SourceError(f"--map {unknown[0]}: there is no such column; {there}")
    if "repository_url" not in columns and options.repository_url is None:
        raise SourceError(
            f"no column says the repository: --repository URL, or --map repository_url=…; {there}"
        )
    if "commit_id" not in columns and "version" not in columns:
        raise SourceError(f"no column says what was deployed: --map commit_id=NAME, or version; {there}")
    if "finished_at" not in columns and not {"started_at", "duration_seconds"} <= columns.keys():
        raise SourceError(f"no column says when: --map finished_at=NAME; {there}")


def csv_items(path: str, options: HistoryOptions) -> Iterator[Item]:
    """What the rows of a file tell, whose first line names the columns. Raises `SourceError`."""
    with opened(path) as stream:
        text = io.TextIOWrapper(cast(Any, stream), encoding="utf-8-sig", newline="")
        try:
            first = text.readline()
            delimiter = delimiter_of(first)
            header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
            columns = guessed_columns(header, options.columns)
            _require_columns(columns, header, options)
            yield Remark(", ".join(f"{field}={column}" for field, column in columns.items()))
            reader, rows = _Reader(options, columns), csv.reader(text, delimiter=delimiter, strict=True)
            for row in rows:
                if any(cell.strip() for cell in row):
                    yield reader.read(f"line {rows.line_num + 1}", dict(zip(header, row, strict=False)))
        except (UnicodeDecodeError, csv.Error, OSError, EOFError) as error:
            yield Unreadable("the file", f"cannot be read on: {error}")
