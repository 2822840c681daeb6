"""Reads a table, Delta, Parquet or CSV by its content, and holds it to its contract."""

from __future__ import annotations

import logging
from typing import Any

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
)

from ptofa_spark.errors import ColumnTypeError, MissingColumnError, TableError, way_out
from ptofa_spark.tables.names import TableName, quoted

logger = logging.getLogger(__name__)

_NOT_THERE = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND")

_INTEGERS: tuple[type[DataType], ...] = (ByteType, ShortType, IntegerType, LongType)
_WIDER: dict[type[DataType], tuple[type[DataType], ...]] = {
    LongType: _INTEGERS,
    IntegerType: _INTEGERS,  # a bigint column is read as int when every value fits: checked where the cast happens
    DoubleType: (*_INTEGERS, FloatType, DoubleType, DecimalType),
}


def read_table(
    spark: SparkSession,
    argument: str,
    schema: StructType,
    *,
    keep_extra: bool = False,
    version: int | None = None,
    allow_null: bool = False,
) -> DataFrame:
    """Reads the table and returns its contract's columns, in the contract's order and types.

    Args:
        spark: the session.
        argument: catalog name or path/URI of a Delta table, a Parquet folder or file, or a CSV with a header.
        schema: the contract; a column that is not nullable there must hold no null.
        keep_extra: keep further columns, after the contract's, sorted by name.
        version: Delta version to read; the newest if None.
        allow_null: whether the caller deals with nulls where the contract has none.

    Raises:
        TableError: no such table, no known content, or a value that does not fit its column's type.
        MissingColumnError: a column of the contract is missing.
        ColumnTypeError: a column's type cannot be read as the contract's without loss.
    """
    name = TableName.parse(argument)
    frame, is_csv = _open(spark, name, schema, version)
    extra = sorted(column for column in frame.columns if column not in schema.names) if keep_extra else []
    missing = [field.name for field in schema if field.name not in frame.columns]
    if missing:
        raise MissingColumnError(argument, missing, frame.columns)
    found = {field.name: field.dataType for field in frame.schema}
    for field in schema:
        # Whether the words of a CSV fit is decided by their values; a list they never are.
        if not is_csv or isinstance(field.dataType, ArrayType):
            _require_readable(argument, field, found[field.name])
    _require_values(frame, schema, argument, allow_null)
    return frame.select(
        *[F.col(quoted(field.name)).cast(field.dataType).alias(field.name) for field in schema],
        *[F.col(quoted(column)) for column in extra],
    )


def table_exists(spark: SparkSession, argument: str) -> bool:
    """Whether a table or any file is at the argument."""
    name = TableName.parse(argument)
    if name.in_catalog:
        return bool(spark.catalog.tableExists(name.sql()))
    return _first_file(spark, argument) is not None


def _open(spark: SparkSession, name: TableName, schema: StructType, version: int | None) -> tuple[DataFrame, bool]:
    """The frame and whether it came from CSV, whose columns of the contract are strings then."""
    options = {} if version is None else {"versionAsOf": str(version)}
    if name.in_catalog:
        try:
            return spark.read.options(**options).table(name.sql()), False
        except AnalysisException as error:
            if error.getCondition() not in _NOT_THERE:
                raise TableError(f"table {name} cannot be read: {_cause(error)}") from error
            raise TableError(
                f"there is no table {name} in the catalog, and no such file or folder in the working directory: "
                "correct the name, or give a path or URI"
            ) from error
    content = _content(spark, name.text)
    if content == "csv":
        return _read_csv(spark, name.text, schema), True
    try:
        return spark.read.options(**options).format(content).load(name.text), False
    except PySparkException as error:
        raise TableError(f"table {name} cannot be read: {_cause(error)}") from error


def _cause(error: PySparkException) -> str:
    """The line of a Spark error that names what is wrong, and the way out where it is known."""
    text = str(error)
    if "TIMESTAMP(NANOS" in text:
        return "Spark has no nanoseconds; write its timestamps in microseconds (pandas: coerce_timestamps='us')"
    return f"{text.strip().splitlines()[0]}; write it again, or give another place"


def _content(spark: SparkSession, path: str) -> str:
    """delta, parquet or csv, by what lies at the path."""
    first = _first_file(spark, path)
    if first is None:
        raise TableError(f"table {path} does not exist or is empty: give the path of a Delta table, Parquet or CSV")
    if DeltaTable.isDeltaTable(spark, path):
        return "delta"
    if _has_log(spark, path):
        raise TableError(f"table {path} was never finished, its writer ended before: run what writes it again")
    head = _first_bytes(spark, first, 4)
    if head == b"PAR1":
        return "parquet"
    if b"\x00" in head:
        raise TableError(f"table {path} holds neither Delta, Parquet nor CSV: convert it to one of them")
    return "csv"


