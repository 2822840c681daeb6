"""Carries kernels over the score table: each pass is one Spark job whose result is small enough for the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.allocation.eligibility import class_index, eligible_pairs
from ptofa_spark.allocation.problem import AllocationProblem, Classes, Floats, Ints, UserBatch
from ptofa_spark.allocation.steps import FREE, Step, replay

_PAIRS_A_BATCH = 200_000
# 160 MB of scores, and some GiB at work on them.
_DRIVER_PAIRS = 20_000_000

Kernel = Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]


class Passes(Protocol):
    """The scores, wherever they are, and the classes of their users."""

    classes: Classes
    trim_after: int  # steps that may be replayed in every pass before the users they served are dropped

    def collect(self, kernel: Kernel, schema: pa.Schema) -> pa.Table:
        """A pass whose result comes to the driver; its size must not grow with the users."""

    def left_after(self, steps: Sequence[Step], k: int) -> Self:
        """Passes over the users that the steps left without a single fund."""

    def release(self) -> None:
        """Gives back what `left_after` keeps."""


def fits_on_driver(problem: AllocationProblem, driver_users: int) -> bool:
    """Whether `ScorePasses.on_driver` is the quicker way, and has the memory. driver_users: the most users for it."""
    return problem.users <= driver_users and problem.users * len(problem.funds) <= _DRIVER_PAIRS


class DriverPasses:
    """The scores of few users, held on the driver: a Spark job's fixed cost would be most of a pass."""

    trim_after = 1

    def __init__(self, users: UserBatch, classes: Classes) -> None:
        self.users = users
        self.classes = classes

    def left_after(self, steps: Sequence[Step], k: int) -> DriverPasses:
        """See `Passes`."""
        return DriverPasses(_left(self.users, steps, k), self.classes)

    def release(self) -> None:
        """See `Passes`; nothing is kept."""

    def collect(self, kernel: Kernel, schema: pa.Schema) -> pa.Table:
        """See `Passes`."""
        return pa.Table.from_batches(list(kernel(self._batches())), schema=schema)

    def _batches(self) -> Iterator[UserBatch]:
        """The users some thousand at a time: what a kernel makes of them stays small, and in the processor's cache."""
        rows = max(1, _PAIRS_A_BATCH // max(1, self.users.expected_revenue.shape[1]))
        for start in range(0, max(1, len(self.users.user_id)), rows):
            part = slice(start, start + rows)
            users = self.users
            yield UserBatch(users.user_id[part], users.class_index[part], users.expected_revenue[part])


class ScorePasses:
    """The score table, one row a user, and the classes of its users.

    scores: columns user_id, risk_tolerance, expected_revenue (array<double> by fund, null where ineligible).
    """

    trim_after = 8  # writing the users that are left costs about as much as replaying so many steps

    def __init__(self, scores: DataFrame, risk_levels: Ints, classes: Classes) -> None:
        self.scores = scores.select("user_id", "risk_tolerance", "expected_revenue")
        self.risk_levels = risk_levels
        self.classes = classes

    def left_after(self, steps: Sequence[Step], k: int) -> ScorePasses:
        """See `Passes`; the rows stay on the executors' disks."""
        risk_levels, classes, done = self.risk_levels, self.classes, tuple(steps)

        def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                users = user_batch(batch, risk_levels, classes)
                yield batch.filter(pa.array(replay(done, users, k)[:, 0] == FREE))

        left = self.scores.mapInArrow(carry, self.scores.schema).persist(StorageLevel.DISK_ONLY)
        return ScorePasses(left, risk_levels, classes)

    def release(self) -> None:
        """See `Passes`."""
        self.scores.unpersist()

    def map(self, kernel: Kernel, schema: pa.Schema) -> DataFrame:
        """One map over the users; the kernel sees a partition's batches one after the other."""
        risk_levels, classes = self.risk_levels, self.classes

        def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return kernel(user_batch(batch, risk_levels, classes) for batch in batches if batch.num_rows)

        return self.scores.mapInArrow(carry, from_arrow_schema(schema))

    def collect(self, kernel: Kernel, schema: pa.Schema) -> pa.Table:
        """See `Passes`."""
        return self.map(kernel, schema).toArrow()

    def on_driver(self) -> DriverPasses:
        """The same passes over a copy of all users on the driver; for few users only.

        Raises:
            ValueError: there are no users.
        """
        table = self.scores.toArrow().combine_chunks()
        batches = table.to_batches()
        if not batches:
            raise ValueError("no users to hold on the driver")
        users = user_batch(batches[0], self.risk_levels, self.classes)
        return DriverPasses(users, self.classes)


def _left(users: UserBatch, steps: Sequence[Step], k: int) -> UserBatch:
    left = replay(steps, users, k)[:, 0] == FREE
    return UserBatch(users.user_id[left], users.class_index[left], users.expected_revenue[left])


def user_batch(batch: pa.RecordBatch, risk_levels: Ints, classes: Classes) -> UserBatch:
    """The arrays of an Arrow batch of scores, ineligible pairs as NaN."""
    revenue = revenue_matrix(batch.column("expected_revenue"), len(risk_levels))
    tolerance = batch.column("risk_tolerance").to_numpy(zero_copy_only=False).astype(np.int64)
    eligible = eligible_pairs(tolerance, risk_levels, revenue)
    return UserBatch(
        user_id=batch.column("user_id").to_numpy(zero_copy_only=False).astype(np.int64),
        class_index=class_index(eligible, classes),
        expected_revenue=np.where(eligible, revenue, np.nan),
    )


def revenue_matrix(column: pa.Array, funds: int) -> Floats:
    """An Arrow column of lists of doubles as (users, funds), NaN for null."""
    values: Floats = column.flatten().to_numpy(zero_copy_only=False)
    return values.astype(np.float64, copy=False).reshape(-1, funds)
