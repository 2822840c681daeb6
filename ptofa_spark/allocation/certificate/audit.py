"""Recomputes from the tables alone what an allocation promises; shares no code with the solvers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.allocation.certificate.summary import Violations
from ptofa_spark.allocation.problem.problem import Bounds, Funds
from ptofa_spark.allocation.scores.score_rows import ScoreRows
from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.reproducible.exact_sums import grid_exponents, on_grid, sum_on_grid

# Rows of an allocation that the driver may hold: some MB.
DRIVER_EXPOSURES = 100_000

_COUNTS = ("users", "served", "ineligible", "wrong", "doubled")
# A few MB of both tables, which is what a task holds at once.
_USERS_A_BUCKET = 20_000


@dataclass(frozen=True)
class FundAudit:
    """What a fund got: exposures and expected revenue, money."""

    delivered: int
    expected_revenue: float


@dataclass(frozen=True)
class Audit:
    """What the tables say.

    users: users with a score; users_served: those with exactly K distinct funds; ordinary_objective: the objective
    without marked pairs, money; wrong_rows: rows whose user has no score or whose expected revenue is not the score's;
    doubled: pairs or slots that stand there more than once; marked: rows of marked pairs.
    """

    users: int
    users_served: int
    exposures: int
    objective: float
    ordinary_objective: float
    violations: Violations
    wrong_rows: int
    doubled: int
    marked: int
    funds: dict[str, FundAudit]

    def broken(self, bounds: Bounds, fund_ids: Sequence[str], *, demands_too: bool = True) -> list[str]:
        """Every promise that the allocation breaks; empty if it keeps them all.

        Args:
            bounds: what C1 and C2 allow.
            fund_ids: (funds,), whose bounds these are; another fund gets no exposure.
            demands_too: whether C1 and C2 are promised; no method promises more than `demand_high` of a fund.
        """
        off = self.violations
        low = dict(zip(fund_ids, bounds.demand_low.tolist(), strict=True)) if demands_too else {}
        high = dict(zip(fund_ids, bounds.demand_high.tolist(), strict=True))
        delivered = {fund: line.delivered for fund, line in self.funds.items()}
        beyond = sum(max(count - high.get(fund, 0), 0) for fund, count in delivered.items())
        beyond += sum(max(least - delivered.get(fund, 0), 0) for fund, least in low.items())
        every_slot = demands_too and bounds.slots_low == bounds.slots_high
        broken = [
            (off.c1 if every_slot else 0, "user(s) without exactly K funds (C1)"),
            (beyond, "exposure(s) off the demands (C2)"),
            (off.c3, "row(s) not eligible (C3)"),
            (self.wrong_rows, "row(s) not in the scores"),
            (self.doubled, "doubled row(s) or slots outside 1..K"),
        ]
        return [f"{count:,} {what}" for count, what in broken if count]


def audit(
    allocation: DataFrame | pa.Table,
    scores: ScoreRows,
    funds: Funds,
    bounds: Bounds,
    about_users: int,
    ordinary_largest: float = math.inf,
) -> Audit:
    """Holds an allocation against the scores it was made from: C1, C2, C3 and eq. 1 (paper, section 2), recounted.

    Args:
        allocation: ALLOCATION rows of one campaign, as a DataFrame, or on the driver.
        scores: in the order of `funds`; held on the driver if the allocation is there.
        funds: the campaign's funds.
        bounds: what C1 and C2 ask for.
        about_users: how many users there are, roughly: it decides how the work is cut up, and nothing else.
        ordinary_largest: money; rows of a larger |E| are marked pairs, and are added up apart.
    """
    if isinstance(allocation, DataFrame):
        parts = _by_user(allocation, scores.frame, funds, bounds.slots_high, about_users // _USERS_A_BUCKET + 1)
        total = parts.agg(*[F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in _COUNTS]).collect()[0]
        row = {name: int(total[name]) for name in _COUNTS}
        per_fund, ordinary, marked, rows_marked = _by_fund(_SparkTally(allocation, ordinary_largest))
    else:
        row = dict(zip(_COUNTS, _counts(scores.held, allocation, funds, bounds.slots_high), strict=True))
        per_fund, ordinary, marked, rows_marked = _by_fund(_DriverTally(allocation, ordinary_largest))
    demand = dict(zip(funds.ids, bounds.demand_high.tolist(), strict=True))
    delivered = {fund: line.delivered for fund, line in per_fund.items()}
    off_demand = sum(abs(delivered.get(fund, 0) - demand.get(fund, 0)) for fund in demand.keys() | delivered.keys())
    return Audit(
        users=row["users"],
        users_served=row["served"],
        exposures=sum(delivered.values()),
        objective=math.fsum([*ordinary, *marked]),
        ordinary_objective=math.fsum(ordinary),
        violations=Violations(c1=row["users"] - row["served"], c2=off_demand, c3=row["ineligible"]),
        wrong_rows=row["wrong"],
        doubled=row["doubled"],
        marked=rows_marked,
        funds=per_fund,
    )


def _by_user(allocation: DataFrame, scores: DataFrame, funds: Funds, k: int, buckets: int) -> DataFrame:
    """Counts of _COUNTS, a row per bucket of users: a hash of the user partitions both tables."""

    def counts(scored: pa.Table, held: pa.Table) -> pa.Table:
        found = _counts(scored, held, funds, k)
        return pa.table({name: pa.array([count], pa.int64()) for name, count in zip(_COUNTS, found, strict=True)})

    bucket = F.pmod(F.xxhash64("user_id"), F.lit(buckets)).alias("bucket")
    left = scores.select(bucket, "user_id", "risk_tolerance", "expected_revenue").groupBy("bucket")
    right = allocation.select(bucket, "user_id", "slot", "fund_id", "expected_revenue").groupBy("bucket")
    return left.cogroup(right).applyInArrow(counts, ", ".join(f"{name} bigint" for name in _COUNTS))


def _counts(scored: pa.Table, held: pa.Table, funds: Funds, k: int) -> tuple[int, ...]:
    """The counts of _COUNTS, of all rows of some users."""
    ids = pa.array(funds.ids, pa.string())
    return _count(
        scored["user_id"].to_numpy(),
        scored["risk_tolerance"].to_numpy(),
        scored["expected_revenue"].combine_chunks().flatten().to_numpy(zero_copy_only=False),
        funds.risk_levels,
        k,
        held["user_id"].to_numpy(),
        held["slot"].to_numpy(),
        pc.fill_null(pc.index_in(held["fund_id"], ids), -1).to_numpy(),
        held["expected_revenue"].to_numpy(),
    )


def _count(
    users: Ints,
    tolerance: Ints,
    expected_revenue: Floats,
    levels: Ints,
    k: int,
    held_user: Ints,
    slot: Ints,
    fund: Ints,
    held_revenue: Floats,
) -> tuple[int, int, int, int, int]:
    """The counts of one bucket: `users` to `revenue` are of the scores, `held_user` to `held_revenue` of the rows.

    A doubled pair or slot counts once for each row that repeats it, and so does a slot outside 1..K.
    """
    order = np.argsort(users, kind="stable")
    place = np.searchsorted(users[order], held_user)
    known = place < len(users)
    known[known] = users[order][place[known]] == held_user[known]
    in_scores = known & (fund >= 0)
    row = order[np.minimum(place, max(len(users) - 1, 0))] if len(users) else np.zeros(len(place), dtype=np.int64)
    column = np.maximum(fund, 0)
    score = np.full(len(held_user), np.nan)
    score[in_scores] = expected_revenue.reshape(-1, len(levels))[row[in_scores], column[in_scores]]
    eligible = in_scores & ~np.isnan(score)
    eligible[eligible] = tolerance[row[eligible]] >= levels[column[eligible]]
    doubled = _repeats(held_user, fund) + _repeats(held_user, slot) + int(((slot < 1) | (slot > k)).sum())
    # A user is served by exactly K rows of K different funds.
    held = np.bincount(row[known], minlength=len(users))
    pairs = np.unique(row[known] * (len(levels) + 1) + fund[known] + 1)
    distinct = np.bincount(pairs // (len(levels) + 1), minlength=len(users))
    served = int(((held == k) & (distinct == k)).sum())
    wrong = int((score != held_revenue).sum())
    return len(users), served, int((~eligible).sum()), wrong, doubled


def _repeats(user: Ints, of: Ints) -> int:
    """Rows that repeat another row's user and value."""
    order = np.lexsort((of, user))
    return int(((np.diff(user[order]) == 0) & (np.diff(of[order]) == 0)).sum())


