"""Between two tasks a Spark worker reads no unchanged path, and searches no module for garbage."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.running import workers


def in_worker(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import ptofa_spark

    rows = sum(batch.num_rows for batch in batches)
    seen = {
        "rows": rows,
        "version": ptofa_spark.__version__,
        "hooks": [gc.collect.__module__, importlib.invalidate_caches.__module__],
        "frozen": gc.get_freeze_count(),
    }
    yield pa.RecordBatch.from_pylist([seen])


def test_workers_alone_are_spared_from_their_second_task_on(spark: SparkSession) -> None:
    schema = "rows long, version string, hooks array<string>, frozen long"
    for _ in range(3):
        found = spark.range(10).repartition(4).mapInArrow(in_worker, schema).collect()
    assert sum(row["rows"] for row in found) == 10
    assert {hook for row in found for hook in row["hooks"]} == {"ptofa_spark.running.workers"}
    assert min(row["frozen"] for row in found) > 1_000
    assert gc.collect.__module__ == "gc"
    assert importlib.invalidate_caches.__module__ == "importlib"


def test_a_path_is_read_again_only_if_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(gc, "collect", gc.collect)
    monkeypatch.setattr(importlib, "invalidate_caches", importlib.invalidate_caches)
    monkeypatch.setattr(workers, "_invalidate_caches", lambda: read.append(sys.path[-1]))
    monkeypatch.setattr(workers, "_read_path", [])
    monkeypatch.setattr(sys, "path", [*sys.path])
    workers.skip_work_around_tasks()
    for added in ([], [], ["an.egg"], [], ["a.zip"]):
        sys.path.extend(added)
        importlib.invalidate_caches()
    assert read[1:] == ["an.egg", "a.zip"]
    assert len(read) == 3
