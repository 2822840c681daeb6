"""What undisturbed runs of the stages leave, and a cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from tests.faults.cluster import Cluster
from tests.faults.stages import Reference


@pytest.fixture(scope="session")
def reference(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Reference:
    """What every disturbed, moved or repeated run must leave. All test processes share one run of a stage."""
    own = tmp_path_factory.getbasetemp()
    return Reference(spark, (own if worker_id == "master" else own.parent) / "reference")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A standalone cluster of two workers."""
    running = Cluster(tmp_path_factory.mktemp("cluster") / "spark")
    yield running
    running.stop()
