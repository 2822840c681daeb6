"""Nulls in columns whose schema allows none: counted beside whatever else a pass counts."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from ptofa_spark.errors import TableError
from ptofa_spark.tables.names import quoted


def null_counts(schema: StructType) -> list[Column]:
    """Counts of nulls in the columns that must not have any, for an aggregation that is made anyway."""
    return [
        F.count_if(F.col(quoted(field.name)).isNull()).alias(f"nulls_{field.name}")
        for field in schema
        if not field.nullable
    ]


def require_no_null(table: str, schema: StructType, nulls: Mapping[str, int]) -> None:
    """Refuses nulls, by the counts of `null_counts`, where the schema allows none.

    Raises:
        TableError: the first such column of the schema.
    """
    for field in schema:
        count = nulls.get(f"nulls_{field.name}")
        if count:
            raise TableError(f"table {table}: column {field.name} is null in {count} row(s): fill or drop them")
