"""Reads a table of Parquet files after requiring the same columns in all of their footers.

Spark assumes that all files have the columns of one of them. It reads a column that is missing elsewhere as null, and
reports a different type as damage.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]  # has no stubs
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from ptofa_spark.errors import TableError
from ptofa_spark.files.places import AS_A_NAME, DataFile, Place, hadoop_path, java_class
from ptofa_spark.files.plain_names import plainly_named

_READERS = 16
_REPETITION = re.compile(r"^(required|optional) ")
_NAME = re.compile(r" \([A-Z]| \{| = [0-9]|;")  # text that may follow a column's name
_SPARK_SCHEMA = "org.apache.spark.sql.parquet.row.metadata"
_PLAIN = re.compile(r" \(INTEGER\((32|64),true\)\)")  # an annotation of whole numbers that not all writers add


def read_parquet(spark: SparkSession, place: Place) -> DataFrame:
    """Reads the rows. Columns of partition folders are text, since in `fund_id=007` the value is a name.

    Raises:
        TableError: a file is empty or damaged, or its columns differ from another file's.
    """
    if place.empty:
        raise TableError(
            f"table {place.argument}: the file {place.empty[0]} is empty, its writer ended before: write it again"
        )
    keys = [key for key, _ in place.files[0].partition]
    hidden = next((file for file in place.files if file.hidden), None)
    if hidden is not None and keys:
        raise TableError(f"file {hidden.name}: Spark cannot read it by this name: rename it without a colon")
    paths = (
        plainly_named(spark, dict.fromkeys(place.files, "parquet")) if hidden else [file.uri for file in place.files]
    )
    reference, own = _require_same_columns(spark, place, paths)
    reader = spark.read.options(**AS_A_NAME)
    opened = paths if hidden or place.one_file else [place.root]
    try:
        if own is None:
            if not keys and reference == 0:
                return reader.parquet(*opened)
            own = reader.parquet(paths[reference]).schema
        fields = [field for field in own if field.name not in keys]
        texts = [StructField(key, StringType()) for key in keys]
        return reader.schema(StructType([*fields, *texts])).parquet(*opened)
    except PySparkException as error:
        raise TableError(f"table {place.argument} cannot be read: {_cause(error)}") from error


def _require_same_columns(spark: SparkSession, place: Place, paths: list[str]) -> tuple[int, StructType | None]:
    """Compares the columns of all files. Returns the number of the file whose types are the table's, and its schema.

    The types of a file without rows are not compared: its writer saw no values. The schema is the one that Spark wrote
    into the footer, and would read there in a job of its own; None if another program wrote the file.

    Args:
        spark: the session.
        place: the files.
        paths: their paths, as Spark opens them.

    Raises:
        TableError: a file is damaged, or two files differ in their columns or types.
    """
    # Without options, each reader would parse Hadoop's default configuration again.
    configuration = spark._jsc.hadoopConfiguration()
    options = java_class(spark, "org.apache.parquet.HadoopReadOptions").builder(configuration).build()

    def one(file: DataFile, path: str) -> _Footer:
        return _footer(spark, place, file, path, options)

    with ThreadPoolExecutor(_READERS) as pool:
        footers = list(pool.map(one, place.files, paths))
    reference = next((number for number, footer in enumerate(footers) if footer.rows), 0)
    first, named = _columns(footers[reference].schema), place.files[reference].name
    for file, footer in zip(place.files, footers, strict=True):
        if footer.schema == footers[reference].schema:
            continue
        columns = _columns(footer.schema)
        for name in sorted(first.keys() | columns.keys()):
            one_type, other_type = first.get(name), columns.get(name)
            if one_type is None or other_type is None:
                lacks, has = (file.name, named) if other_type is None else (named, file.name)
                raise TableError(
                    f"table {place.argument}: the file {lacks} lacks the column {name}, which {has} has: "
                    "write all files with the same columns"
                )
            if one_type != other_type and footer.rows:
                raise TableError(
                    f"table {place.argument}: column {name} has the type {other_type} in {file.name} and {one_type} in "
                    f"{named}: write all files with the same types"
                )
    return reference, footers[reference].of_spark


@dataclass(frozen=True)
class _Footer:
    """A file's footer.

    schema: as Parquet prints it; rows: number of rows in the file; of_spark: the schema as Spark wrote it, None if
    another program wrote the file.
    """

    schema: str
    rows: int
    of_spark: StructType | None


def _footer(spark: SparkSession, place: Place, file: DataFile, opened: str, options: Any) -> _Footer:
    """Reads the footer of a file. opened: its path, as Spark opens it; options: Parquet's, of any file."""
    path, _ = hadoop_path(spark, opened)
    file_in_hadoop = java_class(spark, "org.apache.parquet.hadoop.util.HadoopInputFile")
    try:
        file_in = file_in_hadoop.fromPath(path, spark._jsc.hadoopConfiguration())
        reader = java_class(spark, "org.apache.parquet.hadoop.ParquetFileReader").open(file_in, options)
    except (Py4JJavaError, PySparkException) as error:
        raise TableError(
            f"table {place.argument}: the file {file.name} is cut off or damaged, its footer cannot be read: "
            "write it again"
        ) from error
    try:
        metadata = reader.getFileMetaData()
        of_spark = _schema_of_spark(metadata.getKeyValueMetaData().get(_SPARK_SCHEMA))
        return _Footer(str(metadata.getSchema().toString()), int(reader.getRecordCount()), of_spark)
    finally:
        reader.close()


def _schema_of_spark(written: str | None) -> StructType | None:
    """The schema from its JSON; None if there is none, or if it has a type that this Spark does not know."""
    try:
        return None if written is None else StructType.fromJson(json.loads(written))
    except (ValueError, KeyError, PySparkException):
        return None


def _columns(schema: str) -> dict[str, str]:
    r"""The type of each column of a schema as Parquet prints it.

    >>> _columns("message m {\n  optional int64 a b;\n  optional group e (LIST) {\n    x;\n  }\n}")
    {'a b': 'int64', 'e': 'group e (LIST) { x; }'}
    """
    fields: list[str] = []
    for line in schema.splitlines()[1:-1]:
        if line.startswith("  ") and line[2:3] not in (" ", "}"):
            fields.append(line.strip())
        else:
            fields[-1] += " " + line.strip()
    named = (_NAME.split(_REPETITION.sub("", field).partition(" ")[2])[0] for field in fields)
    return {name: _type(field.rstrip(";")) for name, field in zip(named, fields, strict=True)}


def _type(field: str) -> str:
    """The type of a field of a footer, without the field's name and nullability.

    >>> _type("optional int64 user_id"), _type("required binary fund_id (STRING)")
    ('int64', 'binary (STRING)')
    """
    text = _PLAIN.sub("", _REPETITION.sub("", " ".join(field.split())))
    physical, _, rest = text.partition(" ")
    if physical == "group" or "(" not in rest:
        return text if physical == "group" else physical
    return f"{physical} {rest[rest.index('(') :]}"


def _cause(error: PySparkException) -> str:
    """The first line of a Spark error, or a clearer one for a known error, with a remedy."""
    text = str(error)
    if "TIMESTAMP(NANOS" in text:
        return "Spark has no nanoseconds; write its timestamps in microseconds (pandas: coerce_timestamps='us')"
    return f"{text.strip().splitlines()[0]}; write it again, or give another place"
