"""The feature columns of a table: u_* of the user, f_* of the fund, p_* of their pair.

Strings are categorical and may be null. All other features are doubles, null where unknown.
"""

from __future__ import annotations

import logging

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, NumericType, StringType, StructType

from ptofa_spark.tables.names import quoted

logger = logging.getLogger(__name__)

USER, FUND, PAIR = "u_", "f_", "p_"
PREFIXES = (USER, FUND, PAIR)
# A larger number is not a measurement, and its square may exceed the range of a double.
_LARGEST = 1e100


def feature_names(schema: StructType, prefix: str = "") -> list[str]:
    """The feature columns of a schema, sorted; only those with the prefix if one is given."""
    return sorted(name for name in schema.names if name.startswith(prefix or PREFIXES))


def is_categorical(schema: StructType, name: str) -> bool:
    """Whether a feature is a word, which a vocabulary encodes, and not a number."""
    return isinstance(schema[name].dataType, StringType)


def attributes(schema: StructType, keys: tuple[str, ...], prefix: str, within: str = "") -> dict[str, Column]:
    """The columns of a table except its keys as features, by name. Words stay; numbers and booleans become doubles.

    NaN, the infinities and numbers beyond 1e100 become null: unknown. Columns of other types are left out, and the log
    names them. within: the path of the struct that holds the columns.
    """
    columns: dict[str, Column] = {}
    for field in schema:
        if field.name in keys:
            continue
        column = F.col(within + quoted(field.name))
        if isinstance(field.dataType, StringType):
            columns[prefix + field.name] = column
        elif isinstance(field.dataType, NumericType | BooleanType):
            number = column.cast("double")
            # Spark sorts NaN above every number.
            columns[prefix + field.name] = F.when(F.abs(number) <= _LARGEST, number)
        else:
            logger.info("left_out=%s type=%s", field.name, field.dataType.simpleString())
    return columns
