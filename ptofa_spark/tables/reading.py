"""Reads a table (Delta, Parquet or CSV) and checks it against its schema."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from ptofa_spark.errors import ColumnTypeError, MissingColumnError, TableError, way_out
from ptofa_spark.files.column_names import Matched, match_columns
from ptofa_spark.files.csv.files import CsvFiles
from ptofa_spark.files.csv.header import CsvForm
from ptofa_spark.files.csv.report import Report
from ptofa_spark.files.csv.table import read_csv
from ptofa_spark.files.kinds import kind_of_type
from ptofa_spark.tables.contracts.conversions import Conversion, conversion
from ptofa_spark.tables.contracts.nulls import require_no_null
from ptofa_spark.tables.contracts.schemas import KNOWN_COLUMNS
from ptofa_spark.tables.names import TableName, quoted
from ptofa_spark.tables.opening import TypedTable, open_table

logger = logging.getLogger(__name__)

AS_FOUND = CsvForm()


def read_table(
    spark: SparkSession,
    argument: str,
    schema: StructType,
    *,
    keep_extra: bool = False,
    version: int | None = None,
    allow_null: bool = False,
    csv: CsvForm = AS_FOUND,
) -> DataFrame:
    """Reads the table and returns the schema's columns, in the schema's order and types.

    Args:
        spark: the session.
        argument: catalog name, or path or URI of a Delta table, a Parquet folder or file, or a CSV with a header.
        schema: the table's schema; nulls are rejected in columns that are not nullable there.
        keep_extra: keep further columns, after the schema's, sorted by name.
        version: Delta version to read; the newest if None.
        allow_null: do not check for nulls; the caller handles them.
        csv: the user's settings for CSV files.

    Raises:
        TableError: no such table, unknown content, or a row or value that violates the schema.
        MissingColumnError: a column of the schema is missing.
        ColumnTypeError: a column cannot be converted to the schema's type without loss.
    """
    opened = open_table(spark, TableName.parse(argument), schema.names, version, csv)
    return rows_of(spark, opened, argument, schema, keep_extra=keep_extra, allow_null=allow_null, csv=csv)


def rows_of(
    spark: SparkSession,
    opened: TypedTable | CsvFiles,
    argument: str,
    schema: StructType,
    *,
    keep_extra: bool,
    allow_null: bool,
    csv: CsvForm,
) -> DataFrame:
    """The rows of an opened table. Arguments and errors: as of `read_table`."""
    if isinstance(opened, CsvFiles):
        return _from_csv(spark, opened, schema, keep_extra, allow_null, csv)
    return _from_typed(opened, argument, schema, keep_extra, allow_null)


def read_columns(spark: SparkSession, argument: str, version: int | None = None, csv: CsvForm = AS_FOUND) -> list[str]:
    """The names of a table's columns, as `columns_of`.

    Args:
        spark: the session.
        argument: the table.
        version: Delta version; the newest if None.
        csv: the user's settings for CSV files.
    """
    return columns_of(open_table(spark, TableName.parse(argument), KNOWN_COLUMNS, version, csv), argument)


def columns_of(opened: TypedTable | CsvFiles, argument: str) -> list[str]:
    """The names of an opened table's columns, to distinguish the forms that a table may have.

    A name that differs only by case or outer spaces from one of a known schema is returned as that one.
    """
    names = opened.groups[0].names if isinstance(opened, CsvFiles) else opened.frame.columns
    matched = _matched(argument, names, sorted(KNOWN_COLUMNS))
    other = [name for number, name in enumerate(names) if number not in matched.position.values()]
    return [*matched.position, *other]


def _matched(argument: str, names: Sequence[str], wanted: Sequence[str]) -> Matched:
    matched = match_columns(names, wanted)
    if matched.doubled:
        raise TableError(
            f"table {argument} has the columns {', '.join(map(repr, matched.doubled))}, which differ by case or blanks "
            "alone: keep one"
        )
    return matched


def _require_columns(argument: str, names: Sequence[str], schema: StructType) -> Matched:
    """Matches the schema's columns by name. Logs names that differ by case or outer spaces."""
    matched = _matched(argument, names, schema.names)
    missing = [name for name in schema.names if name not in matched.position]
    if missing:
        raise MissingColumnError(argument, missing, names)
    if matched.renamed:
        pairs = ",".join(f"{in_file!r}->{name}" for name, in_file in matched.renamed.items())
        logger.info("table=%s columns_by_case_or_blanks=%s", argument, pairs)
    return matched


