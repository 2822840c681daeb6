"""The lines of CSV files, on the driver or in Spark, and the kernels of `rows` carried over them."""

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

# A packed file may hold ten times its size.
_PACKED = 10
IDS = StructType([StructField("number", LongType()), StructField("text", StringType())])


class Lines(Protocol):
    """The lines of a table's files; `layouts` has one layout per group of files, in the groups' order."""

    def check(self, layouts: Sequence[Layout]) -> Report:
        """Tries every cell; a fault is that of some bad line."""

    def frame(self, layouts: Sequence[Layout], schema: StructType) -> DataFrame:
        """The rows, in the schema's types."""

    def ids(self, layouts: Sequence[Layout], column: str) -> DataFrame:
        """A column of whole numbers, each as number and as text: rows of IDS."""


def open_lines(spark: SparkSession, groups: Sequence[HeaderGroup], driver_bytes: int) -> Lines:
    """The lines of the files, on the driver if they have at most `driver_bytes` bytes.

    Raises:
        TableError: a file cannot be unpacked, or must be renamed first.
    """
    sizes = [file.size * (1 if packed == "csv" else _PACKED) for each in groups for file, packed in each.files.items()]
    return DriverLines(spark, groups) if sum(sizes) <= driver_bytes else SparkLines(spark, groups)


class DriverLines:
    """Few lines, held on the driver: a Spark job's fixed cost would be most of the time."""

    def __init__(self, spark: SparkSession, groups: Sequence[HeaderGroup]) -> None:
        self._spark = spark
        self._lines = [
            [pa.array(_content(spark, group, place).splitlines(), pa.binary()) for place in range(len(group.files))]
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
    """Many lines, wherever Spark's tasks read them."""

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
    """One report per partition; none of what follows a fault, which ends the table's reading anyway."""
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


def _content(spark: SparkSession, group: HeaderGroup, place: int) -> bytes:
    file, packed = list(group.files.items())[place]
    try:
        return all_bytes(spark, file, packed)
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"file {file.name} is damaged, it cannot be unpacked ({error}): write it again") from error
