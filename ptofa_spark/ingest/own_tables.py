"""A user's own raw tables, read in whatever format they are."""

from __future__ import annotations

from pyspark.sql import SparkSession

from ptofa_spark.errors import ConfigError
from ptofa_spark.files.csv.header import CsvForm
from ptofa_spark.ingest.dataset import Dataset
from ptofa_spark.ingest.raw_tables import RawTables
from ptofa_spark.ingest.settings import IngestSettings
from ptofa_spark.tables.contracts.schemas import OPEN_TABLES, RAW_TABLES
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.opening import table_exists
from ptofa_spark.tables.reading import AS_FOUND, read_table

_SUFFIXES = ("", ".csv", ".parquet")
_OPTIONAL = "transactions"


def load_own_tables(spark: SparkSession, source: str, csv: CsvForm = AS_FOUND) -> RawTables:
    """The tables at the source, each held to its own contract.

    Args:
        spark: the session.
        source: directory, URI or catalog.schema with users, funds, campaigns, exposures, demands and, where there is
            a history, transactions; in a directory each a Delta table, a Parquet folder or file, or a CSV, with or
            without the ending .csv or .parquet.
        csv: how CSV files are read.

    Raises:
        TableError: the first thing that is wrong, with its table, column and value.
        MissingColumnError: a column is missing.
        ColumnTypeError: a column is of another type.
    """
    frames = {}
    for name, schema in RAW_TABLES.items():
        place = _place(spark, source, name)
        if place is None and name == _OPTIONAL:
            frames[name] = spark.createDataFrame([], schema)
            continue
        argument = place or in_warehouse(source, name)
        frames[name] = read_table(spark, argument, schema, keep_extra=name in OPEN_TABLES, csv=csv)
    return RawTables(**frames)


def _place(spark: SparkSession, source: str, name: str) -> str | None:
    """Where the table is; in a directory its file may bear an ending."""
    table = in_warehouse(source, name)
    candidates = [table + suffix for suffix in _SUFFIXES] if "/" in table else [table]
    return next((place for place in candidates if table_exists(spark, place)), None)


def _load(spark: SparkSession, settings: IngestSettings) -> RawTables:
    source = settings.source or ""
    if source.rstrip("/") == settings.warehouse.rstrip("/"):
        raise ConfigError(f"ingest: source and warehouse are both {source!r}: name another warehouse")
    return load_own_tables(spark, source, settings.csv_form())


DATASET = Dataset(_load, needs_source="a directory, URI or catalog.schema")
