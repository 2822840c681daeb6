"""The Spark session of a job: Delta Lake, UTC, and workers that run the driver's interpreter."""

from __future__ import annotations

import codecs
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
from ptofa_spark.running.delta_jars import DELTA_PACKAGE, has_delta, keep_jars, require_delta
from ptofa_spark.running.environment import (
    added_jvm_variables,
    hiding_modules,
    require_local_dirs,
    require_startable,
    require_worker_python,
    values_of,
)
from ptofa_spark.running.failures import why_it_failed
from ptofa_spark.running.java.jvm import no_jvm_left_behind, quiet_start, variables_of_the_jvm, why_it_did_not_start
from ptofa_spark.running.java.options import java_variables
from ptofa_spark.running.job import EXIT_OK, run_as_job


class SparkSettings(Settings):
    """The session's settings. On a cluster leave `master` empty: spark-submit or the platform sets it."""

    app_name: str = Field("ptofa", description="application name in the cluster's list")
    master: str | None = Field(None, description="Spark master, such as local[2]; empty on a cluster")
    driver_memory: str | None = Field(None, pattern=r"^\d+[kmgt]$", description="driver heap in local mode, such as 4g")
    shuffle_partitions: int | None = Field(
        None, ge=1, description="partitions of a shuffle; if empty, four per core on one machine, else Spark's default"
    )
    ui: bool = Field(False, description="serve Spark's web UI")


@contextmanager
def spark_session(settings: SparkSettings, *, small: bool = False) -> Iterator[SparkSession]:
    """Starts the session, or uses the active one (a notebook's), and stops it only if it was started here.

    Args:
        settings: the session's.
        small: whether the inputs are small, so that a JVM started here need not optimise its code.

    Raises:
        MachineError: Java is missing, Delta's JARs could not be fetched, the machine lacks memory, or an environment
            variable stops Spark.
    """
    running = SparkSession.getActiveSession()
    spark = start_session(settings, small=small)
    jvm_encoding = None if _on_databricks() else _encoding_of_names(spark)
    try:
        if jvm_encoding is not None:
            _require_intact_arguments(jvm_encoding)
        yield spark
    except Exception as error:
        if jvm_encoding is not None and not isinstance(error, MachineError):
            _blame_the_locale(error, jvm_encoding)
        raise
    finally:
        if running is None and not _on_databricks():
            spark.stop()


