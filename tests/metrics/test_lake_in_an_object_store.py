"""A lake in an object store is what one in a folder is: S3, as moto speaks it on a loopback port."""

import re
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pyarrow.fs
import pytest

import metrics
from metrics.domain.errors import RecordsUnavailable
from metrics.engine.following import follow
from metrics.lake.layout import Lake
from metrics.lake.writing import sync
from tests.apart_environment import require_apart
from tests.conftest import Book, sqlite_url
from tests.server import run_tracker

MARCH = {"from_": "2026-03-01", "to": "2026-04-01", "interval": "week"}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_numbers = count(1)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """What is synced is the same out of either database: the lake in a folder shows that."""
    opened = Book(sqlite_url(tmp_path), tmp_path)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The host and port of an object store."""
    command = [require_apart("moto_server"), "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        try:
            served = next(
                found[1] for line in process.stderr if (found := re.search(r"http://([\w.]+:\d+)", line))
            )
            # A pipe that nobody reads would hold it up.
            process.stderr.close()
            yield served
        finally:
            process.kill()


@pytest.fixture
def target(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a lake in a bucket of this test's own."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = pyarrow.fs.S3FileSystem(
        endpoint_override=endpoint, scheme="http", region="us-east-1", allow_bucket_creation=True
    )
    bucket = f"acme-{next(_numbers)}"
    store.create_dir(bucket)
    return f"s3://{bucket}/dora/lake?endpoint_override={endpoint}&scheme=http&region=us-east-1"


def test_it_is_synced_compacted_and_opened(target: str, book: Book) -> None:
    lake = Lake.at(target)
    for day in range(1, 13):
        book.deploy(version=f"v{day}", finished_at=f"2026-03-{day:02}T10:00:00Z", is_hotfix=day % 5 == 0)
        assert sync(follow(book.url), lake).versions > 0
    with metrics.open(book.url, organization="acme") as library:
        first = library.deployments()["id"][0]
        book.delete(first)
        sync(follow(book.url), lake)
        with metrics.open(target, organization="acme") as far:
            assert far.change_failure_rate(**MARCH).equals(library.change_failure_rate(**MARCH))
            assert far.deployments().equals(library.deployments())
            assert far.deployments().height == 11
    # Those that were made one are gone by now, and nothing else is left.
    assert len(lake.all_files(f"{lake.root}/deployments")) < 12
    assert lake.pending() is None
    assert sync(follow(book.url), lake).versions == 0


def test_the_command_writes_it(target: str, book: Book) -> None:
    book.deploy(version="v1", finished_at="2026-03-01T10:00:00Z")
    synced = run_tracker(book.folder, "lake", "sync", target, TRACKER_DATABASE_URL=book.url, **CREDENTIALS)
    assert synced.returncode == 0, synced.stderr
    with metrics.open(target, organization="acme") as far:
        assert far.deployments()["version"].to_list() == ["v1"]
    nowhere = target.replace("s3://acme", "s3://nobody")
    refused = run_tracker(book.folder, "lake", "sync", nowhere, TRACKER_DATABASE_URL=book.url, **CREDENTIALS)
    assert refused.returncode == 1
    assert refused.stderr.startswith("tracker:")
    assert "Traceback" not in refused.stderr
    with pytest.raises(RecordsUnavailable, match=r"there is no lake at nobody-\d+/dora/lake"):
        metrics.open(nowhere, organization="acme")
