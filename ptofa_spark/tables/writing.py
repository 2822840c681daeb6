"""Writes Delta tables, each in one transaction, with the properties that their readers need and their constraints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]  # has no stubs
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.errors import TableError
from ptofa_spark.tables.domains import constraints
from ptofa_spark.tables.names import TableName
from ptofa_spark.tables.reading import TableVersion

# Petastorm opens the table's Parquet files itself and knows nothing of Delta's log: a row deleted by a vector would
# come back to life, and a column renamed by mapping would be missing. Both stay off on every table.
TABLE_PROPERTIES = {"delta.enableDeletionVectors": "false", "delta.columnMapping.mode": "none"}
# Row groups: Petastorm hands the trainer one at a time, decoded as a whole, and the shuffling buffer mixes those that
# lie in it. Of 1, 4, 16, 64 and 128 MiB this one was read fastest, and in less memory than the larger ones
# (docs/benchmarks.md, `make bench-features`).
ROW_GROUP_BYTES = 16 * 2**20


def write_table(
    frame: DataFrame,
    argument: str,
    *,
    kind: str | None = None,
    replace_where: str | None = None,
    built_from: Iterable[TableVersion] = (),
    partition_by: Sequence[str] = (),
) -> None:
    """Writes the frame as a Delta table in one transaction; a reader sees the old rows or the new ones, never both.

    Args:
        frame: the rows, with the table's schema.
        argument: catalog name or path/URI.
        kind: the table in `domains.DOMAINS` whose CHECK constraints a new table gets.
        replace_where: SQL predicate of the rows to replace, which may bring new columns; without it the whole table is
            replaced.
        built_from: versions of the tables the rows were made from, kept in the commit.
        partition_by: columns that a new table's files are laid out by.

    Raises:
        TableError: the place holds something that is no Delta table, or a table with another schema, or a row breaks a
            constraint.
    """
    name = TableName.parse(argument)
    spark = frame.sparkSession
    writer = frame.write.format("delta").mode("overwrite").partitionBy(*partition_by)
    writer = writer.option("userMetadata", json.dumps({source.name: source.version for source in built_from}))
    writer = writer.option("parquet.block.size", ROW_GROUP_BYTES)
    if replace_where is not None and _exists(spark, name):
        writer = writer.option("replaceWhere", replace_where).option("mergeSchema", True)
    else:
        checks = {f"delta.constraints.{key}": rule for key, rule in (constraints(kind) if kind else {}).items()}
        for key, value in {**TABLE_PROPERTIES, **checks}.items():
            writer = writer.option(key, value)
        writer = writer.option("overwriteSchema", True)
    try:
        if name.in_catalog:
            writer.saveAsTable(name.sql())
        else:
            writer.save(argument)
    except AnalysisException as error:
        reason = str(error).split("\n", 1)[0]
        raise TableError(f"table {argument} cannot be written: {reason}; name another place") from error
    except (PySparkException, Py4JJavaError) as error:
        broken = _broken_constraint(str(error))
        if broken is None:
            raise
        raise TableError(f"table {argument} is not written: {broken}: correct the rows") from error


def _exists(spark: SparkSession, name: TableName) -> bool:
    return spark.catalog.tableExists(name.text) if name.in_catalog else DeltaTable.isDeltaTable(spark, name.text)


def _broken_constraint(text: str) -> str | None:
    """What Delta says of the row that breaks a constraint, as one line; None for any other error."""
    start = text.find("[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES]")
    if start < 0:
        return None
    lines = [line.strip() for line in text[start:].splitlines()]
    end = next((place for place, line in enumerate(lines) if line.startswith("at ")), len(lines))
    return " ".join(lines[:end])
