"""Says in one line why a run failed that no `UserError` stopped: the disk, the cluster, a file that is gone."""

from __future__ import annotations

import re

from py4j.protocol import Py4JError, Py4JJavaError  # type: ignore[import-untyped]  # has no stubs
from pyspark.errors import PySparkException

_AGAIN = "run the same command again: no table is half-written"
# What Spark, Hadoop or the system says, and what it means. Looked for in this order: the cause before its consequences.
_CAUSES = (
    (
        r"No space left on device|Disk quota exceeded|File too large",
        f"the disk is full: free some space, then {_AGAIN}",
    ),
    (
        r"CUDA out of memory|CUDA error: out of memory",
        "the GPU ran out of memory: lower batch_size, or train with --device cpu",
    ),
    (
        r"(?m)^[\w.]*(?<!OutOf)MemoryError(: |$)",
        "a Python worker ran out of memory: give the executors more (spark.executor.memoryOverhead; in local mode a "
        "larger machine), or read smaller batches (spark.sql.execution.arrow.maxRecordsPerBatch)",
    ),
    (
        r"OutOfMemoryError|GC overhead limit",
        "Spark's JVM ran out of memory: give it more (--spark.driver-memory, or spark-submit's options)",
    ),
    (
        r"No FileSystem for scheme|UnsupportedFileSystemException|FileSystem[\w.$]*\.listStatus\(",
        "a table's place cannot be used: Spark has no file system for its scheme, or none that lists folders: name a "
        "path, another URI, or a table of the catalog",
    ),
    (
        r"FAILED_READ_FILE\.FILE_NOT_EXIST|FileNotFoundException|DELTA_FILE_NOT_FOUND|DELTA_LOG_FILE_NOT_FOUND",
        "a file of a table is gone{file}: restore it, or build that table again",
    ),
    (
        r"FAILED_READ_FILE|CANNOT_READ_FILE_FOOTER|is not a Parquet file|ParquetDecodingException",
        "a file of a table is damaged{file}: restore it, or build that table again",
    ),
    (
        r"Python worker (exited|failed)|PYTHON_WORKER",
        f"a Python worker was ended from outside, or by lack of memory: {_AGAIN}",
    ),
    (
        r"ExecutorLostFailure|Master removed our application|All masters are unresponsive|SparkContext was shut down",
        f"the cluster lost an executor or ended the application: {_AGAIN}",
    ),
)
_DRIVER_MEMORY = (
    "the driver's Python ran out of memory: use a machine with more, or lower what the driver holds at once "
    "(driver_users and max_core_pairs of allocate, max_rows of evaluate, shuffle_rows of train)"
)
_FILE = re.compile(r"(?:file|hdfs|s3a?|abfss?|gs|dbfs):/[^\s,'\"()]+\.(?:parquet|json|csv)")


def why_it_failed(error: Exception) -> str | None:
    """The cause of a failure of the machine, the cluster or a table's files, and the way out; None for our bug."""
    chain = _chain(error)
    if any(isinstance(each, MemoryError) for each in chain):
        return _DRIVER_MEMORY
    text = "\n".join(f"{type(each).__name__}: {each}" for each in chain)
    for signs, cause in _CAUSES:
        if re.search(signs, text):
            named = _FILE.search(text)
            return cause.replace("{file}", f" ({named[0]})" if named else "")
    if isinstance(error, Py4JError | ConnectionError) and not isinstance(error, Py4JJavaError):
        return f"Spark's JVM ended before the job did: {_AGAIN}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}: mend that, then {_AGAIN}"
    if isinstance(error, PySparkException | Py4JJavaError):
        return f"Spark failed: {_first_words(text)}; --debug shows its trace"
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """The error and its causes; a JVM's trace is in the text of one, for the signs to be found."""
    found: list[BaseException] = []
    seen: BaseException | None = error
    while seen is not None:
        found.append(seen)
        seen = seen.__cause__ or seen.__context__
    return found


def _first_words(text: str) -> str:
    """The line that says something, without the frames of a trace: the last cause, or the JVM's own first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    of_jvm = [line.removeprefix(": ") for line in lines if line.startswith(": ")]
    return (causes[-1:] or of_jvm[:1] or lines[:1])[0][:300]
