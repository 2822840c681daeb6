"""Carries kernels over the score table: each pass is one Spark job whose result is small enough for the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.allocation.eligibility import class_index, eligible_pairs
from ptofa_spark.allocation.problem import Classes, Floats, Ints, UserBatch

Kernel = Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]


class ScorePasses:
    """The score table, one row a user, and the classes of its users.

    scores: columns user_id, risk_tolerance, expected_revenue (array<double> by fund, null where ineligible).
    """

    def __init__(self, scores: DataFrame, risk_levels: Ints, classes: Classes) -> None:
        self.scores = scores.select("user_id", "risk_tolerance", "expected_revenue")
        self.risk_levels = risk_levels
        self.classes = classes

    def map(self, kernel: Kernel, schema: pa.Schema) -> DataFrame:
        """One map over the users; the kernel sees a partition's batches one after the other."""
        risk_levels, classes = self.risk_levels, self.classes

        def carry(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return kernel(user_batch(batch, risk_levels, classes) for batch in batches if batch.num_rows)

        return self.scores.mapInArrow(carry, from_arrow_schema(schema))

    def collect(self, kernel: Kernel, schema: pa.Schema) -> pa.Table:
        """A pass whose result comes to the driver; its size must not grow with the users."""
        return self.map(kernel, schema).toArrow()


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
