"""Requires that the target of a write is a Delta table whose rows can be replaced, or does not exist.

Other targets are rejected before a job begins its work, and again when it writes. Spark would replace a view or a
Parquet table by a Delta table, and its rows would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructField, StructType

from ptofa_spark.errors import TableError
from ptofa_spark.files.places import hadoop_path
from ptofa_spark.tables.contracts.conversions import DECLARED_TYPE
from ptofa_spark.tables.delta.newest import delta_frame, newest_property
from ptofa_spark.tables.names import TableName, file_ending, in_warehouse, quoted, sql_string

_APPEND_ONLY = "delta.appendOnly"
_DEFAULT = "CURRENT_DEFAULT"
_SESSION_CATALOG = "spark_catalog"
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def require_target(spark: SparkSession, argument: str) -> bool:
    """Requires a target that can be written. Returns whether a Delta table exists there.

    Raises:
        TableError: something else exists there, or an append-only table, or no table can be created there.
    """
    name = TableName.parse(argument)
    exists = _in_catalog(spark, name) if name.in_catalog else _at_path(spark, name)
    if not exists:
        return False
    if (newest_property(spark, argument, _APPEND_ONLY) or "false").lower() == "true":
        raise TableError(
            f"table {name} has the property {_APPEND_ONLY} = true, and the job replaces rows of it: set it to false "
            "(ALTER TABLE ... SET TBLPROPERTIES), or write to another table"
        )
    return True


def require_targets(spark: SparkSession, warehouse: str, tables: Iterable[str]) -> None:
    """Requires that each of the warehouse's tables can be written, before a job begins its work.

    Raises:
        TableError: see `require_target`.
    """
    for table in tables:
        require_target(spark, in_warehouse(warehouse, table))


def require_columns(spark: SparkSession, argument: str, schema: StructType) -> None:
    """Requires that a Delta table has the columns that a job writes, with the same types.

    Raises:
        TableError: a column is missing or has another type.
    """
    _require_columns(TableName.parse(argument), delta_frame(spark, argument).schema, schema)


def require_same_rows(spark: SparkSession, argument: str, schema: StructType) -> None:
    """Requires that a Delta table can take rows with only these columns: its further columns must allow null.

    Raises:
        TableError: see `require_columns`; or a further column is NOT NULL.
    """
    name, existing = TableName.parse(argument), delta_frame(spark, argument).schema
    _require_columns(name, existing, schema)
    known = {field.name.lower() for field in schema}
    for field in existing:
        if field.name.lower() not in known and not field.nullable and _DEFAULT not in field.metadata:
            raise TableError(
                f"table {name}: column {field.name} is NOT NULL, and the job has no value for it: let it be null, or "
                "write to another table"
            )


def other_types(spark: SparkSession, argument: str, schema: StructType) -> str | None:
    """The columns whose types in the table differ from the schema's, in words; None if there are none."""
    differing = _other_types(delta_frame(spark, argument).schema, schema)
    return "; ".join(differing) if differing else None


def _require_columns(name: TableName, existing: StructType, schema: StructType) -> None:
    present = {field.name.lower() for field in existing}
    missing = [field.name for field in schema if field.name.lower() not in present]
    if missing:
        raise TableError(
            f"table {name} is no table of such rows: it lacks column(s) {', '.join(missing)} and has "
            f"{', '.join(existing.names) or 'none'}: write to another table"
        )
    padded = [
        field for field in existing if _is_char(field) and field.name.lower() in {each.lower() for each in schema.names}
    ]
    if padded:
        kind = padded[0].metadata[DECLARED_TYPE]
        raise TableError(
            f"table {name}: column {padded[0].name} is {kind}, which fills values up with blanks: make it a STRING, or "
            "write to another table"
        )
    differing = _other_types(existing, schema)
    if differing:
        raise TableError(
            f"table {name} cannot take the rows: {'; '.join(differing)}: alter that table, or write to another"
        )


def _other_types(existing: StructType, schema: StructType) -> list[str]:
    types = {field.name.lower(): field.dataType.simpleString() for field in existing}
    return [
        f"column {field.name} is {types[field.name.lower()]} there, and the job writes {field.dataType.simpleString()}"
        for field in schema
        if types.get(field.name.lower(), field.dataType.simpleString()) != field.dataType.simpleString()
    ]


def _is_char(field: StructField) -> bool:
    return str(field.metadata.get(DECLARED_TYPE, "")).startswith("char(")


