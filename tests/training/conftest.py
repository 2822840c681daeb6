"""Feature tables that several tests read and none changes."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from tests.feed.feature_tables import FeatureTables, write_feature_tables


@pytest.fixture(scope="session")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> FeatureTables:
    return write_feature_tables(spark, str(tmp_path_factory.mktemp("warehouse")), users=6_000)
