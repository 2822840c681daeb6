"""The session: UTC, and workers that run the driver's own interpreter without any variable set by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.running.session import SparkSettings, spark_session


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


def test_databricks_own_session_is_used(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps its settings, but for those that the jobs need, and does not end with the job."""
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    monkeypatch.setattr(SparkSession, "getActiveSession", classmethod(lambda _: None))
    before = {name: spark.conf.get(name) for name in ("spark.app.name", "spark.sql.shuffle.partitions")}
    assert before["spark.sql.shuffle.partitions"] == "4"  # as conftest.py asks, not four per core
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        with spark_session(SparkSettings(app_name="another", driver_memory="9g", shuffle_partitions=3)) as joined:
            assert joined.sparkContext is spark.sparkContext
            assert joined.conf.get("spark.app.name") == before["spark.app.name"]
            assert joined.conf.get("spark.sql.shuffle.partitions") == "3"
            assert joined.conf.get("spark.sql.session.timeZone") == "UTC"
        assert spark.range(3).count() == 3
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)
        spark.conf.set("spark.sql.session.timeZone", "UTC")
