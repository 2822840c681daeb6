"""What a table's commits say of themselves: the tables they were built from, and the rows that they replaced.

Two runs may write one table at once. Where they replace other rows, both land; where they replace the same rows, the
one that commits first stands and the other says so: `Claim` is how it knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from ptofa_spark.errors import TableError
from ptofa_spark.running.progress import RUN_ID
from ptofa_spark.tables.delta.targets import require_same_rows, require_target
from ptofa_spark.tables.names import TableName

_ABSENT = -1
# Operations of Delta's upkeep: they move rows between files, or files away.
_CHANGE_NO_ROW = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "UPGRADE PROTOCOL")


@dataclass(frozen=True)
class TableVersion:
    """A table as it was read: its name and, for Delta, the version."""

    name: str
    version: int | None


@dataclass(frozen=True)
class Claim:
    """The rows that a run is to replace. rows: SQL predicate; version: the table's when the run began, -1 if none."""

    table: str
    rows: str
    version: int


def claim(spark: SparkSession, argument: str, rows: str, schema: StructType | None = None) -> Claim:
    """Notes, when a run begins, which rows it will replace and the version that it saw.

    Args:
        spark: the session.
        argument: catalog name or path/URI of the table.
        rows: SQL predicate of the rows to replace.
        schema: the columns of the rows that the run will write, all of them, to refuse a table that cannot take them.

    Raises:
        TableError: as `require_target` and `require_same_rows`.
    """
    if not require_target(spark, argument):
        return Claim(argument, rows, _ABSENT)
    if schema is not None:
        require_same_rows(spark, argument, schema)
    return Claim(argument, rows, _newest_version(spark, argument))


def require_unwritten(spark: SparkSession, claimed: Claim) -> None:
    """Fails if another run has replaced the claimed rows since they were claimed.

    Raises:
        TableError: it has; its rows stand.
    """
    if _is_delta(spark, claimed.table) and _others_since(spark, claimed):
        raise TableError(
            f"table {claimed.table}: another run wrote the rows where {claimed.rows} while this one was at work; "
            "those stand, nothing was written: run again to replace them"
        )


def require_alone(spark: SparkSession, claimed: Claim) -> None:
    """Fails if another run's rows were replaced by this run's, which it did not see in time.

    Between looking (`require_unwritten`) and the first thing that Delta's own check holds a commit against lies a
    moment in which another commit goes unnoticed; looked for afterwards, it does not go unsaid.

    Raises:
        TableError: the claimed rows were written by another run too since they were claimed.
    """
    others = _others_since(spark, claimed)
    if others:
        raise TableError(
            f"table {claimed.table}: another run wrote the rows where {claimed.rows} at the same moment (version "
            f"{others[0]}), and this one has replaced them: run the one that is to stand again"
        )


def commit_metadata(built_from: Iterable[TableVersion], replaced: str | None) -> str:
    """What a commit keeps. replaced: SQL predicate of the rows that it replaced; None for the whole table."""
    sources = {source.name: source.version for source in built_from}
    return json.dumps({"built_from": sources, "replaced": replaced, "run": RUN_ID})


def _others_since(spark: SparkSession, claimed: Claim) -> list[int]:
    """Versions since the claim by which another run may have changed the claimed rows."""
    history = _delta_table(spark, claimed.table).history()
    since = history.where((F.col("version") > claimed.version) & ~F.col("operation").isin(*_CHANGE_NO_ROW))
    found = []
    for row in since.select("version", "userMetadata").collect():
        said = _said(row["userMetadata"])
        if said.get("run") != RUN_ID and said.get("replaced") in (None, claimed.rows):
            found.append(int(row["version"]))
    return found


def _said(metadata: str | None) -> dict[str, Any]:
    """What a commit says of itself; nothing where another program wrote it in words of its own."""
    try:
        said = json.loads(metadata or "{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def delta_version(spark: SparkSession, argument: str) -> TableVersion:
    """The newest version of a Delta table, to pin it for a run; None as version where it is not Delta."""
    if not _is_delta(spark, argument):
        return TableVersion(argument, None)
    return TableVersion(argument, _newest_version(spark, argument))


def _newest_version(spark: SparkSession, argument: str) -> int:
    history = _delta_table(spark, argument).history(1)
    return int(history.select("version").collect()[0][0])


def sources_of(spark: SparkSession, argument: str, version: int) -> dict[str, int | None]:
    """The tables, and their versions, that a version of a table was built from, as its commit says.

    Raises:
        TableError: the table has no such version, or it says nothing of its sources.
    """
    if not _is_delta(spark, argument):
        raise TableError(f"table {argument} is no Delta table: it has no versions to build again")
    history = _delta_table(spark, argument).history().where(F.col("version") == version)
    said = [_said(row[0]) for row in history.select("userMetadata").collect()]
    if not said or not said[0].get("built_from"):
        raise TableError(f"table {argument} says nothing of what its version {version} was built from: name another")
    sources: dict[str, int | None] = said[0]["built_from"]
    return sources


def _is_delta(spark: SparkSession, argument: str) -> bool:
    name = TableName.parse(argument)
    if not name.in_catalog:
        return bool(DeltaTable.isDeltaTable(spark, argument))
    try:
        detail = spark.sql(f"DESCRIBE DETAIL {name.sql()}")
    except AnalysisException:  # a view, or no table: what reads it says so
        return False
    return bool(detail.select("format").collect()[0][0] == "delta")


def _delta_table(spark: SparkSession, argument: str) -> DeltaTable:
    name = TableName.parse(argument)
    return DeltaTable.forName(spark, name.sql()) if name.in_catalog else DeltaTable.forPath(spark, argument)
