"""Bad rows of the raw tables: counted, kept in `<table>_quarantine` with their reason, and left out of the features."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.features.facts.raw import FAULT, Raw
from ptofa_spark.features.facts.records import (
    EXPOSURE,
    FAULTS,
    PURCHASE,
    USER,
    Chunk,
    arrow_schema,
    map_users,
    name_of,
    record_batch,
)
from ptofa_spark.running.progress import RUN_ID
from ptofa_spark.tables.contracts.schemas import EXPOSURES, TRANSACTIONS
from ptofa_spark.tables.delta.snapshots import snapshot_predicate
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse, quoted
from ptofa_spark.tables.opening import table_exists

logger = logging.getLogger(__name__)

_TABLES = {USER: "users", EXPOSURE: "exposures", PURCHASE: "transactions"}


class RowCounts:
    """Rows of the raw tables. rows: by table; faults: of each table, by reason; exposed: campaigns with exposures."""

    def __init__(self, tables: Iterable[str]) -> None:
        self.rows: Counter[str] = Counter()
        self.faults: dict[str, Counter[str]] = {name: Counter() for name in tables}
        self.exposed: set[str] = set()

    def add(self, table: str, found: Mapping[str | None, int]) -> None:
        """Adds rows of a table by their reason, None for good ones."""
        self.rows[table] += sum(found.values())
        self.faults[table].update({reason: rows for reason, rows in found.items() if reason is not None})

    def add_bad_records(self, kind: int, fault: int, rows: int) -> None:
        """Adds rows that are bad because of others: repeated, contradicted, or of a user without a row.

        Args:
            kind: of the records.
            fault: place in `records.FAULTS`.
            rows: how many.
        """
        self.faults[_TABLES[kind]][FAULTS[fault]] += rows

    def records(self) -> int:
        """Rows of users, exposures and transactions, good or bad."""
        return sum(self.rows[name] for name in _TABLES.values())

    def require_few(self, share: float) -> None:
        """Rejects raw tables with too many bad rows.

        Raises:
            TableError: a larger share of a table's rows is bad.
        """
        for name, faults in self.faults.items():
            bad = faults.total()
            if bad > share * self.rows[name]:
                reasons = "; ".join(f"{reason}: {rows:,}" for reason, rows in sorted(faults.items()))
                raise TableError(
                    f"table {name}: {bad:,} of {self.rows[name]:,} rows are bad, more than max_quarantined_share = "
                    f"{share:g} allows ({reasons}): see {name}_quarantine, and correct them or raise the share"
                )

    def shown(self) -> Iterator[str]:
        """A line per table and reason."""
        for name, faults in sorted(self.faults.items()):
            for reason, rows in sorted(faults.items()):
                yield f"quarantined table={name} rows={rows} of={self.rows[name]} reason={reason!r}"


def count_own_faults(raw: Raw) -> RowCounts:
    """Counts the rows, and those that are bad by themselves: one scan per table, all in one query."""
    exposed = F.when(F.col(FAULT).isNull(), F.col("campaign_id"))
    marked = [
        frame.select(
            F.lit(name).alias("table"),
            FAULT,
            (exposed if name == "exposures" else F.lit(None).cast("string")).alias("exposed"),
        )
        for name, frame in raw.frames.items()
        if name not in raw.counts
    ]
    counts = RowCounts(raw.frames)
    for name, found in raw.counts.items():
        counts.add(name, found)
    for row in reduce(DataFrame.unionAll, marked).groupBy("table", FAULT, "exposed").count().collect():
        counts.add(row["table"], {row[FAULT]: row["count"]})
        if row["exposed"] is not None:
            counts.exposed.add(row["exposed"])
    return counts


def quarantine_table(name: str) -> str:
    """The table that keeps the bad rows of a raw table."""
    return f"{name}_quarantine"


def write_quarantine(raw: Raw, records: DataFrame, counts: RowCounts, warehouse: str) -> None:
    """Writes the bad rows of each table unchanged. They replace those of an earlier build of the same snapshot.

    Columns: snapshot_date, run_id, reason, and those of the raw table except maps and variants (see `raw`).
    """
    for name, faults in counts.faults.items():
        place = in_warehouse(warehouse, quarantine_table(name))
        if not faults and not table_exists(records.sparkSession, place):
            continue
        bad = raw.frames[name].where(F.col(FAULT).isNotNull())
        if name in _TABLES.values():
            bad = bad.unionByName(_bad_records(raw, records, name))
        marks = [F.lit(raw.snapshot_date).alias("snapshot_date"), F.lit(RUN_ID).alias("run_id")]
        rest = [F.col(quoted(column)) for column in raw.frames[name].columns if column != FAULT]
        write_table(
            bad.select(*marks, FAULT, *rest).coalesce(1),
            place,
            replace_where=snapshot_predicate(raw.snapshot_date),
            built_from=raw.versions,
        )


def _bad_records(raw: Raw, records: DataFrame, name: str) -> DataFrame:
    """The bad rows of one table among the records, in the raw table's columns."""
    kind = next(kind for kind, table in _TABLES.items() if table == name)
    needed = [column for column in records.columns if column not in ("user_id", "kind")]
    kept = _FaultyRows(arrow_schema(records.select("user_id", "kind", *needed)))
    bad = map_users(records, needed, kept, kept.schema).where(F.col("kind") == kind)
    if kind == USER:
        rows = bad.select("user_id", "user.*", FAULT)
    else:
        columns = {
            "campaign_id": name_of("campaign", [campaign for campaign, _ in raw.campaigns]),
            "fund_id": name_of("fund", raw.funds),
            "transacted_at": F.col("at"),
            "revenue": F.col("amount"),
        }
        schema = EXPOSURES if kind == EXPOSURE else TRANSACTIONS
        rows = bad.select(*[columns.get(c, F.col(c)).alias(c) for c in schema.names], FAULT)
    return rows.select(*[F.col(quoted(column)) for column in raw.frames[name].columns])


class _FaultyRows:
    """The kernel that keeps the bad rows, with their reason. schema: of its result."""

    def __init__(self, records: pa.Schema) -> None:
        self.schema = records.append(pa.field(FAULT, pa.string()))

    def __call__(self, chunk: Chunk) -> pa.RecordBatch:
        rows = np.flatnonzero(~chunk.good)
        taken = chunk.table.take(pa.array(rows))
        columns = {name: taken.column(name) for name in taken.column_names}
        return record_batch(
            columns | {FAULT: pa.array(FAULTS, pa.string()).take(pa.array(chunk.fault[rows]))}, self.schema
        )
