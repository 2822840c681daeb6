"""Converts a typed column (of Delta, Parquet or a catalog's table) to the type of its schema, without loss.

Exporters change types. Whole numbers become floats in pandas if there is a null, or decimals in a database; flags
become 0 and 1. Such a column is read if every value fits the schema's type, and rejected otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    TimestampNTZType,
    TimestampType,
)

_INTEGERS: tuple[type[DataType], ...] = (ByteType, ShortType, IntegerType, LongType)
_FLOATS: tuple[type[DataType], ...] = (FloatType, DoubleType)
# Above it, a double does not represent every whole number: two ids could become one.
_EXACT = 2.0**53
_WHOLE = r"^\s*[+-]?[0-9]+(\.0*)?\s*$"
# The metadata key where Spark keeps the declared type of a CHAR or VARCHAR column, which is read as a string.
DECLARED_TYPE = "__CHAR_VARCHAR_TYPE_STRING"


@dataclass(frozen=True)
class Conversion:
    """A conversion to the schema's type.

    value: the converted column; fits: whether a value can be converted, never null for a value that is not null; None
    if every value fits. notice: text to log once; "" for none.
    """

    value: Column
    fits: Column | None = None
    notice: str = ""


def conversion(column: Column, actual: StructField, wanted: DataType, *, as_text: bool = False) -> Conversion | None:
    """The conversion of a column to the wanted type; None if the types do not allow one, whatever the values.

    Args:
        column: the column.
        actual: its name, type and metadata.
        wanted: the schema's type.
        as_text: whether the column is text that stands for a value, as in the name of a partition folder.
    """
    actual_type = actual.dataType
    if as_text and isinstance(actual_type, StringType):
        return _of_text(column, wanted)
    if isinstance(wanted, ArrayType):
        element = wanted.elementType
        of = actual_type.elementType if isinstance(actual_type, ArrayType) else None
        numbers = isinstance(element, DoubleType) and isinstance(of, (*_INTEGERS, *_FLOATS, DecimalType))
        return Conversion(column.cast(wanted)) if numbers or type(of) is type(element) else None
    if isinstance(wanted, StringType) and isinstance(actual_type, StringType):
        if str(actual.metadata.get(DECLARED_TYPE, "")).startswith("char"):
            return Conversion(F.rtrim(column), notice="CHAR: its padding blanks are left out")
        return Conversion(column)
    if type(actual_type) is type(wanted):
        return Conversion(column)
    if isinstance(wanted, DoubleType):
        return (
            Conversion(column.cast(wanted)) if isinstance(actual_type, (*_INTEGERS, FloatType, DecimalType)) else None
        )
    if isinstance(wanted, LongType | IntegerType):
        return _of_whole_number(column, actual_type, wanted)
    if isinstance(wanted, BooleanType) and isinstance(actual_type, (*_INTEGERS, *_FLOATS)):
        return Conversion(column == 1, column.isin(0, 1), notice="0 and 1 are read as false and true")
    if isinstance(wanted, TimestampType) and isinstance(actual_type, TimestampNTZType | DateType):
        return Conversion(column.cast(wanted), notice="times without a zone are read as UTC")
    if isinstance(wanted, DateType) and isinstance(actual_type, TimestampType | TimestampNTZType):
        return Conversion(column.cast(wanted), column == F.date_trunc("day", column).cast(actual_type))
    return None


def _of_whole_number(column: Column, actual_type: DataType, wanted: DataType) -> Conversion | None:
    if isinstance(actual_type, _INTEGERS):
        narrower = _INTEGERS.index(type(wanted)) < _INTEGERS.index(type(actual_type))
        return Conversion(column.cast(wanted), column.try_cast(wanted).isNotNull() if narrower else None)
    if isinstance(actual_type, _FLOATS):
        # Spark treats NaN as larger than any number, so the first condition rejects it.
        whole = (F.abs(column) <= _EXACT) & (F.floor(column) == column) & column.try_cast(wanted).isNotNull()
        return Conversion(column.cast(wanted), whole, notice="whole numbers are read from a column of decimals")
    if isinstance(actual_type, DecimalType):
        fits = column.try_cast(wanted).isNotNull() & (column == F.floor(column))
        return Conversion(column.cast(wanted), fits, notice="whole numbers are read from a column of decimals")
    return None


def _of_text(column: Column, wanted: DataType) -> Conversion | None:
    """Converts text from the name of a partition folder. The same forms are allowed as in CSV cells."""
    if isinstance(wanted, StringType):
        return Conversion(column)
    if isinstance(wanted, LongType | IntegerType):
        plain = F.regexp_replace(column, r"\.0*\s*$", "")
        return Conversion(plain.try_cast(wanted), F.rlike(column, F.lit(_WHOLE)) & plain.try_cast(wanted).isNotNull())
    if isinstance(wanted, DateType):
        is_day = F.rlike(column, F.lit(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))
        return Conversion(column.try_cast(wanted), is_day & column.try_cast(wanted).isNotNull())
    if isinstance(wanted, DoubleType | BooleanType):
        return Conversion(column.try_cast(wanted), column.try_cast(wanted).isNotNull())
    return None
