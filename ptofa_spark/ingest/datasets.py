"""The ingest: reads the named data set and writes its raw tables to the warehouse."""

from __future__ import annotations

from pyspark.sql import SparkSession

from ptofa_spark.errors import ConfigError
from ptofa_spark.ingest.checks import check_raw_tables
from ptofa_spark.ingest.dataset import Dataset
from ptofa_spark.ingest.raw_tables import require_no_truth, write_raw_tables
from ptofa_spark.ingest.settings import DATASETS, IngestSettings
from ptofa_spark.running.progress import stage
from ptofa_spark.tables.contracts.schemas import RAW_TABLES
from ptofa_spark.tables.delta.targets import require_targets


def dataset_of(name: str) -> Dataset:
    """The data set with that name in `settings.DATASETS`."""
    return DATASETS.load(name, Dataset)


def ingest(spark: SparkSession, settings: IngestSettings) -> None:
    """Reads a data set, checks it and writes its raw tables. If a check fails, nothing is written.

    Raises:
        ConfigError: the source is missing, or is the warehouse itself.
        TableError: the data are missing or break their contract.
    """
    dataset = dataset_of(settings.dataset)
    with stage("ingest", dataset=settings.dataset):
        require_no_truth(spark, settings.warehouse)
        require_targets(spark, settings.warehouse, RAW_TABLES)
        if dataset.needs_source is not None and settings.source is None:
            raise ConfigError(f"ingest: dataset {settings.dataset} needs 'source' (--source {dataset.needs_source})")
        tables = dataset.load(spark, settings)
        check_raw_tables(tables)
        write_raw_tables(tables, settings.warehouse)
