"""Opens the files of a CSV table and groups them by header, since each file is parsed by its own header."""

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
    """Files with the same header and partition. files: each with its compression; csv if not compressed."""

    header: Header
    partition: tuple[tuple[str, str | None], ...]
    files: Mapping[DataFile, Format]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the header, then those of the partition."""
        return (*self.header.names, *[key for key, _ in self.partition])


@dataclass(frozen=True)
class CsvFiles:
    """The files of a table, grouped by header and partition."""

    place: Place
    groups: tuple[HeaderGroup, ...]


def open_csv(
    spark: SparkSession, place: Place, packed: Mapping[DataFile, Format], wanted: Sequence[str], form: CsvForm
) -> CsvFiles:
    """Reads the header of every file.

    Args:
        spark: the session.
        place: the files.
        packed: the compression of each file; csv if not compressed.
        wanted: the columns of the schema, by which the separator is recognized.
        form: the user's settings for CSV files.

    Raises:
        TableError: a header is not UTF-8, a file cannot be decompressed, or no file has a header.
    """
    by_header: dict[tuple[Header, tuple[tuple[str, str | None], ...]], dict[DataFile, Format]] = {}
    for file in place.files:
        header = _header(spark, file, packed[file], wanted, form)
        if header is not None:
            by_header.setdefault((header, file.partition), {})[file] = packed[file]
    if not by_header:
        raise TableError(f"table {place.argument} is empty: write a header and rows")
    return CsvFiles(place, tuple(HeaderGroup(*key, files) for key, files in by_header.items()))


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
