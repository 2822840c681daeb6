"""The line that says what is wrong with a CSV: its file, the line's number, the row as it stands, the way out."""

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
    """The error of the first bad line, files by name: it does not depend on how Spark has cut them.

    Reads file after file on the driver until it is found, which costs time and decides nothing but the message.
    """
    for file, packed, layout in sorted(files, key=lambda each: each[0].name):
        number = 1
        for lines in lines_of(spark, file, packed):
            found = first_fault(lines, layout)
            if found is not None:
                place, fault = found
                return TableError(_in_words(table, file.name, number + place, lines[place], fault))
            number += len(lines)
    return TableError(f"table {table}: a file has changed while it was read: run again when its writer is done")


def first_comma(spark: SparkSession, table: str, files: Files, *, mixed: bool) -> TableError:
    """The error of numbers with a comma that may be a decimal mark or not. mixed: whether others have a point."""
    for file, packed, layout in sorted(files, key=lambda each: each[0].name):
        number = 1
        for lines in lines_of(spark, file, packed):
            place = first_line(lines, layout, lambda report: report.commas + report.unsure > 0)
            if place is not None:
                where = f"table {table}: line {number + place} of {file.name}, {shown(lines[place])!r}"
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
    kind = type_of_kind(fault.column.kind or "string").simpleString()
    mend = fault.why or way_out(fault.column.name, "correct the value")
    cell = fault.cell if len(fault.cell) <= 80 else fault.cell[:80] + "..."
    return f"table {table}: {where}: column {fault.column.name} holds {cell!r}, which is no {kind}: {mend}"
