"""A pinned version of a Delta table as the Parquet files that hold it, for a reader that knows nothing of Delta."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.tables.reading import TableVersion, delta_version, read_table
from ptofa_spark.tables.schemas import EXAMPLES


@dataclass(frozen=True)
class Snapshot:
    """The examples as they were at one version, for the whole run. files: see `split_files`."""

    table: TableVersion
    frame: DataFrame


def pin_snapshot(spark: SparkSession, argument: str) -> Snapshot:
    """Pins the newest version of the examples table.

    Raises:
        TableError: no such table, or it is no Delta table, or it breaks its contract.
    """
    table = delta_version(spark, argument)
    frame = read_table(spark, argument, EXAMPLES, keep_extra=True, version=table.version)
    if table.version is None:
        raise TableError(f"table {argument} is no Delta table, whose version training pins: run build_features")
    return Snapshot(table, frame)


def split_files(snapshot: Snapshot, split: str) -> tuple[str, ...]:
    """URLs of the snapshot's own Parquet files that may hold rows of the split, sorted; no copy is made.

    Delta's file statistics leave out the files without such rows; a file that stays may hold other rows beside them.

    Raises:
        TableError: no file holds a row of the split, or the path is one that Petastorm cannot open.
    """
    files = snapshot.frame.where(F.col("split") == split).inputFiles()
    if not files:
        raise TableError(f"table {snapshot.table.name} has no rows of split {split!r}: see build_features' shares")
    return tuple(sorted(petastorm_url(file) for file in files))


def petastorm_url(file: str) -> str:
    """Spark's name of a file (`file:/a/b`) as Petastorm's (`file:///a/b`); other schemes stay.

    Raises:
        TableError: Petastorm would cut the path at one of `?#;`.
    """
    if any(mark in file for mark in "?#;"):
        raise TableError(f"file {file} cannot be opened by Petastorm: keep ?, # and ; out of the warehouse's path")
    path = file.removeprefix("file:")
    return file if path == file else "file:///" + path.lstrip("/")
