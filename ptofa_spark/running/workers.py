"""Saves PySpark's Python workers useless work around each task, about half a second of CPU time per task.

- Before each task a worker calls `importlib.invalidate_caches()` (until SPARK-54744). Python 3.11 then rereads the
  directory of every zip on its path, once per package in it (python/cpython#103200, fixed in 3.12). The archives
  pyspark.zip, spark-core's JAR and Delta's have tens of thousands of entries.
- After each task it calls `gc.collect()`, which visits every object of every imported module.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from zipimport import zipimporter

_invalidate_caches = importlib.invalidate_caches
_reread_zip = zipimporter.invalidate_caches


def in_spark_worker() -> bool:
    """Whether this process is one of PySpark's Python workers."""
    return "pyspark.worker" in sys.modules


def skip_work_around_tasks() -> None:
    """From this worker's next task on, skips rereading unchanged archives and searching modules for garbage."""
    importlib.invalidate_caches = _before_a_task
    zipimporter.invalidate_caches = _read_if_changed  # type: ignore[assignment, method-assign]


def _before_a_task() -> None:
    # Just after a collection, the objects alive between two tasks are modules, which live as long as the worker.
    gc.freeze()
    _invalidate_caches()


def _read_if_changed(importer: zipimporter) -> None:
    try:
        status = os.stat(importer.archive)
        stamp = status.st_mtime_ns, status.st_size, status.st_ino
    except OSError:
        stamp = None
    if stamp is None or getattr(importer, "_stamp", None) != stamp:
        _reread_zip(importer)
        importer._stamp = stamp  # type: ignore[attr-defined]
