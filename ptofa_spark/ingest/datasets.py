"""The ingest: a data set's name to its raw tables in the warehouse."""

from __future__ import annotations

from pyspark.sql import SparkSession

from ptofa_spark.errors import ConfigError
from ptofa_spark.ingest.completejourney import load_completejourney
from ptofa_spark.ingest.hillstrom import load_hillstrom
from ptofa_spark.ingest.own_tables import load_own_tables
from ptofa_spark.ingest.raw_tables import RawTables, require_no_truth, write_raw_tables
from ptofa_spark.ingest.settings import IngestSettings
from ptofa_spark.running.progress import stage
from ptofa_spark.tables.schemas import RAW_TABLES
from ptofa_spark.tables.targets import require_targets


def ingest(spark: SparkSession, settings: IngestSettings) -> None:
    """Reads and checks a data set and writes its raw tables; nothing is written when a check fails.

    Raises:
        ConfigError: the source is missing, or is the warehouse itself.
        TableError: the data are missing or break their contract.
    """
    with stage("ingest", dataset=settings.dataset):
        require_no_truth(spark, settings.warehouse)
        require_targets(spark, settings.warehouse, RAW_TABLES)
        write_raw_tables(_load(spark, settings), settings.warehouse)


def _load(spark: SparkSession, settings: IngestSettings) -> RawTables:
    if settings.dataset == "completejourney":
        return load_completejourney(spark, settings.seed, settings.test_share, settings.journey_campaigns)
    if settings.source is None:
        what = "the CSV's path or URI" if settings.dataset == "hillstrom" else "a directory, URI or catalog.schema"
        raise ConfigError(f"ingest: dataset {settings.dataset} needs 'source' (--source {what})")
    if settings.dataset == "hillstrom":
        return load_hillstrom(spark, settings.source, settings.seed, settings.test_share)
    if settings.source.rstrip("/") == settings.warehouse.rstrip("/"):
        raise ConfigError(f"ingest: source and warehouse are both {settings.source!r}: name another warehouse")
    return load_own_tables(spark, settings.source, settings.csv_form())
