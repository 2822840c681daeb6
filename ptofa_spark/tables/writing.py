"""Writes Delta tables, each in one transaction, with the properties that their readers need."""

from __future__ import annotations

import json
from collections.abc import Iterable

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame

from ptofa_spark.errors import TableError
from ptofa_spark.tables.names import TableName
from ptofa_spark.tables.reading import TableVersion

# Petastorm opens the table's Parquet files itself and knows nothing of Delta's log: a row deleted by a vector would
# come back to life, and a column renamed by mapping would be missing. Both stay off on every table.
TABLE_PROPERTIES = {"delta.enableDeletionVectors": "false", "delta.columnMapping.mode": "none"}


def write_table(
    frame: DataFrame,
    argument: str,
    *,
    replace_where: str | None = None,
    built_from: Iterable[TableVersion] = (),
) -> None:
    """Writes the frame as a Delta table in one transaction; a reader sees the old rows or the new ones, never both.

    Args:
        frame: the rows, with the table's schema.
        argument: catalog name or path/URI.
        replace_where: SQL predicate of the rows to replace; without it the whole table is replaced.
        built_from: versions of the tables the rows were made from, kept in the commit.

    Raises:
        TableError: the place holds something that is no Delta table, or a table with another schema.
    """
    name = TableName.parse(argument)
    spark = frame.sparkSession
    writer = frame.write.format("delta").mode("overwrite")
    writer = writer.option("userMetadata", json.dumps({source.name: source.version for source in built_from}))
    for key, value in TABLE_PROPERTIES.items():
        writer = writer.option(key, value)
    exists = spark.catalog.tableExists(argument) if name.in_catalog else DeltaTable.isDeltaTable(spark, argument)
    if replace_where is not None and exists:
        writer = writer.option("replaceWhere", replace_where)
    else:
        writer = writer.option("overwriteSchema", True)
    try:
        if name.in_catalog:
            writer.saveAsTable(name.sql())
        else:
            writer.save(argument)
    except AnalysisException as error:
        reason = str(error).split("\n", 1)[0]
        raise TableError(f"table {argument} cannot be written: {reason}; name another place") from error