class _Tally(Protocol):
    """The rows' money by fund, in two parts: ordinary pairs, and marked pairs, which the ordinary are lost beside.

    A row of NaN or infinite revenue adds nothing: it is one of the wrong rows.
    """

    def sizes(self) -> list[tuple[str, int, int, list[float]]]:
        """Of each fund: its id, its rows, those that are marked, the largest |E| of each part, money."""

    def units(self, grids: Sequence[int]) -> dict[str, list[int]]:
        """Of each fund: the sum of each part on its grid."""


class _SparkTally:
    """See `_Tally`."""

    def __init__(self, allocation: DataFrame, ordinary_largest: float) -> None:
        expected_revenue = F.col("expected_revenue")
        expected_revenue = F.when(F.abs(expected_revenue) < math.inf, expected_revenue).otherwise(0.0)
        self._is_marked = F.abs(expected_revenue) > ordinary_largest
        self._parts = [
            F.when(~self._is_marked, expected_revenue).otherwise(0.0),
            F.when(self._is_marked, expected_revenue).otherwise(0.0),
        ]
        self._by_fund = allocation.groupBy("fund_id")

    def sizes(self) -> list[tuple[str, int, int, list[float]]]:
        rows = self._by_fund.agg(
            F.count("*").alias("delivered"),
            F.sum(self._is_marked.cast("bigint")).alias("marked"),
            F.array(*[F.max(F.abs(part)) for part in self._parts]).alias("largest"),
        ).collect()
        return [(row["fund_id"], row["delivered"], row["marked"], row["largest"]) for row in rows]

    def units(self, grids: Sequence[int]) -> dict[str, list[int]]:
        sums = [sum_on_grid(part, grid) for part, grid in zip(self._parts, grids, strict=True)]
        return {row["fund_id"]: row["units"] for row in self._by_fund.agg(F.array(*sums).alias("units")).collect()}


