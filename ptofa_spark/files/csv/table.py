"""Reads a table of CSV files. All rows are checked before any row is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from ptofa_spark.errors import TableError
from ptofa_spark.files.cells import Kind
from ptofa_spark.files.column_names import match_columns
from ptofa_spark.files.csv.faults import Files, first_comma, first_faulty_line
from ptofa_spark.files.csv.files import CsvFiles, HeaderGroup
from ptofa_spark.files.csv.header import CsvForm
from ptofa_spark.files.csv.layout import Field, Layout
from ptofa_spark.files.csv.lines import Lines, open_lines
from ptofa_spark.files.csv.report import Report
from ptofa_spark.files.kinds import kind_of_type, type_of_kind


@dataclass(frozen=True)
class CsvRows:
    """A parsed table. frame: the schema's columns in its types, then the others; report: on all files."""

    frame: DataFrame
    report: Report


def read_csv(spark: SparkSession, files: CsvFiles, schema: StructType, others: Sequence[str], form: CsvForm) -> CsvRows:
    """Checks every row and every cell of the columns to read, then reads them.

    Args:
        spark: the session.
        files: the table's files, each with all columns of the schema.
        schema: columns to read, of types that a CSV cell can hold.
        others: names of further columns, which every file has; their types are inferred from the cells.
        form: the user's settings for CSV files.

    Raises:
        TableError: a row or a cell is bad, with its file, line and text; or two texts stand for the same id.
    """
    lines = open_lines(spark, files.groups, form.driver_bytes)
    layouts = [_layout(group, schema, others, form) for group in files.groups]
    report, layouts = _checked(spark, files, lines, layouts)
    for field in schema:
        if field.name.endswith("_id") and report.rewritten.get(field.name):
            _require_one_text_per_id(lines, layouts, field.name, files.place.argument)
    kinds: dict[str, Kind] = {name: report.kinds.get(name) or "string" for name in others}
    layouts = [_with_kinds(layout, kinds) for layout in layouts]
    fields = [StructField(field.name, field.dataType) for field in schema]
    fields += [StructField(name, type_of_kind(kinds[name])) for name in others]
    return CsvRows(lines.frame(layouts, StructType(fields)), report)


def _layout(group: HeaderGroup, schema: StructType, others: Sequence[str], form: CsvForm) -> Layout:
    position = match_columns(group.names, [*schema.names, *others]).position
    width = len(group.header.names)
    separator = group.header.separator
    required = {field.name: not field.nullable for field in schema}
    kinds = {field.name: kind_of_type(field.dataType) for field in schema}

    def field(name: str) -> Field:
        number = position[name]
        if number < width:
            return Field(name, kinds.get(name), number, required.get(name, False))
        return Field(name, kinds.get(name), None, required.get(name, False), group.partition[number - width][1])

    fields = tuple(field(name) for name in [*schema.names, *others])
    decimal = form.decimal or ("." if separator == "," else None)
    return Layout(separator, width, group.header.above, decimal, fields)


def _checked(spark: SparkSession, files: CsvFiles, lines: Lines, layouts: list[Layout]) -> tuple[Report, list[Layout]]:
    """The report on all files, and the layouts with the detected decimal mark."""
    table = files.place.argument
    report = _without_fault(spark, table, _each(files, layouts), lines.check(layouts))
    if report.commas or report.unsure:
        if report.points or not report.commas:
            raise first_comma(spark, table, _each(files, layouts), mixed=bool(report.points))
        layouts = [replace(layout, decimal=layout.decimal or ",") for layout in layouts]
        report = _without_fault(spark, table, _each(files, layouts), lines.check(layouts))
    return report, [replace(layout, decimal=layout.decimal or ".") for layout in layouts]


def _without_fault(spark: SparkSession, table: str, files: Files, report: Report) -> Report:
    if report.fault is not None:
        raise first_faulty_line(spark, table, files)
    return report


def _each(files: CsvFiles, layouts: Sequence[Layout]) -> Files:
    return [
        (file, packed, layout)
        for group, layout in zip(files.groups, layouts, strict=True)
        for file, packed in group.files.items()
    ]


def _with_kinds(layout: Layout, kinds: Mapping[str, Kind]) -> Layout:
    return replace(layout, fields=tuple(replace(each, kind=each.kind or kinds[each.name]) for each in layout.fields))


def _require_one_text_per_id(lines: Lines, layouts: Sequence[Layout], column: str, table: str) -> None:
    """Rejects ids such as 007 and 7, which are two texts but one number."""
    by_number = lines.ids(layouts, column).groupBy("number")
    two = by_number.agg(F.min("text").alias("one"), F.max("text").alias("other")).where("one <> other")
    pair = two.orderBy("number").first()
    if pair is not None:
        raise TableError(
            f"table {table}: column {column} holds {pair['one']!r} and {pair['other']!r}, which are the same number: "
            f"write each id in one way, or number the users anew where they are two"
        )
