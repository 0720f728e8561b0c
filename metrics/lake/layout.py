"""Where the lake's files are, what they are called, and which columns they have."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.fs

from metrics.domain.errors import RecordsUnavailable
from metrics.engine.pulled_tables import DETAILS, PULLED, RECORDING, Kind

T = TypeVar("T")
_UNFINISHED = "_"
_ORGANIZATION = "organization="
MANIFEST, PENDING = "manifest.json", "_pending.json"
_NAME = re.compile(r"(\d+)-(\d+)\.parquet")
# Beside what the metrics need, what people look for.
_MORE: Mapping[str, Mapping[str, Kind]] = {
    **DETAILS,
    "repositories": {"repository_url": Kind.TEXT, **RECORDING},
    "pushes": {"repository_url": Kind.TEXT, **RECORDING},
    "organization_settings": RECORDING,
}
SELECTED: Mapping[str, Mapping[str, Kind]] = {
    table: {**columns, **_MORE[table]} for table, columns in PULLED.items()
}
"""The tables, and of each the columns that are read for the lake."""


def _stored(column: str, kind: Kind) -> pa.DataType:
    if kind is Kind.NUMBER and column.endswith("_at"):
        return pa.timestamp("us", "UTC")
    return {Kind.NUMBER: pa.int64(), Kind.FLAG: pa.bool_()}.get(kind, pa.string())


SCHEMAS: Mapping[str, pa.Schema] = {
    table: pa.schema(
        [
            *(
                (column, _stored(column, kind))
                for column, kind in columns.items()
                # The organization is in the path, and what supersedes a version is not known yet.
                if column not in ("organization", "superseded_revision")
            ),
            ("deleted", pa.bool_()),
        ]
    )
    for table, columns in SELECTED.items()
}
"""The columns of each table's files. `deleted` marks the version that ends a record."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Up to where the lake is whole: the last revision, of the history that it follows.

    `history` changes when the lake begins anew, `record_id` is the record that has the revision.
    """

    history: str
    revision: int
    record_id: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A sync under way: to which head, and up to which organization, in order, it has come."""

    revision: int
    record_id: str
    done: str


