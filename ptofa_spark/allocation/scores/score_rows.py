"""The rows of the scores: a DataFrame, and a copy on the driver where they are few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.arrays import Bools, Ints
from ptofa_spark.reproducible.hashing import stream, uniform

PAIRS_A_BATCH = 200_000
SAMPLE_USERS = 200_000

ArrowKernel = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class ScoreRows:
    """Rows of user_id, risk_tolerance, expected_revenue array<double> in the order of the campaign's funds, money.

    frame: the rows; held: the same rows on the driver, None if they are many. A Spark job takes some tenths of a
    second, however few its rows are. users: how many there are, 0 if that was not counted.
    """

    frame: DataFrame
    held: pa.Table | None = None
    users: int = 0

    def collect(self, kernel: ArrowKernel, schema: pa.Schema) -> pa.Table:
        """One pass over the rows.

        The kernel sees the batches of a partition one after the other, or those of the driver's copy.
        """
        if self.held is not None:
            return pa.Table.from_batches(list(kernel(self._batches(self.held))), schema=schema)
        return self.frame.mapInArrow(kernel, from_arrow_schema(schema)).toArrow()

    def changed(self, frame: DataFrame) -> ScoreRows:
        """Other rows of the same users, where these are."""
        return replace(self, frame=frame, held=None if self.held is None else frame.toArrow())

    def _batches(self, held: pa.Table) -> list[pa.RecordBatch]:
        funds = len(held["expected_revenue"][0]) if held.num_rows else 1
        batches: list[pa.RecordBatch] = held.to_batches(max_chunksize=max(1, PAIRS_A_BATCH // max(1, funds)))
        return batches


@dataclass(frozen=True)
class Draw:
    """Which users are drawn, by a hash of their id: about a share (0..1) of all."""

    seed: int
    share: float

    def of(self, user_id: Ints) -> Bools:
        """Whether each user is drawn: (users,). Whom a share draws, a larger one of the same seed draws too."""
        drawn: Bools = uniform(stream(self.seed, "sample"), user_id) < self.share
        return drawn

    def holds(self, other: Draw) -> bool:
        """Whether all users of another draw are drawn."""
        return self.seed == other.seed and self.share >= min(1.0, other.share)


@dataclass(frozen=True)
class DrawnRows:
    """The rows of the users who were drawn."""

    draw: Draw
    rows: pa.RecordBatch
