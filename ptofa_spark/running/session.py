"""The Spark session of a job: Delta Lake, UTC, and workers that run the driver's own interpreter."""

from __future__ import annotations

import codecs
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pyspark
from py4j.protocol import Py4JJavaError, Py4JNetworkError  # type: ignore[import-untyped]  # has no stubs
from pydantic import Field
from pyspark import SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.find_spark_home import _find_spark_home
from pyspark.sql import SparkSession

from ptofa_spark.config import Settings
from ptofa_spark.errors import DEBUG, MachineError, UserError
from ptofa_spark.running.environment import (
    hiding,
    of_the_jvm,
    require_local_dirs,
    require_startable,
    require_worker_python,
    said,
)
from ptofa_spark.running.failures import why_it_failed
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.jvm import no_jvm_left_behind, quiet_start, variables_of_the_jvm, why_it_did_not_start

DELTA_PACKAGE = f"io.delta:delta-spark_2.13:{version('delta-spark')}"


class SparkSettings(Settings):
    """The session's settings. On a cluster leave `master` empty: spark-submit or the platform decides it."""

    app_name: str = Field("ptofa", description="name that the cluster shows")
    master: str | None = Field(None, description="Spark master, such as local[2]; empty on a cluster")
    driver_memory: str | None = Field(None, pattern=r"^\d+[kmgt]$", description="driver heap in local mode, such as 4g")
    shuffle_partitions: int | None = Field(None, ge=1, description="partitions of a shuffle; Spark's own if empty")
    ui: bool = Field(False, description="serve Spark's web page")


@contextmanager
def spark_session(settings: SparkSettings) -> Iterator[SparkSession]:
    """Starts the session, or joins the one that runs (a notebook's), and stops it only if it was started here.

    Raises:
        MachineError: Java is missing, Delta's JARs could not be had, the machine lacks memory, or a variable of the
            environment stops Spark.
    """
    running = SparkSession.getActiveSession()
    spark = start_session(settings)
    names = None if _on_databricks() else _encoding_of_names(spark)
    try:
        if names is not None:
            _require_whole_words(names)
        yield spark
    except Exception as error:
        if names is not None and not isinstance(error, MachineError):
            _blame_the_locale(error, names)
        raise
    finally:
        if running is None and not _on_databricks():
            spark.stop()


def start_session(settings: SparkSettings) -> SparkSession:
    """The session itself; `spark_session` is what a job uses.

    Raises:
        MachineError: see `spark_session`.
    """
    if _on_databricks():
        return _platform_session(settings)
    # Spark starts its Python workers as the `python3` of PATH unless told otherwise: in a virtual environment the
    # wrong one.
    interpreter = os.environ.get("PYSPARK_PYTHON") or sys.executable
    require_local_dirs(os.environ)
    if not _jvm_runs():
        require_startable(os.environ, pyspark.__version__)
    builder = (
        SparkSession.builder.appName(settings.app_name)
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", str(settings.ui).lower())
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        # One thread of BLAS and OpenMP a worker: several on a busy core are a hundred times slower, not faster.
        .config("spark.executorEnv.OMP_NUM_THREADS", "1")
    )
    if settings.master is not None:
        builder = builder.master(settings.master)
        if settings.master.startswith("local"):
            require_worker_python(os.environ)
            builder = (
                builder.config("spark.pyspark.python", interpreter)
                .config("spark.pyspark.driver.python", interpreter)
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
                # Delta replays a table's log in 50 tasks by default: a second of two cores for a handful of log lines.
                .config("spark.databricks.delta.snapshotPartitions", "2")
            )
            # The workers fork from a daemon that reads PYSPARK_PYTHON of the driver's environment before the setting.
            os.environ["PYSPARK_PYTHON"] = interpreter
            os.environ.setdefault("PYSPARK_DRIVER_PYTHON", interpreter)
            if hiding([os.getcwd()]):
                # The workers are started with the working directory at the head of their path: a calendar.py there
                # would be taken for Python's own. Elsewhere it stays on their path, where a console's modules lie.
                builder = builder.config("spark.executorEnv.PYTHONSAFEPATH", "1")
    if settings.driver_memory is not None:
        builder = builder.config("spark.driver.memory", settings.driver_memory)
    if settings.shuffle_partitions is not None:
        builder = builder.config("spark.sql.shuffle.partitions", settings.shuffle_partitions)
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        # Under spark-submit the JVM already runs and --packages has named the JARs; here Spark's own resolution gets
        # them.
        builder = builder.config("spark.jars.packages", DELTA_PACKAGE)
    # Py4J logs the trace of a call that a signal has cut off, some of them by the root logger.
    logging.getLogger("py4j").setLevel(logging.NOTSET if os.environ.get(DEBUG) else logging.CRITICAL)
    logging.getLogger().addFilter(_not_of_py4j)
    of_ctrl_c = signal.getsignal(signal.SIGINT)
    spark = _started(builder, settings)
    if threading.current_thread() is threading.main_thread() and of_ctrl_c is not None:
        # PySpark's own handler of Ctrl-C calls the JVM, on a connection that waits for an answer: that may fail, and
        # the failure then hides the interrupt. Whoever started the session stops it, and its Spark jobs with it. And a
        # shell that runs us in the background, where Ctrl-C is not for us, has it ignored.
        signal.signal(signal.SIGINT, of_ctrl_c)
    # Spark and PySpark log the whole Java trace of an error that a caller is about to catch and say in one line.
    spark.sparkContext.setLogLevel("ERROR" if os.environ.get(DEBUG) else "OFF")
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
    _require_delta(spark)
    return spark


