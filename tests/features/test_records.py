"""A user's records stay together, however Spark cuts a partition into batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ptofa_spark.features.counted import COUNTED, counted
from ptofa_spark.features.facts import records
from ptofa_spark.features.facts.records import FAULTS, PURCHASE, USER
from ptofa_spark.features.history import History


@pytest.mark.parametrize("rows_a_batch", [1, 7, 50, 1_000])
def test_chunks_hold_whole_users_and_every_row_once(monkeypatch: pytest.MonkeyPatch, rows_a_batch: int) -> None:
    monkeypatch.setattr(records, "ROWS_PER_CHUNK", 40)
    rng = np.random.default_rng(rows_a_batch)
    # The fifth user alone is more than a chunk holds.
    counts = np.concatenate([rng.integers(1, 9, 4), [95], rng.integers(1, 9, 40)])
    user = np.repeat(np.arange(len(counts)) * 3 - 5, counts)
    table = pa.table({"user_id": user, "kind": rng.integers(0, 3, len(user)), "at": np.arange(len(user))})
    batches = table.to_batches(max_chunksize=rows_a_batch)
    nothing = [pa.RecordBatch.from_pylist([], table.schema)]
    chunks = list(records.user_chunks([*nothing, *batches, *nothing]))
    assert pa.concat_tables([chunk.table for chunk in chunks]).equals(table)
    of_each = [set(chunk.table["user_id"].to_pylist()) for chunk in chunks]
    assert sum(map(len, of_each)) == len(counts)  # no user in two chunks
    for chunk, users in zip(chunks, of_each, strict=True):
        assert chunk.user[0] == 0
        assert chunk.user[-1] == len(users) - 1
    assert len(chunks) > 1 or rows_a_batch == 1_000


def test_users_without_events_count_nothing_and_a_stray_purchase_is_a_fault() -> None:
    history = History(np.array([10 * 86_400]), ("a", "b"), (), np.array([-1, -1]), pa.struct([]))
    micros = pa.array([None, None, 86_400_000_000], pa.timestamp("us", tz="UTC"))
    of_events = {
        "at": micros, "campaign": pa.nulls(3, pa.int32()), "fund": pa.array([None, None, 1], pa.int32()),
        "amount": pa.array([None, None, 50.0]), "click": pa.nulls(3, pa.bool_()),
        "conversion": pa.nulls(3, pa.bool_()), "row_hash": pa.array([1, 2, 3]),
    }  # fmt: skip
    table = pa.table({"user_id": [3, 4, 5], "kind": [USER, USER, PURCHASE], **of_events})
    for batch, rows in ((table.slice(0, 2), []), (table, [(PURCHASE, FAULTS.index("user_id is not in users"), 1)])):
        (chunk,) = records.user_chunks(batch.to_batches())
        found = counted(history, chunk)
        assert found.schema == COUNTED
        assert [tuple(row[name] for name in ("kind", "fault", "rows")) for row in found.to_pylist()] == rows
