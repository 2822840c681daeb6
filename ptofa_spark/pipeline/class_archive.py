"""Writes Spark's classes, read and verified, to a file that later JVMs map into memory. `make install` runs it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence

from ptofa_spark.features.build import build_features
from ptofa_spark.features.settings import BuildFeaturesSettings
from ptofa_spark.running.java.options import write_archive
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.simulator.platform import generate_platform
from ptofa_spark.simulator.settings import GeneratePlatformSettings


def main(_: Sequence[str] | None = None) -> int:
    """Writes the file; the exit code is 0 only when it is written."""
    write_archive(_two_jobs)
    return EXIT_OK


def _two_jobs() -> None:
    """Runs two jobs that use most of what the project uses of Spark."""
    settings = SparkSettings(master="local[2]", driver_memory="1g", shuffle_partitions=2)
    with tempfile.TemporaryDirectory() as warehouse, spark_session(settings) as spark:
        generate_platform(spark, GeneratePlatformSettings(warehouse=warehouse, users=200, weeks=2))
        build_features(spark, BuildFeaturesSettings(warehouse=warehouse))


if __name__ == "__main__":
    sys.exit(run_as_job(main))
