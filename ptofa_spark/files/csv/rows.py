"""The rows of a CSV: each line one row, each row as many cells as the header, each cell a value of its column.

A chunk is some lines of one file, in any number. What is wrong with a line does not depend on the other lines of its
chunk: so a file may be cut into chunks anywhere, and the first bad line is found by bisection.
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
_END = "\x02"  # a cell of the line that ends each chunk: an unclosed quote before it swallows it


def check(lines: pa.Array, layout: Layout) -> Report:
    """Counts a chunk's rows and tries every cell that is to be read.

    Args:
        lines: (lines,), text or bytes, without line ends.
        layout: of the file.
    """
    split = _split(lines, layout)
    if split.fault is not None:
        return Report(fault=split.fault)
    cells = split.cells
    found = Report(rows=split.rows, blank=split.blank, above=split.above)
    for column in layout.fields:
        text = cells[column.name]
        if column.kind is None:
            found = replace(found, kinds={**found.kinds, column.name: kind_of(text)})
            continue
        values = typed(text, column.kind, layout.decimal)
        if values.bad is not None:
            cell = text[values.bad].as_py()
            return replace(found, fault=Fault(probably(cell, column.kind), column, cell))
        found = with_column(found, column, values)
    return found


def read(lines: pa.Array, layout: Layout) -> pa.RecordBatch:
    """The rows of a chunk that `check` found good: a column per field of the layout, of its kind.

    Raises:
        ValueError: the chunk is not good.
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
    """The cells of one column of whole numbers of a good chunk, as they stand: (rows,), text."""
    return text_of_whole(_split(lines, layout).cells[column])


def first_fault(lines: list[bytes], layout: Layout) -> tuple[int, Fault] | None:
    """The first bad line, its place in the list and what is wrong with it; None if all lines are good."""
    place = first_line(lines, layout, lambda report: report.fault is not None)
    if place is None:
        return None
    fault = check(pa.array(lines[place : place + 1], pa.binary()), layout).fault
    return (place, fault) if fault is not None else None


def first_line(lines: list[bytes], layout: Layout, holds: Callable[[Report], bool]) -> int | None:
    """The place of the first line whose report it holds of, None if there is none.

    By bisection: it must hold of the report of many lines if and only if it holds of one of them.
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
    """A line as a message shows it: shortened, in one line, whatever its bytes are."""
    text = line[: 4 * _SHOWN].decode("utf-8", errors="replace")
    text = "".join(each if each.isprintable() or each == "\t" else "?" for each in text).replace("\t", "\\t")
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


@dataclass(frozen=True)
class _Split:
    """cells: (rows,) of text by field; or a fault."""

    cells: dict[str, pa.Array] = field(default_factory=dict)
    rows: int = 0
    blank: int = 0
    above: int = 0
    fault: Fault | None = None


def _split(lines: pa.Array, layout: Layout) -> _Split:
    lines = lines.cast(pa.binary())
    given = len(lines)
    is_above = [pc.equal(lines, pa.scalar(line, pa.binary())) for line in layout.above]
    above = sum(int(pc.sum(each, min_count=0).as_py()) for each in is_above)
    if above:
        lines = lines.filter(pc.invert(reduce(pc.or_, is_above)))
    blank = pc.match_substring_regex(lines, f'^[{_in_class(layout.separator)}\\s"]*$')
    if pc.any(blank, min_count=0).as_py():
        lines = lines.filter(pc.invert(blank))
    fault = _of_the_text(lines)
    if fault is not None:
        return _Split(fault=fault)
    end = layout.separator.join([_END] * layout.width).encode()
    everything = pa.concat_arrays([lines, pa.array([end], pa.binary())])
    body = pc.binary_join(pa.ListArray.from_arrays([0, len(everything)], everything), b"\n")[0].as_buffer()
    wrong: list[csv.InvalidRow] = []
    table = _parsed(body, layout, wrong)
    if wrong:
        return _Split(fault=_of_the_width(wrong[0], layout))
    rows = table.num_rows - 1
    # The closing line is a row of its own, in every column, unless a quote before it has swallowed it.
    if rows != len(lines) or any(column[rows].as_py() != _END for column in table.columns):
        return _Split(fault=Fault(_UNCLOSED))
    table = table.slice(0, rows)
    cells = {each.name: _cells(table, each) for each in layout.fields}
    return _Split(cells, rows, given - above - rows, above)


_UNCLOSED = "a quote is opened and not closed on this line: close it, or write the cell on one line"


def _in_class(character: str) -> str:
    """A character as it stands in a class of a regular expression."""
    return "\\" + character if character in "\\]^-|" else character


def _of_the_text(lines: pa.Array) -> Fault | None:
    """Lines that are no UTF-8, or have a quote too many."""
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
    """The cells as text, an empty one null; rows of another width are put into `wrong` and left out."""

    def of_another_width(row: csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    names = [str(place) for place in range(layout.width)]
    read = sorted({each.place for each in layout.fields if each.place is not None}) or [0]
    wanted = [names[place] for place in read]
    return csv.read_csv(
        pa.BufferReader(body),
        read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=len(body) + 1),
        parse_options=csv.ParseOptions(
            delimiter=layout.separator,
            double_quote=True,
            newlines_in_values=False,
            invalid_row_handler=of_another_width,
        ),
        convert_options=csv.ConvertOptions(
            column_types={name: pa.string() for name in wanted},
            include_columns=wanted,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _of_the_width(row: csv.InvalidRow, layout: Layout) -> Fault:
    found, wanted = row.actual_columns, row.expected_columns
    if found < wanted:
        cause = "an export that was cut off, or a line break within a cell? write the row again"
    elif layout.separator == "," and _comma_in_number((row.text or "").split(","), layout):
        cause = (
            "a decimal comma or a thousands separator? write 3.5 and 1200, quote the cell, or separate by semicolons"
        )
    else:
        cause = "a separator within a cell? quote the cell"
    return Fault(f"has {found} cells, the header has {wanted}: {cause}")


def _comma_in_number(cells: list[str], layout: Layout) -> bool:
    """Whether the row would be right if the comma behind one of its numbers were a part of the number."""
    for column in layout.fields:
        if column.place is None or column.kind not in ("double", "long", "int"):
            continue
        left, right = cells[column.place : column.place + 1], cells[column.place + 1 : column.place + 2]
        if all(part.strip().isdigit() for part in [*left, *right]) and right:
            others = [*cells[: column.place], *cells[column.place + 1 :]]
            if len(cells) > layout.width + 1 or _fits(others, layout):
                return True
    return False


def _fits(cells: list[str], layout: Layout) -> bool:
    """Whether every cell that is to be a number is one."""
    numbers = [each for each in layout.fields if each.place is not None and each.kind in ("double", "long", "int")]
    return all(typed(pa.array([cells[each.place or 0]]), each.kind or "string", ".").bad is None for each in numbers)


def _cells(table: pa.Table, column: Field) -> pa.Array:
    if column.place is None:
        return pa.array([column.constant], pa.string()).take(pa.array([0] * table.num_rows, pa.int64()))
    chunks = table.column(str(column.place)).chunks
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks or [pa.array([], pa.string())])