def _not_of_py4j(record: logging.LogRecord) -> bool:
    return bool(os.environ.get(DEBUG)) or "py4j" not in Path(record.pathname).parts


def _on_databricks() -> bool:
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def _platform_session(settings: SparkSettings) -> SparkSession:
    """Databricks' own session, which has Delta in it and outlives the job: only what is ours to set is set."""
    spark = SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", "true")
    if settings.shuffle_partitions is not None:
        spark.conf.set("spark.sql.shuffle.partitions", settings.shuffle_partitions)
    return spark


def _require_delta(spark: SparkSession) -> None:
    jvm = spark._jvm
    if jvm is not None:
        try:
            jvm.java.lang.Class.forName(
                "io.delta.sql.DeltaSparkSessionExtension",
                False,
                jvm.java.lang.Thread.currentThread().getContextClassLoader(),
            )
        except Exception as error:
            raise MachineError(
                f"Delta Lake's JARs are not on Spark's class path: add `--packages {DELTA_PACKAGE}` to spark-submit"
            ) from error


def _jvm_runs() -> bool:
    return SparkContext._gateway is not None or "PYSPARK_GATEWAY_PORT" in os.environ


def _started(builder: SparkSession.Builder, settings: SparkSettings) -> SparkSession:
    if SparkContext._gateway is not None:
        return builder.getOrCreate()
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return _joined(builder, settings)
    try:
        with (
            variables_of_the_jvm(of_the_jvm(os.environ, _find_spark_home())),  # type: ignore[no-untyped-call]
            quiet_start() as output,
            no_jvm_left_behind(),
        ):
            return builder.getOrCreate()
    except Py4JJavaError as error:
        raise _did_not_start(str(error), settings) from error
    except (PySparkRuntimeError, Py4JNetworkError, OSError) as error:
        raise _did_not_start(f"{output.text()}\n{error}", settings) from error


def _joined(builder: SparkSession.Builder, settings: SparkSettings) -> SparkSession:
    """The session of the JVM that spark-submit has started."""
    try:
        return builder.getOrCreate()
    except Py4JJavaError as error:
        raise _did_not_start(str(error), settings) from error
    except (Py4JNetworkError, OSError, KeyError, ValueError) as error:
        raise MachineError(
            f"{said(os.environ, 'PYSPARK_GATEWAY_PORT')}, and no Spark answers there: run the job by spark-submit, or "
            "unset PYSPARK_GATEWAY_PORT"
        ) from error


def _did_not_start(printed: str, settings: SparkSettings) -> MachineError:
    return why_it_did_not_start(printed, settings.master, settings.driver_memory)


def _encoding_of_names(spark: SparkSession) -> str | None:
    """How the JVM writes names of files, where that is not how this process does; it follows the locale's variables."""
    if spark._jvm is None:
        return None
    of_jvm = str(spark._jvm.java.lang.System.getProperty("sun.jnu.encoding"))
    try:
        same = codecs.lookup(of_jvm).name == codecs.lookup(sys.getfilesystemencoding()).name
    except LookupError:
        same = False
    return None if same else of_jvm


def _require_whole_words(encoding: str) -> None:
    """Refuses words that spark-submit's JVM has passed on with question marks for each byte of a letter beyond ASCII.

    Raises:
        MachineError: a table would be sought, or written, under another name than the one that was given.
    """
    broken = [word for word in sys.argv[1:] if "??" in word] if "PYSPARK_GATEWAY_PORT" in os.environ else []
    if broken:
        raise MachineError(f"the argument {broken[0]} has lost its letters beyond ASCII{_of_the_locale(encoding)}")


def _of_the_locale(encoding: str) -> str:
    return (
        f" (Spark's JVM reads and writes names of files as {encoding}: set LC_ALL=C.UTF-8 where it is started; "
        f"{said(os.environ, 'LC_ALL')})"
    )


def _blame_the_locale(error: Exception, encoding: str) -> None:
    """Says so where a name with letters that the JVM's locale does not know may be why the job failed.

    Raises:
        MachineError: the error's own line, and the way out.
    """
    words = str(error) if isinstance(error, UserError) else why_it_failed(error) or ""
    if not words.isascii():
        raise MachineError(f"{words}{_of_the_locale(encoding)}") from error


def _resolve_jars(_: object) -> int:
    """Starts a session once, so that Spark fetches Delta's JARs: `make install` calls this."""
    with spark_session(SparkSettings(master="local[1]", driver_memory="1g")) as spark:
        spark.range(1).count()
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(_resolve_jars))