def _first_file(spark: SparkSession, path: str) -> str | None:
    """The first data file at the path, whatever file system the path names."""
    hadoop_path, file_system = _hadoop(spark, path)
    if not file_system.exists(hadoop_path):
        return None
    if file_system.isFile(hadoop_path):
        return str(hadoop_path.toString())
    files = file_system.listFiles(hadoop_path, True)
    while files.hasNext():
        file = files.next().getPath()
        if not file.getName().startswith(("_", ".")) or "_delta_log" in file.toString():
            return str(file.toString())
    return None


def _has_log(spark: SparkSession, path: str) -> bool:
    """Whether a Delta log was begun there, which is what a first write leaves that was cut off."""
    log, file_system = _hadoop(spark, f"{path.rstrip('/')}/_delta_log")
    return bool(file_system.exists(log))


def _hadoop(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """The path and its file system, as Hadoop has them: local, HDFS or an object store alike."""
    jvm: Any = spark._jvm
    hadoop_path = jvm.org.apache.hadoop.fs.Path(path)
    return hadoop_path, hadoop_path.getFileSystem(spark._jsc.hadoopConfiguration())


def _first_bytes(spark: SparkSession, path: str, count: int) -> bytes:
    hadoop_path, file_system = _hadoop(spark, path)
    stream = file_system.open(hadoop_path)
    try:
        return bytes(byte for byte in (stream.read() for _ in range(count)) if byte >= 0)
    finally:
        stream.close()


def _read_csv(spark: SparkSession, path: str, schema: StructType) -> DataFrame:
    """A CSV with a header; the contract's columns as strings, to be cast where bad values can be named."""
    reader = spark.read.option("header", True).option("escape", '"')
    inferred = reader.option("inferSchema", True).csv(path).schema
    as_strings = StructType(
        [
            StructField(field.name, StringType() if field.name in schema.names else field.dataType, True)
            for field in inferred
        ]
    )
    return reader.option("inferSchema", False).schema(as_strings).csv(path)


def _require_readable(table: str, field: StructField, found: DataType) -> None:
    wanted = field.dataType
    if isinstance(wanted, ArrayType):
        if isinstance(found, ArrayType):
            _require_readable(table, StructField(field.name, wanted.elementType), found.elementType)
            return
    elif type(found) in _WIDER.get(type(wanted), (type(wanted),)):
        return
    raise ColumnTypeError(table, field.name, found.simpleString(), wanted.simpleString())


def _require_values(frame: DataFrame, schema: StructType, table: str, allow_null: bool) -> None:
    """One pass that counts, a column, nulls that may not be there and values that do not fit the type."""
    found = {field.name: field for field in frame.schema}
    other_type = [field for field in schema if found[field.name].dataType != field.dataType]
    must_hold = [field for field in schema if not (allow_null or field.nullable) and found[field.name].nullable]
    if not other_type and not must_hold:
        return
    checks = [
        F.count(F.when(F.col(quoted(field.name)).isNull(), 1)).alias(f"nulls_{field.name}") for field in must_hold
    ]
    for field in other_type:
        column = F.col(quoted(field.name))
        fits = column.isNull() | column.try_cast(field.dataType).isNotNull()
        checks.append(F.first(F.when(~fits, column.cast("string")), ignorenulls=True).alias(f"misfit_{field.name}"))
    row = frame.agg(*checks).collect()[0]
    for field in other_type:
        if row[f"misfit_{field.name}"] is not None:
            raise TableError(
                f"table {table}: column {field.name} holds {row[f'misfit_{field.name}']!r}, "
                f"which is no {field.dataType.simpleString()}: {way_out(field.name, 'correct the value')}"
            )
    for field in must_hold:
        if row[f"nulls_{field.name}"]:
            raise TableError(
                f"table {table}: column {field.name} is null in {row[f'nulls_{field.name}']} row(s): fill or drop them"
            )


def read_columns(spark: SparkSession, argument: str, version: int | None = None) -> list[str]:
    """The names of a table's columns, to tell apart the forms that a table may have; of the newest version if None."""
    return _open(spark, TableName.parse(argument), StructType([]), version)[0].columns
