"""One Spark session for the whole test run, started when a test first asks for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ptofa_spark.running.session import SparkSettings, start_session
from ptofa_spark.tables.delta.writing import in_session
from tests.jvm.options import java_options

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests in the background of a shell ignore Ctrl-C, and every job that they start would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("SPARK_SUBMIT_OPTS", java_options())


# In these rooms a test without a session starts no process and trains no model.
ROOMS = ("allocation", "evaluation", "features", "files", "ingest", "reproducible", "scoring", "simulator", "tables")
LONGEST_FIRST = ("pipeline", "faults", "house", "allocation", "features", "training")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need no Spark, for `make check`, and puts the rooms with the longest files first."""
    for item in items:
        if room_of(item) in ROOMS and "spark" not in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kernel)
    # The workers get file after file in this order, and end together if the last ones are short.
    place = {room: number for number, room in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(room_of(item), len(place)))


def room_of(item: pytest.Item) -> str:
    """The folder of tests/ that the test is in."""
    return item.path.relative_to(item.config.rootpath).parts[1]


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = start_session(
        SparkSettings(app_name="ptofa-tests", master="local[2]", driver_memory="3g", shuffle_partitions=4)
    )
    yield session
    session.stop()


@pytest.fixture
def compiling(spark: SparkSession) -> Iterator[None]:
    """The session compiles its queries, as Spark does by default: for the few tests with tens of thousands of rows."""
    with in_session(spark, {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}):
        yield


@pytest.fixture
def warehouse(tmp_path: Path) -> str:
    """An empty warehouse directory of the test's own."""
    return str(tmp_path / "warehouse")
