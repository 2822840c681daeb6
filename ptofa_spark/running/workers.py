"""Takes from PySpark's Python workers what they do around each task in vain: half a second of CPU, without these lines.

- Before a task a worker calls `importlib.invalidate_caches()` (always, until SPARK-54744), and Python 3.11 then reads
  the directory of every zip on its path anew, once for each package in it (python/cpython#103200, mended in 3.12):
  pyspark.zip, spark-core's JAR and Delta's hold tens of thousands of entries.
- After a task it calls `gc.collect()`, which walks over every object of every imported module.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from zipimport import zipimporter

_invalidate_caches = importlib.invalidate_caches
_read_again = zipimporter.invalidate_caches


def in_spark_worker() -> bool:
    """Whether this process is one of PySpark's Python workers."""
    return "pyspark.worker" in sys.modules


def spare_the_next_tasks() -> None:
    """From this worker's next task on, archives that did not change are not read, modules not searched for garbage."""
    importlib.invalidate_caches = _before_a_task
    zipimporter.invalidate_caches = _read_if_changed  # type: ignore[assignment, method-assign]


def _before_a_task() -> None:
    # What is alive between two tasks, just after a collection, is modules: they live as long as the worker.
    gc.freeze()
    _invalidate_caches()


def _read_if_changed(importer: zipimporter) -> None:
    try:
        found = os.stat(importer.archive)
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
    except OSError:
        stamp = None
    if stamp is None or getattr(importer, "_stamp", None) != stamp:
        _read_again(importer)
        importer._stamp = stamp  # type: ignore[attr-defined]