@dataclass(frozen=True, slots=True, order=True)
class File:
    """A file of one table, organization and month, with the revisions that it may hold."""

    first: int
    last: int
    path: str

    @classmethod
    def of(cls, folder: str, first: int, last: int) -> Self:
        """The file of a folder with revisions from one to another."""
        return cls(first, last, f"{folder}/{first:019d}-{last:019d}.parquet")

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    def is_within(self, other: "File") -> bool:
        """Whether the other, of the same month, holds all that this one does."""
        wider = other.path != self.path and other.first <= self.first and self.last <= other.last
        return wider and other.folder == self.folder

    def as_wide_as(self, others: Sequence["File"]) -> "File":
        """Where a file of all of these belongs."""
        return self.of(self.folder, min(one.first for one in others), max(one.last for one in others))


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder of a file system: a local one, or an object store's."""

    files: pyarrow.fs.FileSystem
    root: str

    @classmethod
    def at(cls, target: str) -> Self:
        """The lake at a path, or at a URL: `s3://bucket/lake`. Raises `RecordsUnavailable`."""
        try:
            # As Spark calls it.
            files, root = pyarrow.fs.FileSystem.from_uri(target.replace("s3a://", "s3://", 1))
        except (OSError, ValueError):
            if "://" in target:
                raise RecordsUnavailable(f"{target} is no place for a lake: a path, s3:// or gs://") from None
            files, root = pyarrow.fs.LocalFileSystem(), target
        return cls(files, root.rstrip("/"))

    def manifest(self) -> Manifest | None:
        """Up to where it is whole; None where there is no lake yet. Raises `RecordsUnavailable`."""
        return self._read(MANIFEST, Manifest)

    def pending(self) -> Pending | None:
        return self._read(PENDING, Pending)

    def write(self, name: str, said: Manifest | Pending) -> None:
        """Put it in the place of what was said before, whole or not at all."""
        self.make_folder(self.root)
        self.write_whole(f"{self.root}/{name}", msgspec.json.encode(asdict(said)))

    def write_whole(self, path: str, content: bytes) -> None:
        with self.files.open_output_stream(self.unfinished(path)) as stream:
            stream.write(content)
        self.finish(path)

    def make_folder(self, folder: str) -> None:
        """Make a folder, where there are folders: an object store has none."""
        if self._is_local:
            self.files.create_dir(folder, recursive=True)

    @staticmethod
    def unfinished(path: str) -> str:
        """Where a file is written until it is whole: by a name that no engine takes for one of the lake."""
        folder, _, name = path.rpartition("/")
        return f"{folder}/{_UNFINISHED}{name}.part"

    def finish(self, path: str) -> None:
        """Let a file be seen that is whole."""
        self.files.move(self.unfinished(path), path)

    def forget(self, name: str) -> None:
        if self.files.get_file_info(f"{self.root}/{name}").type is not pyarrow.fs.FileType.NotFound:
            self.files.delete_file(f"{self.root}/{name}")

    def folder(self, table: str, organization: str, month: str = "") -> str:
        folder = f"{self.root}/{table}/{_ORGANIZATION}{organization}"
        return f"{folder}/month={month}" if month else folder

    def organizations(self) -> Sequence[str]:
        """The organizations of which it holds anything, in order."""
        return sorted(
            {folder.base_name.removeprefix(_ORGANIZATION) for folder in self._organization_folders()}
        )

    def remove_everything(self) -> None:
        """Remove what any sync has written, and nothing else that may be there."""
        for folder in self._organization_folders():
            self.files.delete_dir(folder.path)

    def _organization_folders(self) -> list[pyarrow.fs.FileInfo]:
        found = []
        for table in SELECTED:
            selector = pyarrow.fs.FileSelector(f"{self.root}/{table}", allow_not_found=True)
            found += [
                one for one in self.files.get_file_info(selector) if one.base_name.startswith(_ORGANIZATION)
            ]
        return found

    @property
    def key(self) -> str:
        """What it is called, whichever way it was named."""
        return f"{self.files.type_name}:{Path(self.root).resolve() if self._is_local else self.root}"

    @property
    def _is_local(self) -> bool:
        return isinstance(self.files, pyarrow.fs.LocalFileSystem)

    def all_files(self, folder: str) -> list[File]:
        """The files below a folder, in the order of their revisions."""
        selector = pyarrow.fs.FileSelector(folder, recursive=True, allow_not_found=True)
        named = ((one.path, _NAME.fullmatch(one.base_name)) for one in self.files.get_file_info(selector))
        return sorted(File(int(name[1]), int(name[2]), path) for path, name in named if name)

    def remove_after(self, folder: str, revision: int) -> None:
        """Remove what a sync that was cut off has left: later revisions, and what is not whole."""
        selector = pyarrow.fs.FileSelector(folder, recursive=True, allow_not_found=True)
        for one in self.files.get_file_info(selector):
            name = _NAME.fullmatch(one.base_name.removeprefix(_UNFINISHED).removesuffix(".part"))
            if name and (int(name[2]) > revision or one.base_name.startswith(_UNFINISHED)):
                self.files.delete_file(one.path)

    def valid_files(self, folder: str, revision: int) -> list[File]:
        """Those that hold what the lake has at a revision, each version once.

        One may hold more: who has read the manifest before it moved on leaves the rest out.
        """
        return widest(file for file in self.all_files(folder) if file.first <= revision)

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            with self.files.open_input_stream(f"{self.root}/{name}") as stream:
                return msgspec.json.decode(stream.read(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise RecordsUnavailable(f"{self.root}/{name} cannot be read: {error}") from error


def widest(files: Iterable[File]) -> list[File]:
    """Those that are within no other: what was compacted may not have been removed yet."""
    found = list(files)
    return [file for file in found if not any(file.is_within(other) for other in found)]


def at_start(history: str) -> Manifest:
    return Manifest(history, 0, "")


def at(manifest: Manifest, pending: Pending) -> Manifest:
    return replace(manifest, revision=pending.revision, record_id=pending.record_id)
