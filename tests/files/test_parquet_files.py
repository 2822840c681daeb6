"""The schema of Parquet files: as Spark would infer it, from the footer that is read anyway where Spark wrote it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.files.parquet_files import read_parquet
from ptofa_spark.files.places import find_files

SELECTED = (
    "id", "CAST(id AS INT) few", "CAST(id AS DECIMAL(9,2)) amount", "CAST('x' AS CHAR(3)) code", "'ünï' name",
    "DATE'2025-01-06' day", "TIMESTAMP'2025-01-06 10:00:00' at", "TIMESTAMP_NTZ'2025-01-06 10:00:00' local",
    "ARRAY(STRUCT(id AS fund, 1.5D AS revenue)) pairs", "MAP('a', id) by_name",
)  # fmt: skip


def opened(spark: SparkSession, place: Path, group: str) -> tuple[DataFrame, int]:
    """The table at the place, and the number of Spark jobs that opening it took."""
    files = find_files(spark, str(place))
    spark.sparkContext.setJobGroup(group, group)
    try:
        frame = read_parquet(spark, files)
        return frame, len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)


@pytest.mark.parametrize("partitions", [(), ("few",)])
def test_a_table_that_spark_wrote_is_opened_without_a_job(
    spark: SparkSession, tmp_path: Path, partitions: tuple[str, ...]
) -> None:
    place = tmp_path / "table"
    spark.range(6).selectExpr(*SELECTED).repartition(3).write.partitionBy(*partitions).parquet(str(place))
    frame, jobs = opened(spark, place, f"of spark {len(partitions)}")
    assert jobs == 0
    wanted = spark.read.option("recursiveFileLookup", bool(partitions)).parquet(str(place)).schema
    assert [field for field in frame.schema if field.name not in partitions] == list(wanted)
    assert sorted(row["id"] for row in frame.collect()) == list(range(6))
    assert {row["pairs"][0]["revenue"] for row in frame.collect()} == {1.5}


@pytest.mark.parametrize("written", [None, b'{"type":"struct","fields":[{"name":"id","type":"galaxy"}]}', b"cut o"])
def test_a_schema_that_is_absent_or_unknown_is_inferred(
    spark: SparkSession, tmp_path: Path, written: bytes | None
) -> None:
    metadata = None if written is None else {"org.apache.spark.sql.parquet.row.metadata": written}
    rows = pa.table({"id": pa.array([3, 4]), "name": ["a", "b"]}).replace_schema_metadata(metadata)
    pq.write_table(rows, tmp_path / "rows.parquet")
    frame, jobs = opened(spark, tmp_path / "rows.parquet", f"inferred {written!r}")
    assert jobs == 1
    assert frame.dtypes == [("id", "bigint"), ("name", "string")]
    assert [tuple(row) for row in frame.collect()] == [(3, "a"), (4, "b")]
