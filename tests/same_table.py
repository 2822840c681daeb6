"""Tables compared exactly: schemas equal, then rows both ways."""

from __future__ import annotations

from pyspark.sql import DataFrame


def assert_same_table(left: DataFrame, right: DataFrame) -> None:
    """Fails unless both hold the same columns, types and rows, duplicates counted."""
    types = [(field.name, field.dataType) for field in left.schema]
    assert types == [(field.name, field.dataType) for field in right.schema]
    assert left.exceptAll(right).count() == 0
    assert right.exceptAll(left).count() == 0
