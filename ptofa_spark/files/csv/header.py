"""The header of a CSV: its separator and its column names, from the header line and from nothing else."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Collection
from dataclasses import dataclass

from ptofa_spark.files.column_names import folded

SEPARATORS = (",", ";", "\t", "|")
# What a spreadsheet writes above the header to name the separator.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^"])"?')
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class CsvForm:
    """How CSV files are read: what a user says of them, None where it is to be found, and where.

    separator: of cells, else found in the header line; decimal: the decimal mark, else a point, or what the cells show
    where the separator is no comma; driver_bytes: Spark reads larger tables, the driver reads the others.
    """

    separator: str | None = None
    decimal: str | None = None
    driver_bytes: int = 16 * 2**20


@dataclass(frozen=True)
class Header:
    """separator: one character; names: of the columns, as they stand; above: lines that are no rows, the header last.

    number: the header's line number, from 1.
    """

    separator: str
    names: tuple[str, ...]
    above: tuple[bytes, ...]
    number: int


def read_header(head: bytes, wanted: Collection[str], separator: str | None = None) -> Header | None:
    """The header in a file's first bytes; None where there is none: the file is empty.

    The separator is the one that finds most of the wanted columns, then the one that stands there most often.

    Args:
        head: the file's first bytes, with the whole header line.
        wanted: names of columns that a contract has.
        separator: what the user says it is; None to find it in the header line.

    Raises:
        UnicodeDecodeError: the header is not UTF-8.

    >>> read_header(b"user_id;demand", ["user_id", "demand"]).separator
    ';'
    """
    above: list[bytes] = []
    for number, raw in enumerate(_LINE_END.split(head.removeprefix(codecs.BOM_UTF8)), start=1):
        line = raw.decode("utf-8")
        if not line.strip():
            continue
        above.append(raw)
        named = _SEPARATOR_LINE.fullmatch(line)
        if named and len(above) == 1:
            separator = separator or named["separator"]
            continue
        chosen = separator or _separator(line, wanted)
        return Header(chosen, tuple(_cells(line, chosen)), tuple(above), number)
    return None


def _separator(line: str, wanted: Collection[str]) -> str:
    known = {folded(name) for name in wanted}

    def fits(separator: str) -> tuple[int, int]:
        cells = _cells(line, separator)
        return len(known & {folded(cell) for cell in cells}), len(cells)

    # Of equals the first stands: the comma.
    return max(SEPARATORS, key=fits)


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator, doublequote=True), [""])
