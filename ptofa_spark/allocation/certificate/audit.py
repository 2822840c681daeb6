"""Recomputes from the tables alone what an allocation promises; shares no code with the solvers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.allocation.certificate.audit_counts import COUNTS, counts_of
from ptofa_spark.allocation.certificate.audit_tally import DriverTally, FundAudit, SparkTally, Tally, by_fund
from ptofa_spark.allocation.certificate.summary import Violations
from ptofa_spark.allocation.problem.problem import Bounds, Funds
from ptofa_spark.allocation.scores.score_rows import ScoreRows
from ptofa_spark.arrays import Ints

# Rows of an allocation that the driver may hold: some MB.
DRIVER_EXPOSURES = 100_000

# A few MB of both tables, which is what a task holds at once.
_USERS_A_BUCKET = 20_000


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
    k = bounds.slots_high
    if isinstance(allocation, DataFrame):
        parts = _by_user(allocation, scores.frame, funds, k, about_users // _USERS_A_BUCKET + 1)
        total = parts.agg(*[F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in COUNTS]).collect()[0]
        counts = np.array([total[name] for name in COUNTS])
        return audit_of(counts, SparkTally(allocation, ordinary_largest), funds, bounds)
    counts = counts_of(scores.held, allocation, funds, k)
    return audit_of(counts, DriverTally(allocation, ordinary_largest), funds, bounds)


def audit_of(counts: Ints, tally: Tally, funds: Funds, bounds: Bounds) -> Audit:
    """What the counts of the users and the tally of the rows say together.

    Args:
        counts: (COUNTS,), of all users and all rows.
        tally: of the same rows.
        funds: the campaign's funds.
        bounds: what C1 and C2 ask for.
    """
    users, served, rows, ineligible, wrong, doubled = counts.tolist()
    per_fund, ordinary, marked, rows_marked = by_fund(tally)
    demand = dict(zip(funds.ids, bounds.demand_high.tolist(), strict=True))
    delivered = {fund: line.delivered for fund, line in per_fund.items()}
    exposures = sum(delivered.values())
    off_demand = sum(abs(delivered.get(fund, 0) - demand.get(fund, 0)) for fund in demand.keys() | delivered.keys())
    return Audit(
        users=users,
        users_served=served,
        exposures=exposures,
        objective=math.fsum([*ordinary, *marked]),
        ordinary_objective=math.fsum(ordinary),
        violations=Violations(c1=users - served, c2=off_demand, c3=ineligible),
        # A row that is in the tally and was held against no score, or the reverse, is wrong too.
        wrong_rows=wrong + abs(exposures - rows),
        doubled=doubled,
        marked=rows_marked,
        funds=per_fund,
    )


def _by_user(allocation: DataFrame, scores: DataFrame, funds: Funds, k: int, buckets: int) -> DataFrame:
    """Counts of COUNTS, a row per bucket of users: a hash of the user partitions both tables."""

    def counts(scored: pa.Table, held: pa.Table) -> pa.Table:
        found = counts_of(scored, held, funds, k).tolist()
        return pa.table({name: pa.array([count], pa.int64()) for name, count in zip(COUNTS, found, strict=True)})

    bucket = F.pmod(F.xxhash64("user_id"), F.lit(buckets)).alias("bucket")
    left = scores.select(bucket, "user_id", "risk_tolerance", "expected_revenue").groupBy("bucket")
    right = allocation.select(bucket, "user_id", "slot", "fund_id", "expected_revenue").groupBy("bucket")
    return left.cogroup(right).applyInArrow(counts, ", ".join(f"{name} bigint" for name in COUNTS))
