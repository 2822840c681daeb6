"""Metadata of commits: the tables they were built from, and the rows that they replaced.

Two runs may write one table at the same time. If they replace different rows, both succeed. If they replace the same
rows, the first commit remains and the other run fails. `Claim` detects that.
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
from ptofa_spark.tables.delta.newest import delta_table, newest_version
from ptofa_spark.tables.delta.targets import require_same_rows, require_target
from ptofa_spark.tables.names import TableName

_ABSENT = -1
# Delta's maintenance operations, which change files but no rows.
_CHANGE_NO_ROW = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "UPGRADE PROTOCOL")


@dataclass(frozen=True)
class TableVersion:
    """The table and the version that was read; None if it is not a Delta table."""

    name: str
    version: int | None


@dataclass(frozen=True)
class Claim:
    """The rows that a run will replace. rows: SQL predicate; version: of the table when the run began, -1 if none."""

    table: str
    rows: str
    version: int


def claim(spark: SparkSession, argument: str, rows: str, schema: StructType | None = None) -> Claim:
    """Records, when a run begins, the rows that it will replace and the table's version.

    Args:
        spark: the session.
        argument: catalog name or path/URI of the table.
        rows: SQL predicate of the rows to replace.
        schema: all columns that the run will write, to reject a table that cannot take them; None: no check.

    Raises:
        TableError: as `require_target` and `require_same_rows`.
    """
    if not require_target(spark, argument):
        return Claim(argument, rows, _ABSENT)
    if schema is not None:
        require_same_rows(spark, argument, schema)
    return Claim(argument, rows, newest_version(spark, argument))


def require_unwritten(spark: SparkSession, claimed: Claim) -> int:
    """Requires that no other run has replaced the claimed rows since the claim.

    Returns:
        The table's newest version, -1 if there is no table.

    Raises:
        TableError: another run has; its rows remain.
    """
    if not _is_delta(spark, claimed.table):
        return _ABSENT
    newest = newest_version(spark, claimed.table)
    if newest > claimed.version and _others_since(spark, claimed):
        raise TableError(
            f"table {claimed.table}: another run wrote the rows where {claimed.rows} while this one was at work; "
            "those stand, nothing was written: run again to replace them"
        )
    return newest


def require_alone(spark: SparkSession, claimed: Claim, before: int) -> None:
    """Requires, after the write, that this run did not replace another run's rows.

    Between `require_unwritten` and the start of Delta's own conflict check, another commit can go unnoticed. This check
    detects it afterwards.

    Args:
        spark: the session.
        claimed: what was written.
        before: the version that `require_unwritten` returned. If the table is one version further, no other run wrote.

    Raises:
        TableError: another run also wrote the claimed rows since the claim.
    """
    others = _others_since(spark, claimed) if newest_version(spark, claimed.table) > before + 1 else []
    if others:
        raise TableError(
            f"table {claimed.table}: another run wrote the rows where {claimed.rows} at the same moment (version "
            f"{others[0]}), and this one has replaced them: run the one that is to stand again"
        )


def commit_metadata(built_from: Iterable[TableVersion], replaced: str | None) -> str:
    """A commit's metadata as JSON. replaced: SQL predicate of the replaced rows; None for the whole table."""
    sources = {source.name: source.version for source in built_from}
    return json.dumps({"built_from": sources, "replaced": replaced, "run": RUN_ID})


def _others_since(spark: SparkSession, claimed: Claim) -> list[int]:
    """Versions since the claim in which another run may have changed the claimed rows."""
    history = delta_table(spark, claimed.table).history()
    since = history.where((F.col("version") > claimed.version) & ~F.col("operation").isin(*_CHANGE_NO_ROW))
    versions = []
    for row in since.select("version", "userMetadata").collect():
        recorded = _parsed_metadata(row["userMetadata"])
        if recorded.get("run") != RUN_ID and recorded.get("replaced") in (None, claimed.rows):
            versions.append(int(row["version"]))
    return versions


def _parsed_metadata(metadata: str | None) -> dict[str, Any]:
    """The parsed metadata of a commit; empty if another program wrote it in another form."""
    try:
        recorded = json.loads(metadata or "{}")
    except ValueError:
        return {}
    return recorded if isinstance(recorded, dict) else {}


def delta_version(spark: SparkSession, argument: str) -> TableVersion:
    """The newest version of a Delta table, to pin it for a run. The version is None if the table is not Delta."""
    if not _is_delta(spark, argument):
        return TableVersion(argument, None)
    return TableVersion(argument, newest_version(spark, argument))


def sources_of(spark: SparkSession, argument: str, version: int) -> dict[str, int | None]:
    """The tables and versions that a version of a table was built from, by its commit's metadata.

    Raises:
        TableError: the table has no such version, or its commit does not name the sources.
    """
    if not _is_delta(spark, argument):
        raise TableError(f"table {argument} is no Delta table: it has no versions to build again")
    history = delta_table(spark, argument).history().where(F.col("version") == version)
    recorded = [_parsed_metadata(row[0]) for row in history.select("userMetadata").collect()]
    if not recorded or not recorded[0].get("built_from"):
        raise TableError(f"table {argument} says nothing of what its version {version} was built from: name another")
    sources: dict[str, int | None] = recorded[0]["built_from"]
    return sources


def _is_delta(spark: SparkSession, argument: str) -> bool:
    name = TableName.parse(argument)
    if not name.in_catalog:
        return bool(DeltaTable.isDeltaTable(spark, argument))
    try:
        detail = spark.sql(f"DESCRIBE DETAIL {name.sql()}")
    except AnalysisException:  # a view, or no table: the reader reports it
        return False
    return bool(detail.select("format").collect()[0][0] == "delta")
