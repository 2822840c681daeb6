"""The first pass over the records: bad rows by their reason, and events by fund and day."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.arrow_tables import one_chunk, padded
from ptofa_spark.features.facts.quarantine import RowCounts
from ptofa_spark.features.facts.records import FAULTS, Chunk, map_users, record_batch
from ptofa_spark.features.history import EVENT_COLUMNS, FUND_DAYS, History

_FAULTS = pa.schema([(name, pa.int64()) for name in ("kind", "fault", "rows")])
# A row of either kind leaves the columns of the other null.
COUNTED = pa.schema([*_FAULTS, *FUND_DAYS])
_KEYS = ("kind", "fault", "fund", "day")


def count_records(records: DataFrame, history: History, counts: RowCounts) -> pa.Table:
    """Adds the rows that are bad because of others to the counts. Returns how many events each fund had on each day.

    Args:
        records: from `records.user_records`.
        history: of the same raw tables.
        counts: of the raw tables' rows.

    Returns:
        Rows of FUND_DAYS, a few thousand, whatever the number of users.
    """
    sums = [F.sum(name).alias(name) for name in COUNTED.names if name not in _KEYS]
    found = map_users(records, EVENT_COLUMNS, partial(counted, history), COUNTED).groupBy(*_KEYS).agg(*sums).toArrow()
    for row in found.filter(found["kind"].is_valid()).select(_FAULTS.names).to_pylist():
        counts.add_bad_records(**row)
    return one_chunk(found.filter(found["kind"].is_null()).select(FUND_DAYS.names))


def counted(history: History, chunk: Chunk) -> pa.RecordBatch:
    """The kernel of the pass: rows of COUNTED, none if the chunk has neither a bad row nor an event."""
    parts = (_faults(chunk), history.fund_days(chunk))
    found = pa.concat_tables([padded(pa.Table.from_batches([part]), COUNTED) for part in parts])
    return record_batch(dict(zip(found.column_names, found.columns, strict=True)), COUNTED)


def _faults(chunk: Chunk) -> pa.RecordBatch:
    """How many rows are bad, by kind and reason."""
    cells, rows = np.unique(chunk.kind[~chunk.good] * len(FAULTS) + chunk.fault[~chunk.good], return_counts=True)
    kind, fault = np.divmod(cells, len(FAULTS))
    return pa.record_batch([pa.array(kind), pa.array(fault), pa.array(rows)], schema=_FAULTS)
