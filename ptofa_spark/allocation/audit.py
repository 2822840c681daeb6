"""Recomputes from the tables alone what an allocation promises; shares no code with the solvers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.allocation.problem import Funds
from ptofa_spark.allocation.summary import Violations
from ptofa_spark.errors import UserError
from ptofa_spark.exact_sums import grid_exponents, sum_on_grid


@dataclass(frozen=True)
class FundAudit:
    """What a fund got: exposures and expected revenue, money."""

    delivered: int
    expected_revenue: float


@dataclass(frozen=True)
class Audit:
    """What the tables say.

    users: users with a score; users_served: those with exactly K distinct funds; wrong_rows: rows whose user has no
    score or whose expected revenue is not the score's; doubled: pairs or slots that stand there more than once.
    """

    users: int
    users_served: int
    exposures: int
    objective: float
    violations: Violations
    wrong_rows: int
    doubled: int
    funds: dict[str, FundAudit]


def audit(allocation: DataFrame, scores: DataFrame, funds: Funds, k: int) -> Audit:
    """Holds an allocation against the scores it was made from.

    Args:
        allocation: ALLOCATION rows of one campaign.
        scores: user_id, risk_tolerance, expected_revenue array<double> in the order of `funds`.
        funds: the campaign's funds.
        k: funds a user is to get.
    """
    users = _by_user(allocation, scores, funds, k)
    row = users.agg(
        F.count("risk_tolerance").alias("users"),
        F.count(
            F.when(F.col("risk_tolerance").isNotNull() & (F.col("distinct_funds") == k) & (F.col("held") == k), 1)
        ).alias("served"),
        F.coalesce(F.sum("held"), F.lit(0)).alias("exposures"),
        F.coalesce(F.sum("ineligible"), F.lit(0)).alias("ineligible"),
        F.coalesce(F.sum("wrong"), F.lit(0)).alias("wrong"),
        F.coalesce(F.sum("doubled"), F.lit(0)).alias("doubled"),
    ).collect()[0]
    per_fund = _by_fund(allocation)
    demand = dict(zip(funds.ids, (int(d) for d in funds.demand), strict=True))
    delivered = {fund: line.delivered for fund, line in per_fund.items()}
    off_demand = sum(abs(delivered.get(fund, 0) - demand.get(fund, 0)) for fund in demand.keys() | delivered.keys())
    return Audit(
        users=row["users"],
        users_served=row["served"],
        exposures=row["exposures"],
        objective=math.fsum(line.expected_revenue for line in per_fund.values()),
        violations=Violations(c1=row["users"] - row["served"], c2=off_demand, c3=row["ineligible"]),
        wrong_rows=row["wrong"],
        doubled=row["doubled"],
        funds=per_fund,
    )


def require_true(found: Audit, table: str) -> None:
    """Refuses rows that no method may ever write: doubled, made up or not eligible.

    Raises:
        UserError: the allocation is not one of these scores.
    """
    if found.wrong_rows or found.doubled or found.violations.c3:
        raise UserError(
            f"the audit of {table} failed: {found.wrong_rows} row(s) not in the scores, {found.doubled} doubled, "
            f"{found.violations.c3} not eligible; nothing was written, please report this as a bug"
        )


def _by_user(allocation: DataFrame, scores: DataFrame, funds: Funds, k: int) -> DataFrame:
    """One row a user of either table: funds held, and how many of them are ineligible, wrong or doubled."""
    held = allocation.groupBy("user_id").agg(
        F.count("*").alias("held"),
        F.countDistinct("fund_id").alias("distinct_funds"),
        F.countDistinct("slot").alias("slots"),
        F.min("slot").alias("first_slot"),
        F.max("slot").alias("last_slot"),
        F.collect_list(F.struct("fund_id", "expected_revenue")).alias("rows"),
    )
    known = F.array(
        *[
            F.struct(
                F.lit(fund).alias("fund_id"),
                F.when(F.col("risk_tolerance") >= F.lit(int(level)), F.col("expected_revenue")[index]).alias("score"),
                F.col("expected_revenue")[index].alias("any_score"),
            )
            for index, (fund, level) in enumerate(zip(funds.ids, funds.risk_levels, strict=True))
        ]
    )
    scored = scores.select("user_id", "risk_tolerance", known.alias("known"))

    def is_score(row: F.Column, field: str) -> F.Column:  # type: ignore[name-defined]
        return F.exists(
            "known", lambda one: (one["fund_id"] == row["fund_id"]) & (one[field] == row["expected_revenue"])
        )

    rows = F.coalesce("rows", F.array())
    out_of_range = (F.col("first_slot") < 1) | (F.col("last_slot") > k)
    return scored.join(held, on="user_id", how="full").select(
        "user_id",
        "risk_tolerance",
        F.coalesce("held", F.lit(0)).alias("held"),
        F.coalesce("distinct_funds", F.lit(0)).alias("distinct_funds"),
        F.size(
            F.filter(
                rows,
                lambda row: (
                    ~F.coalesce(
                        F.exists("known", lambda one: (one["fund_id"] == row["fund_id"]) & one["score"].isNotNull()),
                        F.lit(False),
                    )
                ),
            )
        ).alias("ineligible"),
        F.size(F.filter(rows, lambda row: ~F.coalesce(is_score(row, "any_score"), F.lit(False)))).alias("wrong"),
        F.coalesce(
            F.col("held") * 2 - F.col("distinct_funds") - F.col("slots") + F.when(out_of_range, 1).otherwise(0),
            F.lit(0),
        ).alias("doubled"),
    )


def _by_fund(allocation: DataFrame) -> dict[str, FundAudit]:
    """Sums that are exact in any order, so that the objective does not depend on the partitioning."""
    size = F.max(F.abs("expected_revenue"))
    sizes = allocation.groupBy("fund_id").agg(F.count("*").alias("delivered"), size.alias("largest")).collect()
    if not sizes:
        return {}
    rows = max(line["delivered"] for line in sizes)
    grid = int(grid_exponents(np.array([max(line["largest"] for line in sizes)]), rows)[0])
    sums = allocation.groupBy("fund_id").agg(sum_on_grid(F.col("expected_revenue"), grid).alias("units")).collect()
    revenue = {line["fund_id"]: math.ldexp(line["units"], -grid) for line in sums}
    return {line["fund_id"]: FundAudit(line["delivered"], revenue[line["fund_id"]]) for line in sizes}
