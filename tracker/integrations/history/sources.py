"""The sources that history can come from, by the name that the command line has for them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tracker.integrations.history.datadog import datadog_items
from tracker.integrations.history.devlake import devlake_items
from tracker.integrations.history.git import git_items
from tracker.integrations.history.github import HOW_TO_GET_STATUSES, NO_STATUSES, github_items
from tracker.integrations.history.gitlab import gitlab_items
from tracker.integrations.history.options import HistoryOptions
from tracker.integrations.history.table import csv_items
from tracker.transfer.imports.items import Item


@dataclass(frozen=True, slots=True)
class HistorySource:
    """A system. `remark` is said after each import, `hints` where that was passed over."""

    read: Callable[[str, HistoryOptions], Iterator[Item]]
    """Finds its history in what is named: a file, a folder, the address of a database."""
    remark: str = ""
    hints: Mapping[str, str] = field(default_factory=dict)


SOURCES: Mapping[str, HistorySource] = {
    "git": HistorySource(
        git_items,
        "These are estimates: git shows what was released, and no failure. A change failure rate and a "
        "recovery time begin with what your pipeline records.",
    ),
    "github": HistorySource(github_items, hints={NO_STATUSES: HOW_TO_GET_STATUSES}),
    "gitlab": HistorySource(gitlab_items),
    "devlake": HistorySource(devlake_items),
    "datadog": HistorySource(datadog_items),
    "csv": HistorySource(csv_items),
}
