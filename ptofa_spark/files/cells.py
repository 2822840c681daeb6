"""Strict parsing of CSV cells, which are text, into the values of a column.

A cell that does not fit its type is bad, never null: only an empty cell is null. Every function takes the cells of one
column, (rows,) of text with null for an empty cell. It returns the values, (rows,), and the row of the first bad cell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ptofa_spark.files.moments import days, moments

Kind = Literal["string", "long", "int", "double", "boolean", "date", "timestamp"]
_TRUE = pa.array(["true", "t", "yes", "y", "1", "1.0"])
_FALSE = pa.array(["false", "f", "no", "n", "0", "0.0"])
_WHOLE = r"^[+-]?[0-9]+(\.0*)?$"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NO_NUMBER = r"(?i)^([+-]?inf(inity)?|nan)$"  # Arrow reads these as numbers; the caller decides whether to allow them
_COMMA = r"^[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?$"  # one comma, as a decimal mark
_GROUPED = r"^[+-]?[1-9][0-9]{0,2},[0-9]{3}$"  # may mean 1.2 or 1200


@dataclass(frozen=True)
class Typed:
    """Parsed cells of one column.

    values: (rows,), null where the cell is null; bad: the first row whose cell does not fit, None if all fit.
    rewritten: number of cells with a whole number in non-canonical form, such as 007 or 7.0; naive: number of times
    without a zone; points, commas, unsure: number of cells with a decimal point, with a decimal comma, and with a comma
    that may be decimal or a thousands separator.
    """

    values: pa.Array
    bad: int | None = None
    rewritten: int = 0
    naive: int = 0
    points: int = 0
    commas: int = 0
    unsure: int = 0


def typed(cells: pa.Array, kind: Kind, decimal: str | None) -> Typed:
    """Parses the cells as values of a kind.

    Args:
        cells: (rows,), text.
        kind: the column's kind.
        decimal: the decimal mark; None if not known yet: cells with a comma are then counted and not parsed.
    """
    if kind == "string":
        return Typed(cells)
    cells = pc.utf8_trim_whitespace(cells)
    cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
    if kind == "boolean":
        return _boolean(cells)
    if kind == "date":
        values = days(cells)
        return Typed(values, _first_lost(cells, values))
    if kind == "timestamp":
        values, naive = moments(cells)
        return Typed(values, _first_lost(cells, values), naive=naive)
    counted = Typed(cells)
    if decimal != ".":
        cells, counted = _with_point(cells, decimal)
    parsed = _number(cells) if kind == "double" else _whole(cells, kind)
    return Typed(
        parsed.values, parsed.bad, parsed.rewritten, points=counted.points, commas=counted.commas, unsure=counted.unsure
    )


def text_of_whole(cells: pa.Array) -> pa.Array:
    """Cells of whole numbers as the file writes them, without outer blanks: (rows,), text."""
    return pc.utf8_trim_whitespace(cells)


def kind_of(cells: pa.Array) -> Kind | None:
    """The narrowest kind that fits all cells of a column, to infer an attribute's type; None if all are empty.

    Numbers with leading zeros are strings: 007 and 7 may be two postcodes.
    """
    if cells.null_count == len(cells):
        return None
    whole = _whole(pc.utf8_trim_whitespace(cells), "long")
    if whole.bad is None and whole.rewritten == 0:
        return "int" if _whole(pc.utf8_trim_whitespace(cells), "int").bad is None else "long"
    leading_zeros = pc.match_substring_regex(cells, r"^[+-]?0[0-9]")
    if not pc.any(leading_zeros).as_py() and _number(pc.utf8_trim_whitespace(cells)).bad is None:
        return "double"
    if pc.all(pc.is_in(pc.utf8_lower(cells), pa.array(["true", "false"])).filter(pc.is_valid(cells))).as_py():
        return "boolean"
    for kind in ("date", "timestamp"):
        if typed(cells, kind, ".").bad is None:
            return kind
    return "string"


def wider(one: Kind | None, other: Kind | None) -> Kind | None:
    """The kind of a column that holds cells of both kinds. None stands for empty cells.

    >>> wider("int", "double"), wider("boolean", "int"), wider(None, "date")
    ('double', 'string', 'date')
    """
    if one is None or other is None or one == other:
        return one or other
    for order in (("int", "long", "double"), ("date", "timestamp")):
        if one in order and other in order:
            return max(one, other, key=order.index)
    return "string"


def probably(cell: str, kind: Kind) -> str:
    """A guess at what a bad cell is and what to write instead, for a message; "" if there is none.

    >>> probably("1,200", "long")
    'a thousands separator? write 1200'
    >>> probably("10:00", "timestamp")
    'a time without its day? write 2025-01-31 10:00:00'
    """
    cell = cell.strip()
    if kind in ("date", "timestamp"):
        return _no_moment(cell, kind)
    if _matches(cell, r"^[+-]?[0-9]{1,3}([,.' \u00a0\u202f][0-9]{3})+$"):
        plain = "".join(each for each in cell if each.isdigit() or each in "+-")
        return f"a thousands separator? write {plain}"
    if kind == "double" and _matches(cell, _COMMA):
        return f"a decimal comma? write {cell.replace(',', '.')}, or give --csv-decimal ,"
    if kind in ("long", "int"):
        if _matches(cell, r"^[+-]?[0-9](\.[0-9]+)?[eE]\+?[0-9]+$"):
            return "a number that a spreadsheet has rounded? export it as text"
        if _matches(cell, _NUMBER):
            return "write a whole number"
        if _matches(cell, _WHOLE):
            return "too large"
    if cell.upper() in ("NULL", "NA", "N/A", "NONE", "\\N", "-"):
        return "a mark for no value? leave the cell empty"
    return ""


def _no_moment(cell: str, kind: Kind) -> str:
    wanted = "2025-01-31" if kind == "date" else "2025-01-31 10:00:00"
    if _matches(cell, r"^[0-9]{5}(\.[0-9]+)?$"):
        return f"the serial number of a day in a spreadsheet? format the column as {wanted}"
    if _matches(cell, r"^[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?( ?[aApP][mM])?$"):
        return f"a time without its day? write {wanted}"
    if _matches(cell, r"^[0-9]{9,13}(\.[0-9]+)?$"):
        return f"seconds since 1970? write {wanted}"
    if kind == "date" and _matches(cell, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]"):
        return "a time of day where a day is wanted"
    return f"write it as {wanted}"


def _matches(cell: str, pattern: str) -> bool:
    return re.search(pattern, cell) is not None


def _first_lost(cells: pa.Array, values: pa.Array) -> int | None:
    """The first row whose cell is not null but whose value is; None if there is none."""
    if values.null_count == cells.null_count:
        return None
    return int(pc.index(pc.and_(pc.is_valid(cells), pc.is_null(values)), True).as_py())


def _boolean(cells: pa.Array) -> Typed:
    lower = pc.utf8_lower(cells)
    is_true = pc.is_in(lower, _TRUE)
    known = pc.or_(is_true, pc.is_in(lower, _FALSE))
    values = pc.if_else(known, is_true, pa.scalar(None, pa.bool_()))
    return Typed(values, _first_lost(cells, values))


def _whole(cells: pa.Array, kind: Kind) -> Typed:
    try:
        values = pc.cast(cells, pa.int64())
        # Arrow parses 007 and 0x1F too. Only a number in canonical form equals its value printed.
        canonical = pc.all(pc.equal(pc.cast(values, pa.string()), cells), min_count=0).as_py()
        rewritten = 0
    except pa.ArrowInvalid:
        canonical = False
    if not canonical:
        values, rewritten = _whole_of_other_forms(cells)
    if kind == "int":
        fits = pc.and_(pc.greater_equal(values, -(2**31)), pc.less(values, 2**31))
        values = pc.cast(pc.if_else(fits, values, pa.scalar(None, pa.int64())), pa.int32())
    return Typed(values, _first_lost(cells, values), rewritten)


def _whole_of_other_forms(cells: pa.Array) -> tuple[pa.Array, int]:
    """Whole numbers such as 007, +7 and 7.0, null for other cells; and how many are not in canonical form."""
    plain = pc.if_else(pc.match_substring_regex(cells, _WHOLE), cells, pa.scalar(None, pa.string()))
    plain = pc.replace_substring_regex(plain, r"\.0*$", "")
    plain = pc.replace_substring_regex(plain, r"^\+", "")
    plain = pc.replace_substring_regex(plain, r"^(-?)0+([0-9])", r"\1\2")
    plain = pc.if_else(pc.equal(plain, "-0"), "0", plain)
    # Arrow rejects numbers beyond 64 bits; Python's integers then find the cells that fit.
    try:
        values = pc.cast(plain, pa.int64())
    except pa.ArrowInvalid:
        numbers = [None if each is None else int(each) for each in plain.to_pylist()]
        values = pa.array([each if each is not None and -(2**63) <= each < 2**63 else None for each in numbers])
        values = pc.cast(values, pa.int64())
    return values, int(pc.sum(pc.not_equal(plain, cells), min_count=0).as_py())


def _number(cells: pa.Array) -> Typed:
    try:
        return Typed(pc.cast(cells, pa.float64()))
    except pa.ArrowInvalid:
        good = pc.or_(pc.match_substring_regex(cells, _NUMBER), pc.match_substring_regex(cells, _NO_NUMBER))
        plain = pc.if_else(good, cells, pa.scalar(None, pa.string()))
        try:
            values = pc.cast(pc.replace_substring_regex(plain, r"^\+", ""), pa.float64())
        except pa.ArrowInvalid:  # a form that only Python parses, such as "5." with an exponent
            values = pa.array([None if each is None else float(each) for each in plain.to_pylist()], pa.float64())
        return Typed(values, _first_lost(cells, values))


def _with_point(cells: pa.Array, decimal: str | None) -> tuple[pa.Array, Typed]:
    """Replaces the decimal mark by a point, and counts the marks.

    If the mark is a comma, a cell with a point is no number. If the mark is unknown, cells with a comma become null.
    """
    comma: Any = pc.match_substring(cells, ",")
    if decimal is None and not pc.any(comma, min_count=0).as_py():
        points = pc.sum(pc.match_substring(cells, "."), min_count=0).as_py()
        return cells, Typed(cells, points=int(points))
    if decimal == ",":
        # A cell with a point must not become a number: append a character that no number has.
        dotted = pc.match_substring(cells, ".")
        turned = pc.replace_substring(cells, ",", ".")
        return pc.if_else(dotted, pc.binary_join_element_wise(cells, "?", ""), turned), Typed(cells)
    fits = pc.match_substring_regex(cells, _COMMA)
    unsure = pc.match_substring_regex(cells, _GROUPED)
    points = pc.sum(pc.match_substring(cells, "."), min_count=0).as_py()
    counted = Typed(
        cells,
        points=int(points),
        commas=int(pc.sum(pc.and_not(fits, unsure), min_count=0).as_py()),
        unsure=int(pc.sum(unsure, min_count=0).as_py()),
    )
    return pc.if_else(fits, pa.scalar(None, pa.string()), cells), counted
