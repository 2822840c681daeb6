"""Compares small tables exactly: their schemas, then their rows in both directions."""

from __future__ import annotations

from collections import Counter

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import MapType


def assert_same_table(left: DataFrame, right: DataFrame) -> None:
    """Fails unless both hold the same columns, types and rows, duplicates counted."""
    types = [(field.name, field.dataType) for field in left.schema]
    assert types == [(field.name, field.dataType) for field in right.schema]
    rows, others = (Counter(map(repr, without_maps(frame).collect())) for frame in (left, right))
    assert rows - others == Counter()
    assert others - rows == Counter()


def without_maps(frame: DataFrame) -> DataFrame:
    """The rows with each map as its sorted entries, since Spark can neither compare nor hash maps."""
    maps = [field.name for field in frame.schema if isinstance(field.dataType, MapType)]
    return frame.withColumns({name: F.array_sort(F.map_entries(F.col(f"`{name}`"))) for name in maps})
