"""One Spark session for the whole test run, started when a test first asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ptofa_spark.session import SparkSettings, start_session

os.environ.setdefault("OMP_NUM_THREADS", "1")
# A job's JVM lives for half a minute: the optimising compiler would take a core for code that soon ends. The first
# compiler alone would be given 48 MB for its code, which these queries outgrow.
_QUICK = "-XX:TieredStopAtLevel=1"
os.environ.setdefault("SPARK_SUBMIT_OPTS", f"{_QUICK} -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC")
os.environ.setdefault("SPARK_CONF_DIR", str(Path(__file__).parent / "spark"))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    with pytest.MonkeyPatch.context() as patch:
        # This JVM lives as long as the tests, which pays for both compilers.
        patch.setenv("SPARK_SUBMIT_OPTS", os.environ["SPARK_SUBMIT_OPTS"].replace(_QUICK, ""))
        session = start_session(
            SparkSettings(app_name="ptofa-tests", master="local[2]", driver_memory="3g", shuffle_partitions=4)
        )
    yield session
    session.stop()


@pytest.fixture
def warehouse(tmp_path: Path) -> str:
    """An empty warehouse directory of the test's own."""
    return str(tmp_path / "warehouse")
