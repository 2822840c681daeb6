"""Writes Spark's classes, read and verified, to a file that the tests' JVMs map into memory.

A cold JVM spends a quarter of a short job on reading and verifying the same classes. `make test` writes the file once
per installation. Without it the tests are only slower.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pyspark import SparkContext

from ptofa_spark.features.build import build_features
from ptofa_spark.features.settings import BuildFeaturesSettings
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.simulator.platform import generate_platform
from ptofa_spark.simulator.settings import GeneratePlatformSettings
from tests.jvm.options import ARCHIVE, archiving_options


def main() -> None:
    """Runs two jobs that use most of what the project uses of Spark. Then the JVM writes the classes that it loaded."""
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ARCHIVE.parent) as made:
        written = Path(made) / ARCHIVE.name
        os.environ["SPARK_SUBMIT_OPTS"] = archiving_options(written)
        with spark_session(SparkSettings(master="local[2]", driver_memory="1g", shuffle_partitions=2)) as spark:
            generate_platform(spark, GeneratePlatformSettings(warehouse=made, users=200, weeks=2))
            build_features(spark, BuildFeaturesSettings(warehouse=made))
        gateway = SparkContext._gateway
        assert gateway is not None
        # The JVM ends with its standard input, and writes the file in ending.
        gateway.shutdown()
        gateway.proc.communicate(timeout=600)
        os.replace(written, ARCHIVE)


if __name__ == "__main__":
    main()
