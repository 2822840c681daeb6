"""Applies the kernels of `rows` to the lines of CSV files, on the driver or in Spark."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Protocol

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import LongType, StringType, StructField, StructType

from ptofa_spark.errors import TableError
from ptofa_spark.files.csv.files import HeaderGroup
from ptofa_spark.files.csv.layout import Layout
from ptofa_spark.files.csv.report import Report, merged
from ptofa_spark.files.csv.rows import check, read, texts
from ptofa_spark.files.places import AS_A_NAME, all_bytes
from ptofa_spark.files.plain_names import plainly_named

# A compressed file counts as ten times its size.
_PACKED = 10
IDS = StructType([StructField("number", LongType()), StructField("text", StringType())])


class Lines(Protocol):
    """The lines of a table's files; `layouts` has one layout per group of files, in the groups' order."""

    def check(self, layouts: Sequence[Layout]) -> Report:
        """Checks every cell. If lines are bad, the report has the fault of one of them."""

    def frame(self, layouts: Sequence[Layout], schema: StructType) -> DataFrame:
        """The rows, with the schema's columns and types."""

    def ids(self, layouts: Sequence[Layout], column: str) -> DataFrame:
        """A column of whole numbers, each as a number and as text, with the schema IDS."""


def open_lines(spark: SparkSession, groups: Sequence[HeaderGroup], driver_bytes: int) -> Lines:
    """Opens the lines of the files, on the driver if they have at most `driver_bytes` bytes.

    Raises:
        TableError: a file cannot be decompressed, or must be renamed first.
    """
    sizes = [file.size * (1 if packed == "csv" else _PACKED) for each in groups for file, packed in each.files.items()]
    return DriverLines(spark, groups) if sum(sizes) <= driver_bytes else SparkLines(spark, groups)


class DriverLines:
    """Lines of small files, held on the driver, which saves the fixed cost of a Spark job."""

    def __init__(self, spark: SparkSession, groups: Sequence[HeaderGroup]) -> None:
        self._spark = spark
        self._lines = [
            [pa.array(_content(spark, group, number).splitlines(), pa.binary()) for number in range(len(group.files))]
            for group in groups
        ]

    def check(self, layouts: Sequence[Layout]) -> Report:
        """See `Lines`."""
        return merged([check(lines, layout) for lines, layout in self._each(layouts)])

    def frame(self, layouts: Sequence[Layout], schema: StructType) -> DataFrame:
        """See `Lines`."""
        batches = [read(lines, layout) for lines, layout in self._each(layouts)]
        return self._spark.createDataFrame(pa.Table.from_batches(batches), schema)

    def ids(self, layouts: Sequence[Layout], column: str) -> DataFrame:
        """See `Lines`."""
        batches = [_ids(lines, layout, column) for lines, layout in self._each(layouts)]
        return self._spark.createDataFrame(pa.Table.from_batches(batches), IDS)

    def _each(self, layouts: Sequence[Layout]) -> Iterator[tuple[pa.Array, Layout]]:
        for files, layout in zip(self._lines, layouts, strict=True):
            for lines in files:
                yield lines, layout


class SparkLines:
    """Lines of large files, read by Spark's tasks."""

    def __init__(self, spark: SparkSession, groups: Sequence[HeaderGroup]) -> None:
        reader = spark.read.options(**AS_A_NAME)
        self._frames = [reader.text(plainly_named(spark, group.files)) for group in groups]

    def check(self, layouts: Sequence[Layout]) -> Report:
        """See `Lines`."""
        frames = [
            frame.mapInArrow(_carried(layout, _reported), "report string")
            for frame, layout in zip(self._frames, layouts, strict=True)
        ]
        return merged([Report.of_json(row["report"]) for row in _union(frames).collect()])

    def frame(self, layouts: Sequence[Layout], schema: StructType) -> DataFrame:
        """See `Lines`."""
        return self._mapped(layouts, read, schema)

    def ids(self, layouts: Sequence[Layout], column: str) -> DataFrame:
        """See `Lines`."""
        return self._mapped(layouts, lambda lines, layout: _ids(lines, layout, column), IDS)

    def _mapped(
        self, layouts: Sequence[Layout], kernel: Callable[[pa.Array, Layout], pa.RecordBatch], schema: StructType
    ) -> DataFrame:
        def each(chunks: Iterator[pa.Array], layout: Layout) -> Iterator[pa.RecordBatch]:
            for lines in chunks:
                yield kernel(lines, layout)

        return _union(
            [
                frame.mapInArrow(_carried(layout, each), schema)
                for frame, layout in zip(self._frames, layouts, strict=True)
            ]
        )


def _carried(
    layout: Layout, kernel: Callable[[Iterator[pa.Array], Layout], Iterator[pa.RecordBatch]]
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return kernel((batch.column(0) for batch in batches), layout)

    return carry


def _reported(chunks: Iterator[pa.Array], layout: Layout) -> Iterator[pa.RecordBatch]:
    """Yields one report per partition. Lines after a fault are skipped, since the table is rejected anyway."""
    reports = []
    for lines in chunks:
        reports.append(check(lines, layout))
        if reports[-1].fault is not None:
            break
    yield pa.RecordBatch.from_pydict({"report": [merged(reports).to_json()]})


def _ids(lines: pa.Array, layout: Layout, column: str) -> pa.RecordBatch:
    numbers = read(lines, layout).column(column)
    return pa.RecordBatch.from_arrays([numbers, texts(lines, layout, column)], names=IDS.names)


def _union(frames: list[DataFrame]) -> DataFrame:
    return reduce(DataFrame.unionAll, frames)


def _content(spark: SparkSession, group: HeaderGroup, number: int) -> bytes:
    file, packed = list(group.files.items())[number]
    try:
        return all_bytes(spark, file, packed)
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"file {file.name} is damaged, it cannot be unpacked ({error}): write it again") from error
