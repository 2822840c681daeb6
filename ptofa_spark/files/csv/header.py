"""Parses the header line of a CSV: its separator and its column names."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Collection
from dataclasses import dataclass

from ptofa_spark.files.column_names import folded

SEPARATORS = (",", ";", "\t", "|")
# A line above the header by which a spreadsheet names the separator.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^"])"?')
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class CsvForm:
    """The user's settings for CSV files; None where they are detected.

    separator: of cells; if None, detected in the header line. decimal: the decimal mark; if None, a point, or detected
    in the cells if the separator is not a comma. driver_bytes: Spark reads larger tables, the driver reads
    the others.
    """

    separator: str | None = None
    decimal: str | None = None
    driver_bytes: int = 16 * 2**20


@dataclass(frozen=True)
class Header:
    """A parsed header.

    separator: one character; names: column names, unchanged; above: the lines before the first row, the header last;
    number: the header's line number, from 1.
    """

    separator: str
    names: tuple[str, ...]
    above: tuple[bytes, ...]
    number: int


def read_header(head: bytes, wanted: Collection[str], separator: str | None = None) -> Header | None:
    """Parses the header in a file's first bytes; None if the file has none because it is empty.

    The separator is the one that yields most of the wanted columns; among equals, the one that yields most columns.

    Args:
        head: the file's first bytes, with the whole header line.
        wanted: column names of the schema.
        separator: the user's; None to detect it in the header line.

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

    # Among equals, max takes the first: the comma.
    return max(SEPARATORS, key=fits)


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator, doublequote=True), [""])
