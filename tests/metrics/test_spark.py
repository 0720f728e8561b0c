"""What Spark's executors answer for all organizations of a lake is what the library answers for each."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import metrics
from metrics.definitions.base import MetricName
from metrics.domain.errors import ParameterError
from metrics.engine.following import follow
from metrics.lake.layout import Lake
from metrics.lake.writing import sync
from tests.conftest import Book, sqlite_url
from tests.metrics.changes import WINDOW, Changes, changes
from tests.plugins import install_metrics

pytest.importorskip("pyspark", reason="without the extra `spark` nothing is asked of Spark")
if shutil.which("java") is None:
    pytest.skip("without Java nothing is asked of Spark", allow_module_level=True)

from pyspark.sql import SparkSession

from metrics import spark

# The bridge to Java leaves sockets to the garbage collector.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
MONTHS = {"interval": "month", "tz": "Asia/Kathmandu"}
GROUPS = {"group_by": "repository", "compare": True}
NONE_IS_LARGE = spark.MOST_DEPLOYMENTS
# A job takes ten seconds to start, so they are few, and of each kind one.
ASKED: list[tuple[MetricName, dict[str, Any], int]] = [
    (MetricName.DEPLOYMENT_REWORK_RATE, {**MONTHS, **GROUPS}, NONE_IS_LARGE),
    (MetricName.LEAD_TIME_FOR_CHANGES, MONTHS, 1),
    (MetricName.CHANGE_FAILURE_RATE, {"profile": "devlake", **GROUPS}, 5),
]
ORGANIZATIONS = 4


# A metric that needs what no figure of the five does, as a package registers it on the executors.
_OWN = """
import metrics

metrics.register(
    "corrected", "select id, recorded_at > created_at as in_numerator from deployments", "share", title="Said anew"
)
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A cluster of two workers on the loopback device."""
    own = {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "PYSPARK_PYTHON": sys.executable,
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    folder = tmp_path_factory.mktemp("spark")
    made = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "America/New_York")
        .config("spark.local.dir", str(folder))
        .config(
            "spark.executorEnv.PYTHONPATH", f"{Path(__file__).parents[2]}:{install_metrics(folder, _OWN)}"
        )
        .getOrCreate()
    )
    made.sparkContext.setLogLevel("OFF")
    yield made
    made.stop()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """Organizations with changes of every kind, drawn at random but the same each time, synced now and then."""
    folder = tmp_path_factory.mktemp("lake")
    book = Book(sqlite_url(folder), folder)
    target = folder / "lake"
    for number in range(ORGANIZATIONS):
        organization = Changes(book)
        for kind, what in _drawn(number):
            organization.make(kind, what)
        if number % 2:
            sync(follow(book.url), Lake.at(str(target)))
    sync(follow(book.url), Lake.at(str(target)))
    # What was drawn for one may come to nothing.
    with follow(book.url).snapshot() as snapshot:
        yield target, list(snapshot.organizations())
    book.close()


def _drawn(seed: int) -> list[tuple[str, Any]]:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    found: list[list[tuple[str, Any]]] = []

    @seeded(seed)
    @settings(max_examples=8, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.lists(changes, min_size=15, max_size=40))
    def draw(made: list[tuple[str, Any]]) -> None:
        found.append(made)

    draw()
    return max(found, key=len)


@pytest.mark.parametrize(("name", "asked", "most"), ASKED)
def test_it_answers_for_each_organization_what_the_library_does(
    session: SparkSession, lake: tuple[Path, list[str]], name: MetricName, asked: dict[str, Any], most: int
) -> None:
    """Where an organization has more than so many deployments, in parts."""
    target, names = lake
    window = {"from_": WINDOW["from_"], "to": WINDOW["to"]}
    figures = spark.figures(session, str(target), name, most_deployments=most, **window, **asked)
    found = _in_utc(pl.DataFrame(figures.toArrow()))
    assert set(found["organization"]) <= set(names)
    for organization in names:
        with metrics.open(str(target), organization=organization) as library:
            expected = _in_utc(library.metric(name, **window, **asked))
        mine = found.filter(organization=organization).drop("organization")
        order = mine.columns[:2]
        assert mine.sort(order).equals(expected.sort(order), null_equal=True), organization


@pytest.mark.usefixtures("forgetting")
def test_a_metric_of_ones_own_sees_on_the_executors_all_that_a_record_says(
    session: SparkSession, lake: tuple[Path, list[str]]
) -> None:
    target, names = lake
    exec(_OWN, {})
    found = pl.DataFrame(
        spark.figures(session, str(target), "corrected", most_deployments=2, **WINDOW).toArrow()
    )
    assert found["numerator"].sum() > 0
    for organization in names:
        with metrics.open(str(target), organization=organization) as library:
            expected = library.metric("corrected", **WINDOW)["numerator", "denominator"]
        assert found.filter(organization=organization)["numerator", "denominator"].equals(expected)


def _in_utc(frame: pl.DataFrame) -> pl.DataFrame:
    instants = [column for column, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    return frame.with_columns(pl.col(instants).dt.convert_time_zone("UTC"))


def test_what_is_wrong_is_said_before_anything_runs(
    session: SparkSession, lake: tuple[Path, list[str]]
) -> None:
    with pytest.raises(ParameterError, match="interval"):
        spark.figures(session, str(lake[0]), "deployment_frequency", interval="year")
    with pytest.raises(ParameterError, match="most_deployments"):
        spark.figures(session, str(lake[0]), "deployment_frequency", most_deployments=0)
    with pytest.raises(ParameterError, match="'velocity' is not registered"):
        spark.figures(session, str(lake[0]), "velocity")
