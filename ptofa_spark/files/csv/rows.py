"""Checks and parses the rows of a CSV. A line is a row, with one cell per column of the header.

A chunk is any number of lines of one file. Whether a line is bad does not depend on the other lines of its chunk.
So a file may be cut into chunks anywhere, and bisection finds the first bad line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ptofa_spark.files.cells import kind_of, probably, text_of_whole, typed
from ptofa_spark.files.csv.layout import Field, Layout
from ptofa_spark.files.csv.report import Fault, Report, with_column
from ptofa_spark.files.formats import looks_like

_SHOWN = 120  # characters of a bad row
_END = "\x02"  # fills a line added after each chunk: an unclosed quote before it would swallow it


def check(lines: pa.Array, layout: Layout) -> Report:
    """Counts a chunk's rows and checks every cell of the layout's fields.

    Args:
        lines: (lines,), text or bytes, without line ends.
        layout: the file's layout.
    """
    split = _split(lines, layout)
    if split.fault is not None:
        return Report(fault=split.fault)
    cells = split.cells
    report = Report(rows=split.rows, blank=split.blank, above=split.above)
    for column in layout.fields:
        text = cells[column.name]
        if column.kind is None:
            report = replace(report, kinds={**report.kinds, column.name: kind_of(text)})
            continue
        values = typed(text, column.kind, layout.decimal)
        if values.bad is not None:
            cell = text[values.bad].as_py()
            return replace(report, fault=Fault(probably(cell, column.kind), column, cell))
        report = with_column(report, column, values)
    return report


def read(lines: pa.Array, layout: Layout) -> pa.RecordBatch:
    """Parses a chunk that `check` found good: one column per field of the layout, of the field's kind.

    Raises:
        ValueError: the chunk is bad.
    """
    split = _split(lines, layout)
    columns = {}
    for column in layout.fields:
        if split.fault is None:
            values = typed(split.cells[column.name], column.kind or "string", layout.decimal or ".")
            columns[column.name] = values.values
        if split.fault is not None or values.bad is not None:
            raise ValueError("a file has changed since it was checked: run again when its writer is done")
    return pa.RecordBatch.from_pydict(columns)


def texts(lines: pa.Array, layout: Layout, column: str) -> pa.Array:
    """The cells of one column of whole numbers of a good chunk, as the file writes them: (rows,), text."""
    return text_of_whole(_split(lines, layout).cells[column])


def first_fault(lines: list[bytes], layout: Layout) -> tuple[int, Fault] | None:
    """Index and fault of the first bad line; None if all lines are good."""
    index = first_line(lines, layout, lambda report: report.fault is not None)
    if index is None:
        return None
    fault = check(pa.array(lines[index : index + 1], pa.binary()), layout).fault
    return (index, fault) if fault is not None else None


def first_line(lines: list[bytes], layout: Layout, holds: Callable[[Report], bool]) -> int | None:
    """Index of the first line for whose report `holds` is true; None if there is none.

    Uses bisection: `holds` must be true for the report of several lines if and only if it is for one of them.
    """
    low, high = 0, len(lines) - 1
    if not holds(check(pa.array(lines, pa.binary()), layout)):
        return None
    while low < high:
        middle = (low + high) // 2
        if holds(check(pa.array(lines[low : middle + 1], pa.binary()), layout)):
            high = middle
        else:
            low = middle + 1
    return low


def shown(line: bytes) -> str:
    """A line for a message: at most 120 characters, printable, in one line."""
    text = line[: 4 * _SHOWN].decode("utf-8", errors="replace")
    text = "".join(each if each.isprintable() or each == "\t" else "?" for each in text).replace("\t", "\\t")
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


@dataclass(frozen=True)
class _Split:
    """A chunk cut into cells. cells: (rows,) of text by field, none if there is a fault; the others: see `Report`."""

    cells: dict[str, pa.Array] = field(default_factory=dict)
    rows: int = 0
    blank: int = 0
    above: int = 0
    fault: Fault | None = None


def _split(lines: pa.Array, layout: Layout) -> _Split:
    lines = lines.cast(pa.binary())
    line_count = len(lines)
    is_above = [pc.equal(lines, pa.scalar(line, pa.binary())) for line in layout.above]
    above = sum(int(pc.sum(each, min_count=0).as_py()) for each in is_above)
    if above:
        lines = lines.filter(pc.invert(reduce(pc.or_, is_above)))
    blank = pc.match_substring_regex(lines, f'^[{_in_class(layout.separator)}\\s"]*$')
    if pc.any(blank, min_count=0).as_py():
        lines = lines.filter(pc.invert(blank))
    fault = _text_fault(lines)
    if fault is not None:
        return _Split(fault=fault)
    end = layout.separator.join([_END] * layout.width).encode()
    everything = pa.concat_arrays([lines, pa.array([end], pa.binary())])
    body = pc.binary_join(pa.ListArray.from_arrays([0, len(everything)], everything), b"\n")[0].as_buffer()
    wrong: list[csv.InvalidRow] = []
    table = _parsed(body, layout, wrong)
    if wrong:
        return _Split(fault=_width_fault(wrong[0], layout))
    rows = table.num_rows - 1
    # The added line is the last row unless an unclosed quote before it has swallowed it.
    if rows != len(lines) or any(column[rows].as_py() != _END for column in table.columns):
        return _Split(fault=Fault(_UNCLOSED))
    table = table.slice(0, rows)
    cells = {each.name: _cells(table, each) for each in layout.fields}
    return _Split(cells, rows, line_count - above - rows, above)


_UNCLOSED = "a quote is opened and not closed on this line: close it, or write the cell on one line"


def _in_class(character: str) -> str:
    """A character, escaped for a character class of a regular expression."""
    return "\\" + character if character in "\\]^-|" else character


def _text_fault(lines: pa.Array) -> Fault | None:
    """The fault of lines that are not UTF-8 or have an odd number of quotes; None if there is none."""
    try:
        text = lines.cast(pa.string())
    except pa.ArrowInvalid:
        bad = next(line for line in lines.to_pylist() if not _is_utf_8(line))
        return Fault(f"is not UTF-8, it looks like {looks_like(bad)}: save the file as CSV UTF-8")
    if pc.any(pc.match_substring(text, '"'), min_count=0).as_py():
        quotes = pc.bit_wise_and(pc.count_substring(text, '"'), 1)
        if pc.any(pc.equal(quotes, 1)).as_py():
            return Fault(_UNCLOSED)
    return None


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parsed(body: pa.Buffer, layout: Layout, wrong: list[csv.InvalidRow]) -> pa.Table:
    """Parses the cells as text, null if empty. Rows of a wrong width are left out and appended to `wrong`."""

    def record_wrong_width(row: csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    names = [str(position) for position in range(layout.width)]
    positions = sorted({each.position for each in layout.fields if each.position is not None}) or [0]
    wanted = [names[position] for position in positions]
    return csv.read_csv(
        pa.BufferReader(body),
        read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=len(body) + 1),
        parse_options=csv.ParseOptions(
            delimiter=layout.separator,
            double_quote=True,
            newlines_in_values=False,
            invalid_row_handler=record_wrong_width,
        ),
        convert_options=csv.ConvertOptions(
            column_types={name: pa.string() for name in wanted},
            include_columns=wanted,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _width_fault(row: csv.InvalidRow, layout: Layout) -> Fault:
    width, wanted = row.actual_columns, row.expected_columns
    if width < wanted:
        cause = "an export that was cut off, or a line break within a cell? write the row again"
    elif layout.separator == "," and _comma_in_number((row.text or "").split(","), layout):
        cause = (
            "a decimal comma or a thousands separator? write 3.5 and 1200, quote the cell, or separate by semicolons"
        )
    else:
        cause = "a separator within a cell? quote the cell"
    return Fault(f"has {width} cells, the header has {wanted}: {cause}")


def _comma_in_number(cells: list[str], layout: Layout) -> bool:
    """Whether the row would be good if the comma after one of its numbers were part of the number."""
    for column in layout.fields:
        if column.position is None or column.kind not in ("double", "long", "int"):
            continue
        left, right = cells[column.position : column.position + 1], cells[column.position + 1 : column.position + 2]
        if all(part.strip().isdigit() for part in [*left, *right]) and right:
            others = [*cells[: column.position], *cells[column.position + 1 :]]
            if len(cells) > layout.width + 1 or _fits(others, layout):
                return True
    return False


def _fits(cells: list[str], layout: Layout) -> bool:
    """Whether every cell of a number column is a number."""
    numbers = [each for each in layout.fields if each.position is not None and each.kind in ("double", "long", "int")]
    return all(typed(pa.array([cells[each.position or 0]]), each.kind or "string", ".").bad is None for each in numbers)


def _cells(table: pa.Table, column: Field) -> pa.Array:
    if column.position is None:
        return pa.array([column.constant], pa.string()).take(pa.array([0] * table.num_rows, pa.int64()))
    chunks = table.column(str(column.position)).chunks
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks or [pa.array([], pa.string())])
