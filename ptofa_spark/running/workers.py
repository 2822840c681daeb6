"""Saves PySpark's Python workers useless work after each task: .1 to .3 seconds of CPU time.

After each task a worker calls `gc.collect()`, which visits every object of every imported module.
"""

from __future__ import annotations

import gc
import sys

_collect = gc.collect


def in_spark_worker() -> bool:
    """Whether this process is one of PySpark's Python workers."""
    return "pyspark.worker" in sys.modules


def skip_work_after_tasks() -> None:
    """Keeps what survives a collection out of later ones, in this worker."""
    gc.collect = _collect_and_keep


def _collect_and_keep(generation: int = 2) -> int:
    # PySpark alone calls this here, between two tasks: the objects alive are modules, which live as long as the worker.
    found = _collect(generation)
    gc.freeze()
    return found
