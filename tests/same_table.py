"""Compares tables exactly: their schemas, then their rows in both directions."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import MapType


def assert_same_table(left: DataFrame, right: DataFrame) -> None:
    """Fails unless both hold the same columns, types and rows, duplicates counted."""
    types = [(field.name, field.dataType) for field in left.schema]
    assert types == [(field.name, field.dataType) for field in right.schema]
    left, right = without_maps(left), without_maps(right)
    assert left.exceptAll(right).count() == 0
    assert right.exceptAll(left).count() == 0


def without_maps(frame: DataFrame) -> DataFrame:
    """The rows with each map as its sorted entries, since Spark can neither compare nor hash maps."""
    maps = [field.name for field in frame.schema if isinstance(field.dataType, MapType)]
    return frame.withColumns({name: F.array_sort(F.map_entries(F.col(f"`{name}`"))) for name in maps})
