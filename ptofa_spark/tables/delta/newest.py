"""The newest version of a Delta table and its properties, as the plan of a read knows them.

Delta's public ways, `history` and `detail`, each run a Spark job for it. They remain for a Spark whose plan is another.
"""

from __future__ import annotations

from typing import Any

from delta.tables import DeltaTable
from py4j.protocol import Py4JError  # type: ignore[import-untyped]  # has no stubs
from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.tables.names import TableName


def delta_frame(spark: SparkSession, argument: str) -> DataFrame:
    """The rows of a Delta table's newest version."""
    name = TableName.parse(argument)
    return spark.table(name.sql()) if name.in_catalog else spark.read.format("delta").load(name.text)


def delta_table(spark: SparkSession, argument: str) -> DeltaTable:
    """The Delta table, to ask for its history or detail."""
    name = TableName.parse(argument)
    return DeltaTable.forName(spark, name.sql()) if name.in_catalog else DeltaTable.forPath(spark, name.text)


def newest_version(spark: SparkSession, argument: str) -> int:
    """The number of the newest version."""
    try:
        return int(_snapshot(spark, argument).version())
    except (Py4JError, TypeError):
        return int(delta_table(spark, argument).history(1).select("version").collect()[0][0])


def newest_property(spark: SparkSession, argument: str, key: str) -> str | None:
    """The value of a table property, None if it is not set."""
    try:
        value = _snapshot(spark, argument).metadata().configuration().get(key)
        return str(value.get()) if value.isDefined() else None
    except (Py4JError, TypeError):
        properties: dict[str, str] = delta_table(spark, argument).detail().select("properties").collect()[0][0]
        return properties.get(key)


def _snapshot(spark: SparkSession, argument: str) -> Any:
    """Delta's own object of the version that a read of the table reads."""
    plan = delta_frame(spark, argument)._jdf.queryExecution().analyzed()
    return plan.collectLeaves().head().relation().location().getSnapshot()
