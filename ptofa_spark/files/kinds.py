"""Converts between Spark's types and the kernels' kinds, for the columns that a CSV may hold."""

from __future__ import annotations

from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
)

from ptofa_spark.files.cells import Kind

_TYPES: dict[Kind, DataType] = {
    "string": StringType(),
    "long": LongType(),
    "int": IntegerType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "date": DateType(),
    "timestamp": TimestampType(),
}
_KINDS = {data_type: kind for kind, data_type in _TYPES.items()}


def kind_of_type(data_type: DataType) -> Kind | None:
    """The kind for a Spark type; None if a CSV cell cannot hold the type, such as an array."""
    return _KINDS.get(data_type)


def type_of_kind(kind: Kind) -> DataType:
    """The Spark type for a kind."""
    return _TYPES[kind]
