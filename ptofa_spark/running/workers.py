"""Saves PySpark's Python workers useless work around each task: up to half a second of CPU time.

- Until Spark 4.2 (SPARK-54744) a worker calls `importlib.invalidate_caches()` before each task. Python then reads the
  directory of every archive on its path again. Those of Spark and Delta have tens of thousands of entries.
- After each task it calls `gc.collect()`, which visits every object of every imported module.
"""

from __future__ import annotations

import gc
import importlib
import sys

_collect = gc.collect
_invalidate_caches = importlib.invalidate_caches
_read_path: list[str] = []


def in_spark_worker() -> bool:
    """Whether this process is one of PySpark's Python workers."""
    return "pyspark.worker" in sys.modules


def skip_work_around_tasks() -> None:
    """From this worker's next task on, skips rereading an unchanged path, and searching modules for garbage."""
    gc.collect = _collect_and_keep
    importlib.invalidate_caches = _invalidate_if_path_changed


def _collect_and_keep(generation: int = 2) -> int:
    # PySpark alone calls this here, between two tasks: the objects alive are modules, which live as long as the worker.
    found = _collect(generation)
    gc.freeze()
    return found


def _invalidate_if_path_changed() -> None:
    if sys.path != _read_path:
        _read_path[:] = sys.path
        _invalidate_caches()
