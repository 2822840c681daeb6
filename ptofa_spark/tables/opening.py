"""Opens a table without reading its rows. Its content decides whether it is Delta, Parquet or CSV."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.errors import TableError
from ptofa_spark.files.csv.files import CsvFiles, open_csv
from ptofa_spark.files.csv.header import CsvForm
from ptofa_spark.files.formats import Foreign
from ptofa_spark.files.parquet_files import read_parquet
from ptofa_spark.files.places import exists, find_files, formats, hadoop_path
from ptofa_spark.tables.names import TableName

logger = logging.getLogger(__name__)

_NOT_FOUND = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND")
# Spark parses these formats leniently, also in tables of the catalog.
_TEXT_FORMATS = ("csv", "text", "json", "xml")


@dataclass(frozen=True)
class TypedTable:
    """A table whose columns have types. as_text: columns of partition folders, whose text stands for a value."""

    frame: DataFrame
    as_text: frozenset[str] = frozenset()


def open_table(
    spark: SparkSession, name: TableName, wanted: Collection[str], version: int | None, csv: CsvForm
) -> TypedTable | CsvFiles:
    """Opens the table. Of CSV files, only the headers are read.

    Args:
        spark: the session.
        name: the table.
        wanted: column names, by which the separator of CSV files is recognized.
        version: Delta version; the newest if None.
        csv: the user's settings for CSV files.

    Raises:
        TableError: no such table, unknown content, or files of several formats.
    """
    options = {} if version is None else {"versionAsOf": str(version)}
    if name.in_catalog:
        return TypedTable(_open_in_catalog(spark, name, options))
    if DeltaTable.isDeltaTable(spark, name.text):
        try:
            return TypedTable(spark.read.options(**options).format("delta").load(name.text))
        except PySparkException as error:
            raise TableError(f"table {name} cannot be read: {_first_line(error)}") from error
    place = find_files(spark, name.text)
    if _has_log(spark, name.text):
        raise TableError(f"table {name} was never finished, its writer ended before: run what writes it again")
    if place.hidden:
        logger.info("table=%s left_out=%s reason=hidden", name, _listed(place.hidden))
    if not place.files:
        raise TableError(f"table {name} is empty, it holds no file of data: give a Delta table, Parquet or CSV")
    by_file = formats(spark, place)
    for file, form in by_file.items():
        if isinstance(form, Foreign):
            raise TableError(f"table {name}: {file.name} is {form.what}: {form.way_out}")
    packed = {file: form for file, form in by_file.items() if not isinstance(form, Foreign)}
    table_formats = {"parquet" if form == "parquet" else "csv" for form in packed.values()}
    if len(table_formats) > 1:
        one = next(file.name for file, form in packed.items() if form == "parquet")
        other = next(file.name for file, form in packed.items() if form != "parquet")
        raise TableError(f"table {name} holds Parquet ({one}) beside text ({other}): keep files of one format")
    if table_formats == {"csv"}:
        if place.empty:
            logger.info("table=%s left_out=%s reason=empty", name, _listed(place.empty))
        return open_csv(spark, place, packed, list(wanted), csv)
    return TypedTable(read_parquet(spark, place), frozenset(key for key, _ in place.files[0].partition))


def _open_in_catalog(spark: SparkSession, name: TableName, options: dict[str, str]) -> DataFrame:
    try:
        frame = spark.read.options(**options).table(name.sql())
        provider = _provider(spark, name)
    except AnalysisException as error:
        if error.getCondition() not in _NOT_FOUND:
            raise TableError(f"table {name} cannot be read: {_first_line(error)}") from error
        raise TableError(
            f"there is no table {name} in the catalog, and no such file or folder in the working directory: "
            "correct the name, or give a path or URI"
        ) from error
    if provider in _TEXT_FORMATS:
        raise TableError(
            f"table {name} of the catalog is {provider.upper()}, which Spark reads without a check of its rows: "
            "give the path of its files instead"
        )
    return frame


def _provider(spark: SparkSession, name: TableName) -> str:
    """The format of a table in the catalog; "" for a view."""
    rows = spark.sql(f"DESCRIBE TABLE EXTENDED {name.sql()}").where("lower(col_name) = 'provider'").collect()
    return str(rows[-1]["data_type"]).lower() if rows else ""


def _first_line(error: PySparkException) -> str:
    return f"{str(error).strip().splitlines()[0]}; write it again, or give another place"


def _has_log(spark: SparkSession, path: str) -> bool:
    """Whether a Delta log was begun there, as an interrupted first write leaves it."""
    log, file_system = hadoop_path(spark, f"{path.rstrip('/')}/_delta_log")
    return bool(file_system.exists(log))


def table_exists(spark: SparkSession, argument: str) -> bool:
    """Whether the argument names an existing table or file."""
    name = TableName.parse(argument)
    if name.in_catalog:
        return bool(spark.catalog.tableExists(name.sql()))
    return exists(spark, argument)


def _listed(names: Sequence[str]) -> str:
    return ",".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
