"""Tables that hold one snapshot a date: the rows of one date are replaced, and the newest date is what is read."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError

SNAPSHOT_DATE = "snapshot_date"


def of_snapshot(frame: DataFrame, table: str, snapshot_date: date | None) -> DataFrame:
    """The rows of one snapshot, the newest if no date is asked for.

    Raises:
        TableError: the table has no such snapshot.
    """
    if snapshot_date is None:
        newest = frame.agg(F.max(SNAPSHOT_DATE)).collect()[0][0]
        return frame.where(F.col(SNAPSHOT_DATE) == F.lit(newest)) if newest else frame
    rows = frame.where(F.col(SNAPSHOT_DATE) == F.lit(snapshot_date))
    if rows.isEmpty():
        held = ", ".join(str(row[0]) for row in frame.select(SNAPSHOT_DATE).distinct().orderBy(SNAPSHOT_DATE).collect())
        raise TableError(f"table {table} has no snapshot of {snapshot_date}, it has {held or 'none'}: choose one")
    return rows


def snapshot_predicate(snapshot_date: date) -> str:
    """Delta's predicate of one snapshot's rows."""
    return f"{SNAPSHOT_DATE} = DATE '{snapshot_date.isoformat()}'"
