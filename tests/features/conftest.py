"""The small raw tables written once, and built once: tests read them, or change a copy of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.features.platform import built, raw_tables, written


@pytest.fixture(scope="session")
def raw_once(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse of the raw tables. To read."""
    return written(raw_tables(spark), str(tmp_path_factory.mktemp("raw")))


@pytest.fixture(scope="session")
def built_once(spark: SparkSession, raw_once: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse of the raw tables and the features of the last campaign. To read."""
    warehouse = tmp_path_factory.mktemp("features") / "warehouse"
    shutil.copytree(raw_once, warehouse)
    built(spark, str(warehouse))
    return str(warehouse)


@pytest.fixture
def built_warehouse(built_once: str, tmp_path: Path) -> str:
    """A warehouse of the raw tables and the features of the last campaign, the test's own."""
    return str(shutil.copytree(built_once, tmp_path / "built"))
