"""Spark's types of the columns that a CSV may hold, and the kernels' names of them."""

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
_KINDS = {kind_type: kind for kind, kind_type in _TYPES.items()}


def kind_of_type(data_type: DataType) -> Kind | None:
    """The kind of a column of this type; None where text cannot hold one, such as a list."""
    return _KINDS.get(data_type)


def type_of_kind(kind: Kind) -> DataType:
    """The type of a column of this kind."""
    return _TYPES[kind]
