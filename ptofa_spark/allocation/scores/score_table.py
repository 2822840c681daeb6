"""The score table, and the passes over it: each is one Spark job whose result is small enough for the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.allocation.problem.eligibility import class_index, eligible_pairs
from ptofa_spark.allocation.problem.problem import Classes, UserBatch
from ptofa_spark.allocation.scores.marks import Clip
from ptofa_spark.allocation.scores.score_rows import PAIRS_A_BATCH, Draw, DrawnRows, ScoreRows
from ptofa_spark.arrays import Bools, Floats, Ints

Kernel = Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]
# Tells for each user of a batch, as a solver sees them, whether they stay: (users,).
Kept = Callable[[UserBatch], Bools]


class ScoreTable(Protocol):
    """The scores, wherever they are, and the classes of their users."""

    classes: Classes
    trim_after: int  # steps that may be replayed in every pass before the users they served are dropped

    def collect(self, kernel: Kernel, schema: pa.Schema) -> pa.Table:
        """A pass whose result comes to the driver; its size must not grow with the users."""

    def only(self, kept: Kept) -> Self:
        """Passes over the users that are kept."""

    def clipped(self, clip: Clip) -> Self:
        """The same users as a solver sees them where there are marks."""

    def release(self) -> None:
        """Gives back what `only` stores."""

    def drawn(self, draw: Draw) -> UserBatch | None:
        """The users of a draw, by user_id, if an earlier pass has brought them."""


class DriverScoreTable:
    """The scores of few users, held on the driver: a Spark job's fixed cost would be most of a pass.

    users: as they are; clip: what a kernel sees of them, None where there are no marks.
    """

    trim_after = 1

    def __init__(self, users: UserBatch, classes: Classes, clip: Clip | None = None) -> None:
        self.users = users
        self.classes = classes
        self.clip = clip

    def only(self, kept: Kept) -> DriverScoreTable:
        """See `ScoreTable`."""
        users = self.users.some(kept(clipped_users(self.users, self.clip)))
        return DriverScoreTable(users, self.classes, self.clip)

    def clipped(self, clip: Clip) -> DriverScoreTable:
        """See `ScoreTable`."""
        return DriverScoreTable(self.users, self.classes, clip)

    def release(self) -> None:
        """See `ScoreTable`; nothing is kept."""

    def drawn(self, draw: Draw) -> None:
        """See `ScoreTable`; nothing was brought."""

    def collect(self, kernel: Kernel, schema: pa.Schema) -> pa.Table:
        """See `ScoreTable`."""
        return pa.Table.from_batches(list(kernel(self._batches())), schema=schema)

    def _batches(self) -> Iterator[UserBatch]:
        """The users some thousand at a time: what a kernel makes of them stays small, and in the processor's cache."""
        rows = max(1, PAIRS_A_BATCH // max(1, self.users.expected_revenue.shape[1]))
        for start in range(0, max(1, len(self.users.user_id)), rows):
            yield clipped_users(self.users.some(slice(start, start + rows)), self.clip)


class SparkScoreTable:
    """The score table, one row per user, and the classes of its users.

    scores: columns user_id, risk_tolerance, expected_revenue (array<double> by fund, null where ineligible). clip: what
    a kernel sees of them, None where there are no marks.
    """

    trim_after = 8  # writing the users that are left costs about as much as replaying so many steps

    def __init__(
        self,
        scores: DataFrame,
        risk_levels: Ints,
        classes: Classes,
        clip: Clip | None = None,
        brought: DrawnRows | None = None,
    ) -> None:
        """brought: rows of users who were drawn by an earlier pass."""
        self.scores = scores.select("user_id", "risk_tolerance", "expected_revenue")
        self.risk_levels = risk_levels
        self.classes = classes
        self.clip = clip
        self._brought = brought

    def only(self, kept: Kept) -> SparkScoreTable:
        """See `ScoreTable`; the rows stay on the executors' disks."""
        risk_levels, classes, clip = self.risk_levels, self.classes, self.clip

        def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                users = clipped_users(user_batch(batch, risk_levels, classes), clip)
                yield batch.filter(pa.array(kept(users)))

        left = self.scores.mapInArrow(carry, self.scores.schema).persist(StorageLevel.DISK_ONLY)
        return SparkScoreTable(left, risk_levels, classes, clip)

    def clipped(self, clip: Clip) -> SparkScoreTable:
        """See `ScoreTable`."""
        return SparkScoreTable(self.scores, self.risk_levels, self.classes, clip, self._brought)

    def drawn(self, draw: Draw) -> UserBatch | None:
        """See `ScoreTable`."""
        if self._brought is None or not self._brought.draw.holds(draw):
            return None
        rows = self._brought.rows
        rows = rows.filter(pa.array(draw.of(rows.column("user_id").to_numpy()))).sort_by("user_id")
        return clipped_users(user_batch(rows, self.risk_levels, self.classes), self.clip)

    def release(self) -> None:
        """See `ScoreTable`."""
        self.scores.unpersist()

    def map(self, kernel: Kernel, schema: pa.Schema) -> DataFrame:
        """One map over the users; the kernel sees a partition's batches one after the other."""
        risk_levels, classes, clip = self.risk_levels, self.classes, self.clip

        def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            users = (user_batch(batch, risk_levels, classes) for batch in batches if batch.num_rows)
            return kernel(clipped_users(each, clip) for each in users)

        return self.scores.mapInArrow(carry, from_arrow_schema(schema))

    def collect(self, kernel: Kernel, schema: pa.Schema) -> pa.Table:
        """See `ScoreTable`."""
        return self.map(kernel, schema).toArrow()


def score_table_of(
    scores: ScoreRows, risk_levels: Ints, classes: Classes, brought: DrawnRows | None = None
) -> SparkScoreTable | DriverScoreTable:
    """The score table of the rows, on the driver if they are held there.

    Args:
        scores: at least one user.
        risk_levels: (funds,).
        classes: of these users.
        brought: rows of users who were drawn by an earlier pass.
    """
    if scores.held is None:
        return SparkScoreTable(scores.frame, risk_levels, classes, brought=brought)
    (batch,) = scores.held.combine_chunks().to_batches()
    return DriverScoreTable(user_batch(batch, risk_levels, classes), classes)


def clipped_users(users: UserBatch, clip: Clip | None) -> UserBatch:
    """The users as a solver sees them; without a clip they are what they are."""
    return users if clip is None else replace(users, expected_revenue=clip.of(users.expected_revenue))


def user_batch(batch: pa.RecordBatch, risk_levels: Ints, classes: Classes) -> UserBatch:
    """The arrays of an Arrow batch of scores, ineligible pairs as NaN."""
    expected_revenue = revenue_matrix(batch.column("expected_revenue"), len(risk_levels))
    tolerance = batch.column("risk_tolerance").to_numpy(zero_copy_only=False).astype(np.int64)
    eligible = eligible_pairs(tolerance, risk_levels, expected_revenue)
    return UserBatch(
        user_id=batch.column("user_id").to_numpy(zero_copy_only=False).astype(np.int64),
        class_index=class_index(eligible, classes),
        expected_revenue=np.where(eligible, expected_revenue, np.nan),
    )


def revenue_matrix(column: pa.Array, funds: int) -> Floats:
    """An Arrow column of lists of doubles as (users, funds), NaN for null."""
    values: Floats = column.flatten().to_numpy(zero_copy_only=False)
    return values.astype(np.float64, copy=False).reshape(-1, funds)
