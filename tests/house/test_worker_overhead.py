"""Between two tasks a Spark worker reads no unchanged archive, and searches no module for garbage."""

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
overhead.skip_work_around_tasks()
importlib.invalidate_caches()
# Another content that looks unchanged: only one who reads the archive again finds the other module.
stamp, content = os.stat(archive), open(archive, "rb").read()
with open(archive, "r+b") as kept:
    kept.write(content.replace(b"first_module", b"other_module"))
os.utime(archive, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
importlib.invalidate_caches()
print("read again:", importer.find_spec("other_module") is not None)
with zipfile.ZipFile(archive, "a") as made:
    made.writestr("second_module.py", "value = 2")
importlib.invalidate_caches()
import second_module
print("changed:", second_module.value)
os.remove(archive)
importlib.invalidate_caches()
print("removed:", importer.find_spec("second_module") is None)
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


def test_an_archive_is_read_again_only_if_it_changed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ARCHIVES, str(tmp_path / "a.zip")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:3] == ["read again: False", "changed: 2", "removed: True"]


def test_workers_alone_are_spared_from_their_second_task_on(spark: SparkSession) -> None:
    import importlib

    schema = "rows long, version string, hook string, frozen long"
    for _ in range(3):
        found = spark.range(10).repartition(4).mapInArrow(in_worker, schema).collect()
    assert sum(row["rows"] for row in found) == 10
    assert {row["hook"] for row in found} == {"ptofa_spark.running.workers"}
    assert min(row["frozen"] for row in found) > 1_000
    assert importlib.invalidate_caches.__module__ == "importlib"
