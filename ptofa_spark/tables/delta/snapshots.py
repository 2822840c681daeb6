"""Tables with one snapshot per date. A write replaces one date's rows; a read takes the newest date by default."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError

SNAPSHOT_DATE = "snapshot_date"


def of_snapshot(frame: DataFrame, table: str, snapshot_date: date | None) -> DataFrame:
    """The rows of one snapshot; of the newest if snapshot_date is None.

    Raises:
        TableError: the table has no such snapshot.
    """
    if snapshot_date is None:
        newest = frame.agg(F.max(SNAPSHOT_DATE)).collect()[0][0]
        return frame.where(F.col(SNAPSHOT_DATE) == F.lit(newest)) if newest else frame
    rows = frame.where(F.col(SNAPSHOT_DATE) == F.lit(snapshot_date))
    if rows.isEmpty():
        dates = ", ".join(
            str(row[0]) for row in frame.select(SNAPSHOT_DATE).distinct().orderBy(SNAPSHOT_DATE).collect()
        )
        raise TableError(f"table {table} has no snapshot of {snapshot_date}, it has {dates or 'none'}: choose one")
    return rows


def snapshot_predicate(snapshot_date: date) -> str:
    """The SQL predicate of one snapshot's rows."""
    return f"{SNAPSHOT_DATE} = DATE '{snapshot_date.isoformat()}'"