def _in_catalog(spark: SparkSession, name: TableName) -> bool:
    """Whether the catalog has a Delta table of that name; False if the name is free."""
    try:
        detail = spark.sql(f"DESCRIBE DETAIL {name.sql()}").select("format").collect()[0]
    except AnalysisException as error:
        condition = error.getCondition() or ""
        if condition.startswith("EXPECT_TABLE_NOT_VIEW"):
            raise TableError(f"{name} is a view, which would be lost: write to a Delta table, or a new name") from error
        if condition != "TABLE_OR_VIEW_NOT_FOUND":
            # The condition for a missing catalog differs between versions of Spark.
            _require_schema(spark, name)
            raise TableError(f"table {name} cannot be written: {_first_line(error)}") from error
        _require_free(spark, name, _require_schema(spark, name))
        return False
    if detail["format"] != "delta":
        raise TableError(
            f"table {name} is a table of {detail['format']}, whose rows would be lost: write to a Delta table, or a "
            "new name"
        )
    return True


def _require_schema(spark: SparkSession, name: TableName) -> str:
    """The folder of the name's schema, by the catalog; empty if the catalog does not name one."""
    parts = name.text.split(".")[:-1]
    try:
        rows = spark.sql(f"DESCRIBE NAMESPACE {'.'.join(quoted(part) for part in parts)}").collect()
    except AnalysisException as error:
        raise TableError(
            f"table {name} cannot be made: this Spark knows no schema {'.'.join(parts)}: create it, connect the "
            "catalog (spark.sql.catalog.NAME, or a metastore), or give a path with a '/'"
        ) from error
    return next((row[1] for row in rows if row[0] == "Location"), "") or ""


def _require_free(spark: SparkSession, name: TableName, schema_folder: str) -> None:
    """Rejects a name if the folder of its new table in the session's catalog has files. Delta would fail later."""
    parts = name.text.split(".")
    catalog = parts[0] if len(parts) > 2 else spark.catalog.currentCatalog()
    if not schema_folder or catalog != _SESSION_CATALOG:
        return
    folder = f"{schema_folder.rstrip('/')}/{parts[-1].lower()}"
    path, file_system = hadoop_path(spark, folder)
    if not file_system.exists(path) or not len(file_system.listStatus(path)):
        return
    known = f"CREATE TABLE {name.sql()} USING delta LOCATION {sql_string(folder).replace(_SLASH, '/')}"
    if DeltaTable.isDeltaTable(spark, folder):
        raise TableError(
            f"table {name} is not in the catalog of this session, and its folder {folder} holds a Delta table (a "
            f"catalog without a metastore ends with its session): give that path, or make it known ({known})"
        )
    raise TableError(
        f"table {name} cannot be made: its folder {folder} holds files that are no table, as a write leaves them that "
        "was cut off: remove the folder, or wait if another run is writing it"
    )


# As `sql_string` writes it.
_SLASH = "\\u002f"


def _at_path(spark: SparkSession, name: TableName) -> bool:
    """Whether a Delta table is at the path; False if nothing or an interrupted first write is there."""
    if ":" in name.text.split("/")[0] and not _URI.match(name.text):
        raise TableError(f"table {name}: what is before ':' is read as a URI's scheme: write ./{name}")
    if DeltaTable.isDeltaTable(spark, name.text):
        return True
    ending = file_ending(name.text)
    if ending:
        raise TableError(
            f"table {name} would be no {ending} file: what is written is a Delta table, which is a folder: name a "
            "folder, or a table of the catalog"
        )
    path, file_system = hadoop_path(spark, name.text)
    _require_folder(name, path, file_system)
    log, _ = hadoop_path(spark, f"{name.text.rstrip('/')}/_delta_log")
    if not file_system.exists(path) or file_system.exists(log):
        return False
    files = file_system.listFiles(path, True)
    while files.hasNext():
        file = files.next().getPath()
        if not file.getName().startswith(("_", ".")):
            raise TableError(
                f"table {name}: the folder holds files that are no Delta table ({file.toUri().getPath()}): write to a "
                "Delta table, or a new folder"
            )
    return False


def _require_folder(name: TableName, path: Any, file_system: Any) -> None:
    """Rejects a path that is a file or is below a file."""
    ancestor = path
    while ancestor is not None and not file_system.exists(ancestor):
        ancestor = ancestor.getParent()
    if ancestor is not None and file_system.isFile(ancestor):
        raise TableError(
            f"table {name}: {ancestor.toUri().getPath()} is a file, and a Delta table is a folder: "
            "write to another place"
        )


def _first_line(error: AnalysisException) -> str:
    return str(error).split("\n", 1)[0]
