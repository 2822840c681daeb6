"""A table of Parquet files: the columns of each file, from its footer, are the same in all of them.

Spark takes the columns of one file for those of all: a column that another file lacks it reads as null, and one of
another type as damage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]  # has no stubs
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from ptofa_spark.errors import TableError
from ptofa_spark.files.places import AS_A_NAME, DataFile, Place, hadoop_path
from ptofa_spark.files.plain_names import plainly_named

_READERS = 16
_REPETITION = re.compile(r"^(required|optional) ")
_PLAIN = re.compile(r" \(INTEGER\((32|64),true\)\)")  # what some writers say of their whole numbers and others do not


def read_parquet(spark: SparkSession, place: Place) -> DataFrame:
    """The rows; columns of partition folders come as text, since `fund_id=007` is a name.

    Raises:
        TableError: a file is empty or damaged, or its columns differ from another file's.
    """
    if place.empty:
        raise TableError(
            f"table {place.argument}: the file {place.empty[0]} is empty, its writer ended before: write it again"
        )
    keys = [key for key, _ in place.files[0].partition]
    odd = next((file for file in place.files if file.hidden), None)
    if odd is not None and keys:
        raise TableError(f"file {odd.name}: Spark cannot read it by this name: rename it without a colon")
    paths = plainly_named(spark, dict.fromkeys(place.files, "parquet")) if odd else [file.uri for file in place.files]
    _require_same_columns(spark, place, paths)
    reader = spark.read.options(**AS_A_NAME)
    try:
        if not keys:
            return reader.parquet(*(paths if odd or place.one_file else [place.root]))
        own = reader.parquet(paths[0]).schema
        fields = [field for field in own if field.name not in keys]
        texts = [StructField(key, StringType()) for key in keys]
        return reader.schema(StructType([*fields, *texts])).parquet(place.root)
    except PySparkException as error:
        raise TableError(f"table {place.argument} cannot be read: {_cause(error)}") from error


def _require_same_columns(spark: SparkSession, place: Place, paths: list[str]) -> None:
    """paths: of the place's files, as Spark opens them."""

    def one(file: DataFile, path: str) -> Mapping[str, str]:
        return _columns(spark, place, file, path)

    with ThreadPoolExecutor(_READERS) as pool:
        columns = list(pool.map(one, place.files, paths))
    first, others = columns[0], zip(place.files[1:], columns[1:], strict=True)
    for file, found in others:
        for name in sorted(first.keys() | found.keys()):
            one_type, other_type = first.get(name), found.get(name)
            if one_type is None or other_type is None:
                lacks, has = (file, place.files[0]) if other_type is None else (place.files[0], file)
                raise TableError(
                    f"table {place.argument}: the file {lacks.name} lacks the column {name}, which {has.name} has: "
                    "write all files with the same columns"
                )
            if one_type != other_type:
                raise TableError(
                    f"table {place.argument}: column {name} has the type {other_type} in {file.name} and {one_type} in "
                    f"{place.files[0].name}: write all files with the same types"
                )


def _columns(spark: SparkSession, place: Place, file: DataFile, opened: str) -> dict[str, str]:
    """The type of each column, as its footer says it. opened: the file's path, as Spark opens it."""
    jvm: Any = spark._jvm
    path, _ = hadoop_path(spark, opened)
    configuration = spark._jsc.hadoopConfiguration()
    formats = jvm.org.apache.parquet
    try:
        file_in = formats.hadoop.util.HadoopInputFile.fromPath(path, configuration)
        reader = formats.hadoop.ParquetFileReader.open(file_in)
    except (Py4JJavaError, PySparkException) as error:
        raise TableError(
            f"table {place.argument}: the file {file.name} is cut off or damaged, its footer cannot be read: "
            "write it again"
        ) from error
    try:
        fields = reader.getFileMetaData().getSchema().getFields()
        return {str(field.getName()): _type(str(field.toString())) for field in fields}
    finally:
        reader.close()


def _type(field: str) -> str:
    """A field of a footer as its type: without its name, and without whether it may be null.

    >>> _type("optional int64 user_id"), _type("required binary fund_id (STRING)")
    ('int64', 'binary (STRING)')
    """
    text = _PLAIN.sub("", _REPETITION.sub("", " ".join(field.split())))
    kind, _, rest = text.partition(" ")
    if kind == "group" or "(" not in rest:
        return text if kind == "group" else kind
    return f"{kind} {rest[rest.index('(') :]}"


def _cause(error: PySparkException) -> str:
    """The line of a Spark error that names what is wrong, and the way out where it is known."""
    text = str(error)
    if "TIMESTAMP(NANOS" in text:
        return "Spark has no nanoseconds; write its timestamps in microseconds (pandas: coerce_timestamps='us')"
    return f"{text.strip().splitlines()[0]}; write it again, or give another place"
