"""The session: Delta, UTC, and workers that run the driver's own interpreter without any environment set by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import SparkSession


def test_workers_run_the_interpreter_of_the_driver(spark: SparkSession) -> None:
    def executable(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        import sys

        for _ in batches:
            yield pd.DataFrame({"executable": [sys.executable]})

    found = {row["executable"] for row in spark.range(4).mapInPandas(executable, "executable string").collect()}
    assert found == {sys.executable}


def test_times_are_utc(spark: SparkSession) -> None:
    row = spark.sql("SELECT CAST(TIMESTAMP '2025-03-03 00:00:00' AS BIGINT) AS seconds").collect()[0]
    assert row["seconds"] == int(pd.Timestamp("2025-03-03", tz="UTC").timestamp())