def _from_csv(
    spark: SparkSession, files: CsvFiles, schema: StructType, keep_extra: bool, allow_null: bool, csv: CsvForm
) -> DataFrame:
    argument = files.place.argument
    others: list[str] = []
    for group_number, group in enumerate(files.groups):
        source = argument if len(files.groups) == 1 else next(iter(group.files)).name
        matched = _require_columns(source, group.names, schema)
        extra = sorted(
            name for number, name in enumerate(group.names) if number not in matched.position.values() and name
        )
        if keep_extra and len(set(extra)) < len(extra):
            raise TableError(f"table {source} has one of the columns {', '.join(extra)} twice: keep one of each")
        if keep_extra and group_number and extra != others:
            raise TableError(
                f"table {source} has the further columns {', '.join(extra) or 'none'}, another file of {argument} has "
                f"{', '.join(others) or 'none'}: give each file the same columns"
            )
        others = extra
    for field in schema:
        if kind_of_type(field.dataType) is None:
            raise ColumnTypeError(argument, field.name, "string", field.dataType.simpleString())
    rows = read_csv(spark, files, schema, others if keep_extra else [], csv)
    _log_report(argument, rows.report, sum(len(group.files) * len(group.header.above) for group in files.groups))
    if not allow_null:
        require_no_null(argument, schema, {f"nulls_{name}": count for name, count in rows.report.nulls.items()})
    return rows.frame


def _log_report(argument: str, report: Report, above: int) -> None:
    """Logs how the files were interpreted, one line per fact."""
    left_out = {"blank_lines": report.blank, "repeated_headers": report.above - above}
    counts = "".join(f" {what}={count}" for what, count in left_out.items() if count > 0)
    if counts:
        logger.info("table=%s rows=%d left_out%s", argument, report.rows, counts)
    for column, count in report.rewritten.items():
        logger.info("table=%s column=%s cells=%d read 7 where 007 or 7.0 stands", argument, column, count)
    for column, count in report.naive.items():
        logger.info("table=%s column=%s cells=%d times without a zone are read as UTC", argument, column, count)
    if report.commas or report.unsure:
        logger.info("table=%s numbers=%d have a decimal comma", argument, report.commas + report.unsure)


def _from_typed(opened: TypedTable, argument: str, schema: StructType, keep_extra: bool, allow_null: bool) -> DataFrame:
    names = opened.frame.columns
    matched = _require_columns(argument, names, schema)
    # By position, since Spark does not distinguish columns whose names differ only by case.
    own = {name: names[number] for name, number in matched.position.items()}
    extra = sorted(name for number, name in enumerate(names) if number not in matched.position.values())
    actual = {field.name: field for field in opened.frame.schema}
    conversions: dict[str, Conversion] = {}
    for field in schema:
        column = F.col(quoted(own[field.name]))
        has = actual[own[field.name]]
        converted = conversion(column, has, field.dataType, as_text=own[field.name] in opened.as_text)
        if converted is None:
            raise ColumnTypeError(argument, field.name, has.dataType.simpleString(), field.dataType.simpleString())
        conversions[field.name] = converted
        if converted.notice:
            logger.info("table=%s column=%s %s", argument, field.name, converted.notice)
    _require_values(opened.frame, argument, schema, own, conversions, allow_null)
    return opened.frame.select(
        *[conversions[field.name].value.cast(field.dataType).alias(field.name) for field in schema],
        *[F.col(quoted(column)) for column in (extra if keep_extra else [])],
    )


def _require_values(
    frame: DataFrame,
    table: str,
    schema: StructType,
    own: dict[str, str],
    conversions: dict[str, Conversion],
    allow_null: bool,
) -> None:
    """In one pass, counts forbidden nulls per column and finds values that do not fit the type. Rejects both."""
    nullable = {field.name: field.nullable for field in frame.schema}
    not_null = [each for each in schema if not (allow_null or each.nullable) and nullable[own[each.name]]]
    to_fit = [field for field in schema if conversions[field.name].fits is not None]
    if not to_fit and not not_null:
        return
    checks = [
        F.count(F.when(F.col(quoted(own[field.name])).isNull(), 1)).alias(f"nulls_{field.name}") for field in not_null
    ]
    for field in to_fit:
        column = F.col(quoted(own[field.name]))
        bad = column.isNotNull() & ~F.coalesce(cast(Column, conversions[field.name].fits), F.lit(False))
        checks.append(F.min(F.when(bad, column.cast("string"))).alias(f"misfit_{field.name}"))
    row = frame.agg(*checks).collect()[0]
    for field in to_fit:
        if row[f"misfit_{field.name}"] is not None:
            raise TableError(
                f"table {table}: column {field.name} holds {row[f'misfit_{field.name}']!r}, "
                f"which is no {field.dataType.simpleString()}: {way_out(field.name, 'correct the value')}"
            )
    require_no_null(table, schema, row.asDict())
