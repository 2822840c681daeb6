"""The rows of the scores: a DataFrame, and a copy on the driver where they are few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

# 160 MB of scores, and some GiB at work on them.
_DRIVER_PAIRS = 20_000_000
_PAIRS_A_BATCH = 200_000

ArrowKernel = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class ScoreRows:
    """Rows of user_id, risk_tolerance, expected_revenue array<double> in the order of the campaign's funds, money.

    frame: the rows; held: the same rows on the driver, None if they are many. A Spark job takes some tenths of a
    second, however few its rows are.
    """

    frame: DataFrame
    held: pa.Table | None = None

    def collect(self, kernel: ArrowKernel, schema: pa.Schema) -> pa.Table:
        """One pass over risk_tolerance and expected_revenue.

        The kernel sees the batches of a partition one after the other, or those of the driver's copy.
        """
        if self.held is not None:
            return pa.Table.from_batches(list(kernel(self._batches(self.held))), schema=schema)
        return (
            self.frame.select("risk_tolerance", "expected_revenue")
            .mapInArrow(kernel, from_arrow_schema(schema))
            .toArrow()
        )

    def changed(self, frame: DataFrame) -> ScoreRows:
        """Other rows of the same users, where these are."""
        return ScoreRows(frame, None if self.held is None else frame.toArrow())

    def _batches(self, held: pa.Table) -> list[pa.RecordBatch]:
        funds = len(held["expected_revenue"][0]) if held.num_rows else 1
        batches: list[pa.RecordBatch] = held.to_batches(max_chunksize=max(1, _PAIRS_A_BATCH // max(1, funds)))
        return batches


def score_rows(frame: DataFrame, users: int, funds: int, driver_users: int) -> ScoreRows:
    """The rows, with a copy on the driver if they fit.

    Args:
        frame: the columns of `ScoreRows`, one row per user.
        users: rows of it.
        funds: scores per user.
        driver_users: the most users for the driver.
    """
    frame = frame.select("user_id", "risk_tolerance", "expected_revenue")
    fits = users <= driver_users and users * funds <= _DRIVER_PAIRS
    return ScoreRows(frame, frame.toArrow() if fits else None)
