"""Error messages for bad CSV lines: file, line number, row or cell, and remedy."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import SparkSession

from ptofa_spark.errors import TableError, way_out
from ptofa_spark.files.csv.layout import Layout
from ptofa_spark.files.csv.report import Fault
from ptofa_spark.files.csv.rows import first_fault, first_line, shown
from ptofa_spark.files.formats import Format
from ptofa_spark.files.kinds import type_of_kind
from ptofa_spark.files.places import DataFile, lines_of

Files = Sequence[tuple[DataFile, Format, Layout]]


def first_faulty_line(spark: SparkSession, table: str, files: Files) -> TableError:
    """The error for the first bad line, in order of file names, so that it does not depend on Spark's partitions.

    Reads file after file on the driver. That is slow, but happens only before a failing run ends.
    """
    for file, packed, layout in sorted(files, key=lambda each: each[0].name):
        number = 1
        for lines in lines_of(spark, file, packed):
            faulty = first_fault(lines, layout)
            if faulty is not None:
                index, fault = faulty
                return TableError(_in_words(table, file.name, number + index, lines[index], fault))
            number += len(lines)
    return TableError(f"table {table}: a file has changed while it was read: run again when its writer is done")


def first_comma(spark: SparkSession, table: str, files: Files, *, mixed: bool) -> TableError:
    """The error for the first number with an ambiguous comma. mixed: whether other numbers have a point."""
    for file, packed, layout in sorted(files, key=lambda each: each[0].name):
        number = 1
        for lines in lines_of(spark, file, packed):
            index = first_line(lines, layout, lambda report: report.commas + report.unsure > 0)
            if index is not None:
                where = f"table {table}: line {number + index} of {file.name}, {shown(lines[index])!r}"
                if mixed:
                    return TableError(
                        f"{where}: a number has a comma, others of the table have a point: write all of them alike, "
                        "or say which is the decimal mark by --csv-decimal"
                    )
                return TableError(
                    f"{where}: a comma may be a decimal mark or a thousands separator (1,200 is 1.2 or 1200): say that "
                    "it is the decimal mark by --csv-decimal , or take the separators out"
                )
            number += len(lines)
    return TableError(f"table {table}: a file has changed while it was read: run again when its writer is done")


def _in_words(table: str, file: str, number: int, line: bytes, fault: Fault) -> str:
    where = f"line {number} of {file}" if file != table else f"line {number}"
    if fault.column is None:
        return f"table {table}: {where}, {shown(line)!r}: {fault.why}"
    type_name = type_of_kind(fault.column.kind or "string").simpleString()
    remedy = fault.why or way_out(fault.column.name, "correct the value")
    cell = fault.cell if len(fault.cell) <= 80 else fault.cell[:80] + "..."
    return f"table {table}: {where}: column {fault.column.name} holds {cell!r}, which is no {type_name}: {remedy}"
