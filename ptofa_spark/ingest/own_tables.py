"""Reads a user's own raw tables in any supported format."""

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
    """The tables at the source, each checked against its own contract.

    Args:
        spark: the session.
        source: directory, URI or catalog.schema with users, funds, campaigns, exposures and demands. Transactions are
            optional. In a directory, each table is a Delta table, a Parquet folder or file, or a CSV file. Its name
            may end in .csv or .parquet.
        csv: how CSV files are read.

    Raises:
        TableError: a table breaks its contract. The message names the first table, column and value.
        MissingColumnError: a column is missing.
        ColumnTypeError: a column has another type.
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
    """The path or name of the table, None if there is none. In a directory, its file name may have a suffix."""
    table = in_warehouse(source, name)
    candidates = [table + suffix for suffix in _SUFFIXES] if "/" in table else [table]
    return next((place for place in candidates if table_exists(spark, place)), None)


def _load(spark: SparkSession, settings: IngestSettings) -> RawTables:
    source = settings.source or ""
    if source.rstrip("/") == settings.warehouse.rstrip("/"):
        raise ConfigError(f"ingest: source and warehouse are both {source!r}: name another warehouse")
    return load_own_tables(spark, source, settings.csv_form())


DATASET = Dataset(_load, needs_source="a directory, URI or catalog.schema")
