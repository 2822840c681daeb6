"""Explains in one line a failure that is not a `UserError`: a full disk, a lost executor, a missing file."""

from __future__ import annotations

import os
import re
import sys

from py4j.protocol import Py4JError, Py4JJavaError  # type: ignore[import-untyped]  # has no stubs
from pyspark.errors import PySparkException

from ptofa_spark.running.environment import hiding_modules, values_of

_AGAIN = "run the same command again: no table is half-written"
# (pattern in the text of Spark, Hadoop or the system; explanation). The order matters: causes before consequences.
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
        r"Malformed input or input contains unmappable characters: ",
        "Spark's JVM cannot write a name with letters beyond ASCII: set LC_ALL=C.UTF-8 before it starts ({locale})",
    ),
    (
        r"Cannot run program \"(?P<named>[^\"]+)\"",
        "a Python worker cannot be started: there is no {named} on its machine: set PYSPARK_PYTHON (or "
        "spark.pyspark.python) to a Python with the job's packages, at the same path everywhere ({python})",
    ),
    (
        r"Python in worker has different version[^\d]*(?P<named>[\d.]+\w*)",
        "the Python workers run Python {named}, the job runs {own}: set PYSPARK_PYTHON (or spark.pyspark.python) to "
        "the same Python everywhere ({python})",
    ),
    (
        r"PythonException[\s\S]*?\nModuleNotFoundError: No module named '(?P<named>[^']+)'",
        "the Python of the workers lacks {named}: set PYSPARK_PYTHON (or spark.pyspark.python) to a Python with the "
        "job's packages ({python}); of the job's own package, name its zip by --py-files",
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

# In a Python trace, the first line after the indented ones names the exception.
_OF_PYTHON = re.compile(r"Traceback \(most recent call last\):.*\n(?:[ \t]+.*\n|\n)*(\S.*)")


def why_it_failed(error: Exception) -> str | None:
    """The cause of a failure of the machine, the cluster or a table's files, and the remedy; None for a bug."""
    chain = _chain(error)
    if any(isinstance(each, MemoryError) for each in chain):
        return _DRIVER_MEMORY
    text = "\n".join(f"{type(each).__name__}: {each}" for each in chain)
    if "PythonException" in text or any(isinstance(each, ImportError | AttributeError) for each in chain):
        hidden = _hidden_modules()
        if hidden is not None:
            return hidden
    for pattern, cause in _CAUSES:
        match = re.search(pattern, text)
        if match:
            return _filled(cause, match, text)
    if isinstance(error, Py4JError | ConnectionError) and not isinstance(error, Py4JJavaError):
        return f"Spark's JVM ended before the job did: {_AGAIN}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}: mend that, then {_AGAIN}"
    if isinstance(error, PySparkException | Py4JJavaError):
        return f"Spark failed: {first_words(text)}; --debug shows its trace"
    return None


def _filled(cause: str, match: re.Match[str], text: str) -> str:
    file = _FILE.search(text)
    for placeholder, value in {
        "{file}": f" ({file[0]})" if file else "",
        "{named}": match.groupdict().get("named") or "",
        "{own}": f"{sys.version_info.major}.{sys.version_info.minor}",
        "{python}": values_of(os.environ, "PYSPARK_PYTHON"),
        "{locale}": values_of(os.environ, "LC_ALL"),
    }.items():
        cause = cause.replace(placeholder, value)
    return cause


def _hidden_modules() -> str | None:
    """The line for a local file that shadows a module of Python or of the jobs. The exception does not name it."""
    paths = hiding_modules(path or "." for path in sys.path)
    if not paths:
        return None
    module = os.path.basename(paths[0].removesuffix("/__init__.py")).removesuffix(".py")
    return (
        f"{paths[0]} hides the module {module} that Python or this program needs: rename it, or take its folder off "
        f"PYTHONPATH ({values_of(os.environ, 'PYTHONPATH')})"
    )


def _chain(error: BaseException) -> list[BaseException]:
    """The error and its causes. A JVM's trace is part of the text of one of them."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None:
        chain.append(link)
        link = link.__cause__ or link.__context__
    return chain


def first_words(text: str) -> str:
    """The informative line of a trace: the Python exception, else the last Java cause, else the JVM's first line.

    At most 300 characters; empty if the text is.
    """
    of_python = _OF_PYTHON.findall(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    of_jvm = [line.removeprefix(": ") for line in lines if line.startswith(": ")]
    of_main = [line.split('" ', 1)[1] for line in lines if line.startswith('Exception in thread "')]
    jvm_lines = [
        line for line in (*causes[-1:], *of_jvm[:1], *of_main[:1], *lines[:1]) if "Traceback (most" not in line
    ]
    return (of_python[-1:] or jvm_lines[:1] or [""])[0].strip()[:300]
