"""The figures of all organizations of a lake at once, by Spark: each by the same library, on an executor.

No definition is written twice: an organization's records go to an executor as Arrow, where the metric is
answered as it is everywhere. Of a large one several executors work out the facts first. docs/scale.md
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from metrics.definitions.catalog import load_registered
from metrics.domain.errors import ParameterError, RecordsUnavailable
from metrics.lake.layout import Lake
from metrics.spark.asking import PIECES, REST, Asked
from metrics.spark.dividing import COUNTED, Division, divide
from metrics.spark.versions import Versions, together

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

MOST_DEPLOYMENTS = 500_000


def figures(
    session: "SparkSession",
    lake: str,
    metric: str,
    *,
    most_deployments: int = MOST_DEPLOYMENTS,
    **parameters: Any,
) -> "DataFrame":
    """A metric of every organization: the rows of `Library.metric`, after a column `organization`.

    The parameters are the metric's own. All is asked of the revision that the lake's manifest names, and at
    one moment. An organization with more than `most_deployments`, counted with all their versions, is worked
    out in parts of about so many. The executors need this package, with its extra `library`. Raises
    `ParameterError`, `RecordsUnavailable`. How many each organization has is counted before it returns.
    """
    from pyspark.sql import functions as F  # noqa: N812 - everybody calls it so
    from pyspark.sql.pandas.types import from_arrow_schema

    if not isinstance(most_deployments, int) or most_deployments < 1:
        raise ParameterError([("most_deployments", "must be a whole number from 1 on")])
    load_registered()
    manifest = Lake.at(lake).manifest()
    if manifest is None or not manifest.revision:
        raise RecordsUnavailable(f"there is no lake at {lake}, or nothing in it")
    asked = Asked(metric, parameters, datetime.now(UTC))
    # What is wrong with the parameters is said here, and not by an executor.
    answers = from_arrow_schema(asked.schema())
    versions = Versions(session, lake, manifest, asked.needed)
    large = _larger_than(most_deployments, versions)
    is_large = F.col("organization").isin(large)
    whole = versions.of_all().where(~is_large).groupBy("organization")
    # Lambdas, as Spark takes a method's `self` for an argument of its own.
    answered = whole.applyInArrow(lambda versions: asked.of_the_whole(versions), answers)
    if not large:
        return answered
    division = _divided(versions, is_large, most_deployments)
    divided = division.divided
    parts = _parts(versions, division).groupBy("organization", "part")
    worked_out = parts.applyInArrow(lambda versions: asked.of_a_part(versions), from_arrow_schema(PIECES))
    put_together = worked_out.groupBy("organization").applyInArrow(
        lambda pieces: asked.of_all_parts(pieces, divided), answers
    )
    return answered.unionByName(put_together)


def _larger_than(most_deployments: int, versions: Versions) -> list[str]:
    """The organizations with more deployments, counted with all their versions."""
    from pyspark.sql import functions as F  # noqa: N812 - everybody calls it so

    counts = versions.of("deployments").groupBy("organization").count()
    return [row["organization"] for row in counts.where(F.col("count") > most_deployments).collect()]


def _divided(versions: Versions, is_large: "Column", most_deployments: int) -> Division:
    """How the large organizations are divided, by what their repositories and services have."""
    from pyspark.sql import functions as F  # noqa: N812 - everybody calls it so

    by_service = versions.of("deployments").where(is_large).groupBy(*COUNTED.names[:-1])
    counted = by_service.agg(F.count("*").alias(COUNTED.names[-1])).toArrow().cast(COUNTED)
    organizations = counted["organization"].unique().to_pylist()
    return divide(counted, versions.recorded("repositories", organizations), most_deployments)


def _parts(versions: Versions, division: Division) -> "DataFrame":
    """The versions of the large organizations by the part that needs them: several, for some, or `REST`."""
    from pyspark.sql import functions as F  # noqa: N812 - everybody calls it so

    def made(table: pa.Table) -> "DataFrame":
        return F.broadcast(versions.session.createDataFrame(table))

    by_repository = made(division.repositories)
    by_organization = by_repository.select("organization", "part").distinct()
    rest = by_organization.select("organization").distinct().withColumn("part", F.lit(REST))
    return together(
        [
            versions.of("deployments").join(
                made(division.deployments), ["organization", "repository_key", "service_key"]
            ),
            versions.of("pushes").join(by_repository, ["organization", "repository_key"]),
            versions.of_all(["repositories", "organization_settings"]).join(by_organization, "organization"),
            versions.of_all(["repositories", "organization_settings", "pushes", "incidents"]).join(
                rest, "organization"
            ),
        ]
    )
