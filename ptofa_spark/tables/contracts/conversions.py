"""How a typed column (of Delta, Parquet, a catalog's table) is read as the type of its contract, without loss.

Exporters change types: pandas makes floats of whole numbers beside a null, a database decimals, a flag 0 and 1. Such a
column is read where every value says what the contract's type can hold, and refused at the first that does not.
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
# Above it a double skips whole numbers: two ids would be one.
_EXACT = 2.0**53
_WHOLE = r"^\s*[+-]?[0-9]+(\.0*)?\s*$"
# Where Spark keeps the type of a CHAR or VARCHAR column, which is a string otherwise: in the column's metadata.
DECLARED_TYPE = "__CHAR_VARCHAR_TYPE_STRING"


@dataclass(frozen=True)
class Conversion:
    """How a column becomes its contract's. value: of the contract's type; fits: whether a value may become it.

    fits is null-safe to negate where the column is not null; None where every value fits. notice: what is to be said of
    it once, "" for nothing.
    """

    value: Column
    fits: Column | None = None
    notice: str = ""


def conversion(column: Column, found: StructField, wanted: DataType, *, as_text: bool = False) -> Conversion | None:
    """How to read the column as the wanted type; None where the types do not allow it, whatever the values.

    Args:
        column: the column.
        found: its name, type and metadata.
        wanted: the contract's type.
        as_text: whether it is text that stands for a value, as the name of a partition folder is.
    """
    kind = found.dataType
    if as_text and isinstance(kind, StringType):
        return _of_text(column, wanted)
    if isinstance(wanted, ArrayType):
        element = wanted.elementType
        of = kind.elementType if isinstance(kind, ArrayType) else None
        numbers = isinstance(element, DoubleType) and isinstance(of, (*_INTEGERS, *_FLOATS, DecimalType))
        return Conversion(column.cast(wanted)) if numbers or type(of) is type(element) else None
    if isinstance(wanted, StringType) and isinstance(kind, StringType):
        if str(found.metadata.get(DECLARED_TYPE, "")).startswith("char"):
            return Conversion(F.rtrim(column), notice="CHAR: its padding blanks are left out")
        return Conversion(column)
    if type(kind) is type(wanted):
        return Conversion(column)
    if isinstance(wanted, DoubleType):
        return Conversion(column.cast(wanted)) if isinstance(kind, (*_INTEGERS, FloatType, DecimalType)) else None
    if isinstance(wanted, LongType | IntegerType):
        return _of_whole_number(column, kind, wanted)
    if isinstance(wanted, BooleanType) and isinstance(kind, (*_INTEGERS, *_FLOATS)):
        return Conversion(column == 1, column.isin(0, 1), notice="0 and 1 are read as false and true")
    if isinstance(wanted, TimestampType) and isinstance(kind, TimestampNTZType | DateType):
        return Conversion(column.cast(wanted), notice="times without a zone are read as UTC")
    if isinstance(wanted, DateType) and isinstance(kind, TimestampType | TimestampNTZType):
        return Conversion(column.cast(wanted), column == F.date_trunc("day", column).cast(kind))
    return None


def _of_whole_number(column: Column, kind: DataType, wanted: DataType) -> Conversion | None:
    if isinstance(kind, _INTEGERS):
        narrower = _INTEGERS.index(type(wanted)) < _INTEGERS.index(type(kind))
        return Conversion(column.cast(wanted), column.try_cast(wanted).isNotNull() if narrower else None)
    if isinstance(kind, _FLOATS):
        # NaN is no number, and larger than any to Spark.
        whole = (F.abs(column) <= _EXACT) & (F.floor(column) == column) & column.try_cast(wanted).isNotNull()
        return Conversion(column.cast(wanted), whole, notice="whole numbers are read from a column of decimals")
    if isinstance(kind, DecimalType):
        fits = column.try_cast(wanted).isNotNull() & (column == F.floor(column))
        return Conversion(column.cast(wanted), fits, notice="whole numbers are read from a column of decimals")
    return None


def _of_text(column: Column, wanted: DataType) -> Conversion | None:
    """Text that a partition folder has in its name, held to the same forms as a CSV's cells."""
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
