"""Between two tasks a Spark worker reads no unchanged archive and searches no module for garbage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

ARCHIVES = """
import importlib, os, sys, zipfile, zipimport
import ptofa_spark.running.workers as overhead

archive = sys.argv[1]
with zipfile.ZipFile(archive, "w") as made:
    made.writestr("first_module.py", "value = 1")
sys.path.insert(0, archive)
import first_module
importer = sys.path_importer_cache[archive]
overhead.spare_the_next_tasks()
importlib.invalidate_caches()
known = importer._files
importlib.invalidate_caches()
print("unchanged:", importer._files is known)
with zipfile.ZipFile(archive, "a") as made:
    made.writestr("second_module.py", "value = 2")
importlib.invalidate_caches()
import second_module
print("changed:", second_module.value)
os.remove(archive)
importlib.invalidate_caches()
print("removed:", importer._files == {})
"""


def in_worker(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import gc
    import importlib

    import ptofa_spark

    rows = sum(batch.num_rows for batch in batches)
    yield pa.RecordBatch.from_pylist(
        [
            {
                "rows": rows,
                "version": ptofa_spark.__version__,
                "hook": importlib.invalidate_caches.__module__,
                "frozen": gc.get_freeze_count(),
            }
        ]
    )


def test_an_archive_is_read_again_when_it_changed_and_only_then(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ARCHIVES, str(tmp_path / "a.zip")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:3] == ["unchanged: True", "changed: 2", "removed: True"]


def test_workers_are_spared_from_their_second_task_on_and_the_driver_is_left_alone(spark: SparkSession) -> None:
    import importlib

    schema = "rows long, version string, hook string, frozen long"
    for _ in range(3):
        found = spark.range(10).repartition(4).mapInArrow(in_worker, schema).collect()
    assert sum(row["rows"] for row in found) == 10
    assert {row["hook"] for row in found} == {"ptofa_spark.running.workers"}
    assert min(row["frozen"] for row in found) > 1_000
    assert importlib.invalidate_caches.__module__ == "importlib"