class _DriverTally:
    """See `_Tally`; of few rows."""

    def __init__(self, allocation: pa.Table, ordinary_largest: float) -> None:
        fund_id = allocation["fund_id"].combine_chunks().dictionary_encode()
        self._funds, self._fund = fund_id.dictionary.to_pylist(), fund_id.indices.to_numpy()
        expected_revenue = allocation["expected_revenue"].to_numpy()
        expected_revenue = np.where(np.abs(expected_revenue) < math.inf, expected_revenue, 0.0)
        self._is_marked = np.abs(expected_revenue) > ordinary_largest
        self._parts = np.stack([np.where(self._is_marked, 0.0, expected_revenue), expected_revenue * self._is_marked])

    def sizes(self) -> list[tuple[str, int, int, list[float]]]:
        of_fund = [self._fund == number for number in range(len(self._funds))]
        return [
            (fund, int(own.sum()), int(self._is_marked[own].sum()), np.abs(self._parts[:, own]).max(axis=1).tolist())
            for fund, own in zip(self._funds, of_fund, strict=True)
        ]

    def units(self, grids: Sequence[int]) -> dict[str, list[int]]:
        units = on_grid(self._parts, np.array(grids)[:, None])
        return {fund: units[:, self._fund == number].sum(axis=1).tolist() for number, fund in enumerate(self._funds)}


def _by_fund(tally: _Tally) -> tuple[dict[str, FundAudit], list[float], list[float], int]:
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
