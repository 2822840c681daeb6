"""Pins a version of a Delta table and lists its Parquet files, for a reader without Delta support."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.reproducible.splits import TRAIN, VALIDATION
from ptofa_spark.tables.contracts.schemas import EXAMPLES
from ptofa_spark.tables.delta.commits import TableVersion, delta_version
from ptofa_spark.tables.delta.snapshots import SNAPSHOT_DATE, of_snapshot
from ptofa_spark.tables.names import TableName
from ptofa_spark.tables.reading import read_table

_LAYOUT = (SNAPSHOT_DATE, "split")


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of the examples at a pinned version. table: name and version; frame: the rows."""

    table: TableVersion
    frame: DataFrame


def pin_snapshot(spark: SparkSession, argument: str, snapshot_date: date | None = None) -> Snapshot:
    """Pins the newest version of the examples table, and one snapshot in it: the newest if snapshot_date is None.

    Raises:
        TableError: no such table, or it is not a Delta table, violates its schema or has another partitioning.
    """
    table = delta_version(spark, argument)
    frame = read_table(spark, argument, EXAMPLES, keep_extra=True, version=table.version)
    if table.version is None:
        raise TableError(f"table {argument} is no Delta table, so it has no version to pin: run build_features")
    if tuple(_partition_columns(spark, argument)) != _LAYOUT:
        raise TableError(f"table {argument} is not partitioned by {' and '.join(_LAYOUT)}: run build_features")
    return Snapshot(table, of_snapshot(frame, argument, snapshot_date))


def split_files(snapshot: Snapshot, split: str) -> tuple[str, ...]:
    """Sorted URLs of the Parquet files with the split's rows and no others. Nothing is copied.

    Raises:
        TableError: the split has no rows, or Petastorm cannot open the path.
    """
    files = snapshot.frame.where(F.col("split") == split).inputFiles()
    if not files:
        raise TableError(f"table {snapshot.table.name} has no rows of split {split!r}: see build_features' shares")
    return tuple(sorted(file_url(file) for file in files))


def files_digest(snapshot: Snapshot) -> str:
    """A digest of the names of the files that a training reads. Every write of a table uses new file names.

    A table that was removed and created again counts its versions from 0 again. They do not tell it from the old one.
    """
    names = [name for split in (TRAIN, VALIDATION) for name in split_files(snapshot, split)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _partition_columns(spark: SparkSession, argument: str) -> list[str]:
    name = TableName.parse(argument)
    table = DeltaTable.forName(spark, name.sql()) if name.in_catalog else DeltaTable.forPath(spark, argument)
    columns: list[str] = table.detail().collect()[0]["partitionColumns"]
    return columns


def file_url(file: str) -> str:
    """Converts Spark's name of a file (`file:/a/b`) to a URL (`file:///a/b`). Other schemes stay unchanged.

    A Databricks volume (`dbfs:/Volumes/...`) is a directory on every machine there; no reader supports dbfs.

    Raises:
        TableError: a URL would end at one of `?#;`.
    """
    if any(mark in file for mark in "?#;"):
        raise TableError(f"file {file} cannot be opened by the feed: keep ?, # and ; out of the warehouse's path")
    path = file.removeprefix("dbfs:" if file.startswith("dbfs:/Volumes/") else "file:")
    return file if path == file else "file:///" + path.lstrip("/")
