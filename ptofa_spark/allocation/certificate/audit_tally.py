"""What each fund got in an allocation, in sums that are exact in any order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.reproducible.exact_sums import grid_exponents, on_grid, sum_on_grid


@dataclass(frozen=True)
class FundAudit:
    """What a fund got: exposures and expected revenue, money."""

    delivered: int
    expected_revenue: float


class Tally(Protocol):
    """The rows' money by fund, in two parts: ordinary pairs, and marked pairs, which the ordinary are lost beside.

    A row of NaN or infinite revenue adds nothing: it is one of the wrong rows.
    """

    def sizes(self) -> list[tuple[str, int, int, list[float]]]:
        """Of each fund: its id, its rows, those that are marked, the largest |E| of each part, money."""

    def units(self, grids: Sequence[int]) -> dict[str, list[int]]:
        """Of each fund: the sum of each part on its grid."""


class SparkTally:
    """See `Tally`."""

    def __init__(self, allocation: DataFrame, ordinary_largest: float) -> None:
        """allocation: ALLOCATION rows; ordinary_largest: money; rows of a larger |E| are marked pairs."""
        expected_revenue = F.col("expected_revenue")
        expected_revenue = F.when(F.abs(expected_revenue) < math.inf, expected_revenue).otherwise(0.0)
        self._is_marked = F.abs(expected_revenue) > ordinary_largest
        self._parts = [
            F.when(~self._is_marked, expected_revenue).otherwise(0.0),
            F.when(self._is_marked, expected_revenue).otherwise(0.0),
        ]
        self._by_fund = allocation.groupBy("fund_id")

    def sizes(self) -> list[tuple[str, int, int, list[float]]]:
        """See `Tally`."""
        rows = self._by_fund.agg(
            F.count("*").alias("delivered"),
            F.sum(self._is_marked.cast("bigint")).alias("marked"),
            F.array(*[F.max(F.abs(part)) for part in self._parts]).alias("largest"),
        ).collect()
        return [(row["fund_id"], row["delivered"], row["marked"], row["largest"]) for row in rows]

    def units(self, grids: Sequence[int]) -> dict[str, list[int]]:
        """See `Tally`."""
        sums = [sum_on_grid(part, grid) for part, grid in zip(self._parts, grids, strict=True)]
        return {row["fund_id"]: row["units"] for row in self._by_fund.agg(F.array(*sums).alias("units")).collect()}


class DriverTally:
    """See `Tally`; of few rows."""

    def __init__(self, allocation: pa.Table, ordinary_largest: float) -> None:
        """Arguments as in `SparkTally`."""
        fund_id = allocation["fund_id"].combine_chunks().dictionary_encode()
        self._funds, self._fund = fund_id.dictionary.to_pylist(), fund_id.indices.to_numpy()
        expected_revenue = allocation["expected_revenue"].to_numpy()
        expected_revenue = np.where(np.abs(expected_revenue) < math.inf, expected_revenue, 0.0)
        self._is_marked = np.abs(expected_revenue) > ordinary_largest
        self._parts = np.stack([np.where(self._is_marked, 0.0, expected_revenue), expected_revenue * self._is_marked])

    def sizes(self) -> list[tuple[str, int, int, list[float]]]:
        """See `Tally`."""
        of_fund = [self._fund == number for number in range(len(self._funds))]
        return [
            (fund, int(own.sum()), int(self._is_marked[own].sum()), np.abs(self._parts[:, own]).max(axis=1).tolist())
            for fund, own in zip(self._funds, of_fund, strict=True)
        ]

    def units(self, grids: Sequence[int]) -> dict[str, list[int]]:
        """See `Tally`."""
        units = on_grid(self._parts, np.array(grids)[:, None])
        return {fund: units[:, self._fund == number].sum(axis=1).tolist() for number, fund in enumerate(self._funds)}


def by_fund(tally: Tally) -> tuple[dict[str, FundAudit], list[float], list[float], int]:
    """Sums that are exact in any order, so that the objective does not depend on the partitioning.

    Returns:
        What each fund got; the funds' ordinary money, and their money of marked pairs; rows of marked pairs.
    """
    sizes = tally.sizes()
    if not sizes:
        return {}, [], [], 0
    rows = max(delivered for _, delivered, _, _ in sizes)
    grids = [int(grid) for grid in grid_exponents(np.array([largest for *_, largest in sizes]).max(axis=0), rows)]
    units = tally.units(grids)
    money = {
        fund: [math.ldexp(count, -grid) for count, grid in zip(units[fund], grids, strict=True)] for fund, *_ in sizes
    }
    ordinary, marked = ([money[fund][part] for fund, *_ in sizes] for part in range(len(grids)))
    funds = {fund: FundAudit(delivered, math.fsum(money[fund])) for fund, delivered, _, _ in sizes}
    return funds, ordinary, marked, sum(count for _, _, count, _ in sizes)
