"""The files of a CSV table and their headers: each file is read by its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from ptofa_spark.errors import TableError
from ptofa_spark.files.csv.header import CsvForm, Header, read_header
from ptofa_spark.files.formats import Format, looks_like
from ptofa_spark.files.places import DataFile, Place, text_head


@dataclass(frozen=True)
class HeaderGroup:
    """Files of one header and one partition. files: each with the format that it is packed by, csv if it is not."""

    header: Header
    partition: tuple[tuple[str, str | None], ...]
    files: Mapping[DataFile, Format]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns: of the header, then of the partition."""
        return (*self.header.names, *[key for key, _ in self.partition])


@dataclass(frozen=True)
class CsvFiles:
    """The files of a table by their headers."""

    place: Place
    groups: tuple[HeaderGroup, ...]


def open_csv(
    spark: SparkSession, place: Place, packed: Mapping[DataFile, Format], wanted: Sequence[str], form: CsvForm
) -> CsvFiles:
    """Reads the header of every file.

    Args:
        spark: the session.
        place: where the files are.
        packed: the format of each: csv, or by what it is compressed.
        wanted: the columns of the contract, by which a separator is known.
        form: what the user says of the files.

    Raises:
        TableError: a header is not UTF-8, a file cannot be unpacked, or there is no header at all.
    """
    found: dict[tuple[Header, tuple[tuple[str, str | None], ...]], dict[DataFile, Format]] = {}
    for file in place.files:
        header = _header(spark, file, packed[file], wanted, form)
        if header is not None:
            found.setdefault((header, file.partition), {})[file] = packed[file]
    if not found:
        raise TableError(f"table {place.argument} is empty: write a header and rows")
    return CsvFiles(place, tuple(HeaderGroup(*key, files) for key, files in found.items()))


def _header(spark: SparkSession, file: DataFile, packed: Format, wanted: Sequence[str], form: CsvForm) -> Header | None:
    head = b""
    try:
        head = text_head(spark, file, packed)
        return read_header(head, wanted, form.separator)
    except UnicodeDecodeError as error:
        encoding = looks_like(head.splitlines()[0])
        raise TableError(
            f"file {file.name} is not UTF-8, its header looks like {encoding}: save it as CSV UTF-8"
        ) from error
    except OSError as error:
        raise TableError(f"file {file.name} is damaged, it cannot be unpacked ({error}): write it again") from error
