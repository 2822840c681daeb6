"""A sample of users by a hash of their id: the same for any partitioning, and no pass sorts or counts for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.score_rows import Draw
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.allocation.scores.sums_and_users import SUMS_AND_USERS, sums_and_users, users_batch


def sampled_users(score_table: ScoreTable, share: float, seed: int) -> UserBatch:
    """About `share` (0..1) of the users, by user_id; all of them for a share of 1."""
    draw = Draw(seed, share)
    drawn = score_table.drawn(draw)
    if drawn is not None:
        return drawn
    table = score_table.collect(_sampling(draw), SUMS_AND_USERS)
    return sums_and_users(table, score_table.classes.eligible.shape[1])[1]


def _sampling(draw: Draw) -> Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]:
    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield users_batch(batch, np.flatnonzero(draw.of(batch.user_id)))

    return kernel
