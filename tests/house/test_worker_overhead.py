"""After a task a Spark worker searches no module for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession


def in_worker(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import ptofa_spark

    rows = sum(batch.num_rows for batch in batches)
    seen = {
        "rows": rows,
        "version": ptofa_spark.__version__,
        "hook": gc.collect.__module__,
        "frozen": gc.get_freeze_count(),
    }
    yield pa.RecordBatch.from_pylist([seen])


def test_workers_alone_are_spared_from_their_second_task_on(spark: SparkSession) -> None:
    schema = "rows long, version string, hook string, frozen long"
    for _ in range(3):
        found = spark.range(10).repartition(4).mapInArrow(in_worker, schema).collect()
    assert sum(row["rows"] for row in found) == 10
    assert {row["hook"] for row in found} == {"ptofa_spark.running.workers"}
    assert min(row["frozen"] for row in found) > 1_000
    assert gc.collect.__module__ == "gc"
