"""How the rows of a CSV are laid out, and which of their cells are to be read."""

from __future__ import annotations

from dataclasses import dataclass

from ptofa_spark.files.cells import Kind


@dataclass(frozen=True)
class Field:
    """A column to be read. place: its number in the file, or None of a partition folder's, whose text is `constant`.

    required: whether it may hold no empty cell; kind: None for an attribute whose kind the cells are to tell.
    """

    name: str
    kind: Kind | None
    place: int | None
    required: bool = False
    constant: str | None = None


@dataclass(frozen=True)
class Layout:
    """How the files of one header are read.

    separator, width: of a row, in cells; above: lines that are no rows; decimal: the decimal mark, None as long as it
    is to be found; fields: the columns to read, in the order of the result.
    """

    separator: str
    width: int
    above: tuple[bytes, ...]
    decimal: str | None
    fields: tuple[Field, ...]
