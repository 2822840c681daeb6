"""The layout of CSV rows: which cells to read, and as what."""

from __future__ import annotations

from dataclasses import dataclass

from ptofa_spark.files.cells import Kind


@dataclass(frozen=True)
class Field:
    """A column to read.

    kind: None for an attribute whose kind is inferred from the cells; position: its number in the file, from 0, or None
    for the column of a partition folder, whose text is `constant`; required: whether empty cells are rejected.
    """

    name: str
    kind: Kind | None
    position: int | None
    required: bool = False
    constant: str | None = None


@dataclass(frozen=True)
class Layout:
    """How to read the files of one header.

    separator: of cells; width: cells per row; above: the lines before the first row; decimal: the decimal mark, None
    until it is detected; fields: the columns to read, in the order of the result.
    """

    separator: str
    width: int
    above: tuple[bytes, ...]
    decimal: str | None
    fields: tuple[Field, ...]
