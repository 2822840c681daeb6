"""A sample of users by a hash of their id: the same for any partitioning, and no pass sorts or counts for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.arrow_lists import list_matrix, lists
from ptofa_spark.allocation.scores.score_rows import Draw
from ptofa_spark.allocation.scores.score_table import ScoreTable

_ROWS = pa.schema([("user_id", pa.int64()), ("class_index", pa.int64()), ("expected_revenue", pa.list_(pa.float64()))])


def sampled_users(score_table: ScoreTable, share: float, seed: int) -> UserBatch:
    """About `share` (0..1) of the users, by user_id; all of them for a share of 1."""
    draw = Draw(seed, share)
    drawn = score_table.drawn(draw)
    if drawn is not None:
        return drawn
    table = score_table.collect(_sampling(draw), _ROWS)
    order = np.argsort(table["user_id"].to_numpy(), kind="stable")
    return UserBatch(
        table["user_id"].to_numpy()[order],
        table["class_index"].to_numpy()[order],
        list_matrix(table["expected_revenue"], score_table.classes.eligible.shape[1])[order],
    )


def _sampling(draw: Draw) -> Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]:
    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = np.flatnonzero(draw.of(batch.user_id))
            yield pa.record_batch(
                [
                    pa.array(batch.user_id[rows]),
                    pa.array(batch.class_index[rows]),
                    lists(batch.expected_revenue[rows]),
                ],
                schema=_ROWS,
            )

    return kernel
