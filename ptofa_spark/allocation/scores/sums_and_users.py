"""What a pass brings to the driver that decides most users where they are: sums of those, and the others one by one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.arrow_lists import list_matrix, lists
from ptofa_spark.arrays import Ints

# One row of sums per partition, and one row per user who comes to the driver.
SUMS_AND_USERS = pa.schema(
    [
        ("sums", pa.list_(pa.int64())),
        ("user_id", pa.int64()),
        ("class_index", pa.int64()),
        ("expected_revenue", pa.list_(pa.float64())),
    ]
)


def users_batch(batch: UserBatch, rows: Ints) -> pa.RecordBatch:
    """Some users of a batch as SUMS_AND_USERS."""
    columns = [pa.array(batch.user_id[rows]), pa.array(batch.class_index[rows]), lists(batch.expected_revenue[rows])]
    return pa.record_batch([pa.nulls(len(rows), SUMS_AND_USERS.field("sums").type), *columns], schema=SUMS_AND_USERS)


def sums_batch(*sums: Ints) -> pa.RecordBatch:
    """A partition's sums as SUMS_AND_USERS."""
    row = np.concatenate([each.ravel() for each in sums])[None, :]
    nothing = [pa.nulls(1, field.type) for field in list(SUMS_AND_USERS)[1:]]
    return pa.record_batch([lists(row), *nothing], schema=SUMS_AND_USERS)


def sums_and_users(table: pa.Table, funds: int) -> tuple[Ints, UserBatch]:
    """The sums over all partitions, (sums,), and the users by user_id."""
    sums: Ints = list_matrix(table.filter(table["sums"].is_valid())["sums"]).sum(axis=0)
    rows = table.filter(table["user_id"].is_valid()).sort_by("user_id")
    expected_revenue = list_matrix(rows["expected_revenue"], funds)
    return sums, UserBatch(rows["user_id"].to_numpy(), rows["class_index"].to_numpy(), expected_revenue)