def start_session(settings: SparkSettings, *, small: bool = False) -> SparkSession:
    """Starts the session, or returns the active one. Jobs use `spark_session`, which also stops it.

    Args:
        settings: the session's.
        small: as in `spark_session`.

    Raises:
        MachineError: see `spark_session`.
    """
    if _on_databricks():
        return _platform_session(settings)
    # By default Spark starts its Python workers as the `python3` of PATH, which is wrong in a virtual environment.
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
        # One BLAS and OpenMP thread per worker: several on a busy core are a hundred times slower.
        .config("spark.executorEnv.OMP_NUM_THREADS", "1")
    )
    local = settings.master is not None and settings.master.startswith("local")
    if local or not _jvm_runs():
        # A JVM that PySpark starts would write its progress bar into pipes and files too, before the job's own lines.
        builder = builder.config("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
    if settings.master is not None:
        builder = builder.master(settings.master)
        if local:
            require_worker_python(os.environ)
            builder = (
                builder.config("spark.pyspark.python", interpreter)
                .config("spark.pyspark.driver.python", interpreter)
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
            )
            # The workers' daemon prefers the driver's PYSPARK_PYTHON to the setting.
            os.environ["PYSPARK_PYTHON"] = interpreter
            os.environ.setdefault("PYSPARK_DRIVER_PYTHON", interpreter)
            if hiding_modules([os.getcwd()]):
                # Workers start with the working directory first on their path, so a calendar.py there would replace
                # Python's own. Without such a file it stays on the path: a console's modules may be there.
                builder = builder.config("spark.executorEnv.PYTHONSAFEPATH", "1")
    if settings.driver_memory is not None:
        builder = builder.config("spark.driver.memory", settings.driver_memory)
    if settings.shuffle_partitions is not None:
        builder = builder.config("spark.sql.shuffle.partitions", settings.shuffle_partitions)
    if "PYSPARK_GATEWAY_PORT" not in os.environ and not (local and has_delta(Path(_find_spark_home()))):
        # Under spark-submit the JVM already runs, with the JARs of --packages. Here Spark fetches them itself, and
        # sends them to a cluster's executors.
        builder = builder.config("spark.jars.packages", DELTA_PACKAGE)
    # Py4J logs the trace of a call that a signal interrupts, partly through the root logger.
    logging.getLogger("py4j").setLevel(logging.NOTSET if os.environ.get(DEBUG) else logging.CRITICAL)
    logging.getLogger().addFilter(_not_of_py4j)
    interrupt_handler = signal.getsignal(signal.SIGINT)
    joins = SparkContext._active_spark_context is not None
    spark = _started(builder, settings, small)
    if not joins:
        _replace_defaults(spark)
    if threading.current_thread() is threading.main_thread() and interrupt_handler is not None:
        # PySpark's handler of Ctrl-C calls the JVM on a busy connection. If that call fails, its error hides the
        # interrupt. `spark_session` stops the session and its Spark jobs anyway. Restoring the earlier handler also
        # keeps Ctrl-C ignored where a shell runs the job in the background.
        signal.signal(signal.SIGINT, interrupt_handler)
    # Spark and PySpark log the whole Java trace of an error that the job reports in one line.
    spark.sparkContext.setLogLevel("ERROR" if os.environ.get(DEBUG) else "OFF")
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
    require_delta(SparkContext._jvm)
    return spark


def _replace_defaults(spark: SparkSession) -> None:
    """Replaces defaults of Spark and Delta that cost much here. What the user set stays."""
    context = spark.sparkContext
    # By default Spark adds up the size of an Arrow batch before every row that it sends to Python, to compare it with a
    # limit: a quarter of the time of a build. A batch has 10,000 rows at most all the same.
    better = {"spark.sql.execution.arrow.maxBytesPerBatch": 2**31 - 1}
    if str(context.master).startswith("local"):
        better |= {
            # By default a shuffle has 200 partitions: on two cores a small campaign then took three times as long.
            "spark.sql.shuffle.partitions": 4 * context.defaultParallelism,
            # By default Delta replays a table's log in 50 tasks: a second of two cores for a few log lines.
            "spark.databricks.delta.snapshotPartitions": 2,
        }
    given = context.getConf()
    for key, value in better.items():
        if not given.contains(key):
            spark.conf.set(key, value)


def _not_of_py4j(record: logging.LogRecord) -> bool:
    return bool(os.environ.get(DEBUG)) or "py4j" not in Path(record.pathname).parts


def _on_databricks() -> bool:
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def _platform_session(settings: SparkSettings) -> SparkSession:
    """Databricks' own session. It includes Delta and outlives the job, so only the job's SQL settings are set."""
    spark = SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", "true")
    if settings.shuffle_partitions is not None:
        spark.conf.set("spark.sql.shuffle.partitions", settings.shuffle_partitions)
    return spark


def _jvm_runs() -> bool:
    return SparkContext._gateway is not None or "PYSPARK_GATEWAY_PORT" in os.environ


def _started(builder: SparkSession.Builder, settings: SparkSettings, small: bool) -> SparkSession:
    if SparkContext._gateway is not None:
        return builder.getOrCreate()
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return _joined(builder, settings)
    try:
        with (
            variables_of_the_jvm(
                added_jvm_variables(os.environ, _find_spark_home()) | java_variables(os.environ, small=small)
            ),
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
        SparkContext._ensure_initialized()
        # Without Delta's classes, Spark would first log a trace of its own for the missing extension.
        require_delta(SparkContext._jvm)
        return builder.getOrCreate()
    except Py4JJavaError as error:
        raise _did_not_start(str(error), settings) from error
    except (Py4JNetworkError, OSError, KeyError, ValueError) as error:
        raise MachineError(
            f"{values_of(os.environ, 'PYSPARK_GATEWAY_PORT')}, and no Spark answers there: run the job by "
            "spark-submit, or unset PYSPARK_GATEWAY_PORT"
        ) from error


def _did_not_start(printed: str, settings: SparkSettings) -> MachineError:
    return why_it_did_not_start(printed, settings.master, settings.driver_memory)


def _encoding_of_names(spark: SparkSession) -> str | None:
    """The JVM's encoding of file names (from the locale) if it differs from this process's, else None."""
    if spark._jvm is None:
        return None
    of_jvm = str(spark._jvm.java.lang.System.getProperty("sun.jnu.encoding"))
    try:
        same = codecs.lookup(of_jvm).name == codecs.lookup(sys.getfilesystemencoding()).name
    except LookupError:
        same = False
    return None if same else of_jvm


def _require_intact_arguments(encoding: str) -> None:
    """Rejects arguments in which spark-submit's JVM replaced each byte of a non-ASCII letter by a question mark.

    Raises:
        MachineError: a table would be read or written under another name than the given one.
    """
    broken = [word for word in sys.argv[1:] if "??" in word] if "PYSPARK_GATEWAY_PORT" in os.environ else []
    if broken:
        raise MachineError(f"the argument {broken[0]} has lost its letters beyond ASCII{_locale_remedy(encoding)}")


def _locale_remedy(encoding: str) -> str:
    return (
        f" (Spark's JVM reads and writes names of files as {encoding}: set LC_ALL=C.UTF-8 where it is started; "
        f"{values_of(os.environ, 'LC_ALL')})"
    )


def _blame_the_locale(error: Exception, encoding: str) -> None:
    """Adds the remedy to an error that a non-ASCII name and the JVM's locale may have caused.

    Raises:
        MachineError: the error's own line, and the remedy.
    """
    words = str(error) if isinstance(error, UserError) else why_it_failed(error) or ""
    if not words.isascii():
        raise MachineError(f"{words}{_locale_remedy(encoding)}") from error


def _install_jars(_: object) -> int:
    """Starts a session, so that Spark fetches Delta's JARs, and keeps them with Spark's. `make install` runs it."""
    with spark_session(SparkSettings(master="local[1]", driver_memory="1g")) as spark:
        jars = spark.sparkContext.getConf().get("spark.jars")
    if jars:
        keep_jars(jars.split(","), Path(pyspark.__file__).parent)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(_install_jars))
