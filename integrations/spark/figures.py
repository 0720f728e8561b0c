"""A metric of every organization of a lake, as Parquet: a job for `spark-submit`.

    spark-submit figures.py s3a://acme/lake change_failure_rate s3a://acme/figures \
      from_=2026-01-01 to=2026-07-01 interval=month group_by=repository

Each executor needs `pip install 'shiptally[spark]'`. docs/scale.md
"""

import sys
from typing import Any

from pyspark.sql import SparkSession

from metrics import spark


def main(lake: str, metric: str, output: str, *parameters: str) -> None:
    session = SparkSession.builder.appName(f"shiptally {metric}").getOrCreate()
    given: dict[str, Any] = dict(parameter.split("=", 1) for parameter in parameters)
    most = str(given.get("most_deployments"))
    if most.isdecimal():
        given["most_deployments"] = int(most)
    frame = spark.figures(session, lake, metric, **given)
    frame.write.mode("overwrite").parquet(output)
    session.stop()


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: figures.py LAKE METRIC OUTPUT [PARAMETER=VALUE]...")
    main(*sys.argv[1:])
