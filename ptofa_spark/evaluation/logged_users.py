"""Randomised exposures against an allocation, added up by user on Spark: what the off-policy estimates are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ptofa_spark.evaluation.off_policy import LoggedUsers

_FOLDS = 2
_OUTCOMES = ("conversion", "revenue")


@dataclass(frozen=True)
class _Line:
    """An outcome per exposure as a straight line in the predicted expected revenue."""

    intercept: float
    slope: float

    def of(self, predicted: str) -> Column:
        """Its value, as a column."""
        return F.lit(self.intercept) + F.lit(self.slope) * F.col(predicted)


def logged_users(logged: DataFrame, allocation: DataFrame, scores: DataFrame, k: int) -> LoggedUsers:
    """Sums by user, those of the doubly robust estimate among them.

    Its outcome model is a straight line in E, fitted on the exposures of the other fold of users: no user's outcome
    has a part in the line that predicts it.

    Args:
        logged: user_id, fund_id, propensity, conversion, revenue of the test users' exposures.
        allocation: ALLOCATION rows.
        scores: COMPACT_SCORES rows of the campaign; a pair that is not there has E = 0.
        k: funds a user was to get.
    """
    rows = _with_lines(_rows(logged, allocation, scores, k))
    table = (
        rows.groupBy("user_id")
        .agg(
            F.count("*").cast("double").alias("exposures"),
            F.sum("conversion").alias("conversions"),
            F.sum("revenue").alias("revenue"),
            F.sum("w").alias("weight"),
            F.sum(F.col("w") * F.col("w")).alias("squared_weight"),
            F.sum(F.col("w") * F.col("conversion")).alias("weighted_conversions"),
            F.sum(F.col("w") * F.col("revenue")).alias("weighted_revenue"),
            F.sum("robust_conversion").alias("robust_conversions"),
            F.sum("robust_revenue").alias("robust_revenue"),
            F.sum(F.when(F.col("w") > 0, F.col("conversion")).otherwise(0.0)).alias("matched"),
        )
        .orderBy("user_id")
        .drop("user_id")
        .toArrow()
    )
    return LoggedUsers(**{name: table[name].to_numpy().astype(np.float64) for name in table.column_names})


def _rows(logged: DataFrame, allocation: DataFrame, scores: DataFrame, k: int) -> DataFrame:
    """The exposures with w, their weight, e, the E of the fund shown, and what the user holds.

    e_held: the mean E of the funds allocated; served: their number by K; both null for a user without a fund.
    """
    of_user = scores.select("user_id", F.map_from_arrays("fund_ids", "expected_revenue").alias("by_fund"))
    held = allocation.groupBy("user_id").agg(
        F.collect_set("fund_id").alias("held"),
        F.avg("expected_revenue").alias("e_held"),
        (F.count("*") / F.lit(float(k))).alias("served"),
    )
    is_held = F.coalesce(F.array_contains("held", F.col("fund_id")), F.lit(False))
    return (
        logged.select("user_id", "fund_id", "propensity", *_OUTCOMES)
        .join(held, on="user_id", how="left")
        .join(of_user, on="user_id", how="left")
        .select(
            "user_id",
            *_OUTCOMES,
            F.when(is_held, 1.0 / (F.lit(float(k)) * F.col("propensity"))).otherwise(0.0).alias("w"),
            F.coalesce(F.try_element_at("by_fund", F.col("fund_id")), F.lit(0.0)).alias("e"),
            "e_held",
            "served",
            F.pmod(F.xxhash64(F.lit("fold"), "user_id"), F.lit(_FOLDS)).alias("fold"),
        )
    )


def _with_lines(rows: DataFrame) -> DataFrame:
    """The rows with robust_conversion and robust_revenue: prediction, and the weighted error of the prediction."""
    lines = _lines(rows)
    robust = {}
    for outcome in _OUTCOMES:
        value = F.lit(0.0)
        for fold in range(_FOLDS):
            line = lines[outcome][fold]
            # Slots that the allocation left empty bring nothing: nothing is predicted for them, as w is 0 for them.
            direct = F.when(F.col("e_held").isNotNull(), F.col("served") * line.of("e_held")).otherwise(0.0)
            of_fold = direct + F.col("w") * (F.col(outcome) - line.of("e"))
            value = F.when(F.col("fold") == fold, of_fold).otherwise(value)
        robust[f"robust_{outcome}"] = value
    return rows.withColumns(robust)


def _lines(rows: DataFrame) -> dict[str, list[_Line]]:
    """By outcome and fold, the least-squares line through the other folds."""
    e = F.col("e")
    sums = {"n": F.count("*").cast("double"), "e": F.sum(e), "ee": F.sum(e * e)}
    for outcome in _OUTCOMES:
        sums |= {outcome: F.sum(outcome), f"e{outcome}": F.sum(e * F.col(outcome))}
    found = rows.groupBy("fold").agg(*[column.alias(name) for name, column in sums.items()]).collect()
    by_fold = {row["fold"]: row.asDict() for row in found}
    lines: dict[str, list[_Line]] = {outcome: [] for outcome in _OUTCOMES}
    for fold in range(_FOLDS):
        others = [row for number, row in by_fold.items() if number != fold]
        total = {name: sum(row[name] for row in others) for name in sums}
        for outcome in _OUTCOMES:
            lines[outcome].append(_fitted(total, outcome))
    return lines


def _fitted(total: dict[str, float], outcome: str) -> _Line:
    n = total["n"]
    if n == 0:
        return _Line(0.0, 0.0)
    mean_e, mean_y = total["e"] / n, total[outcome] / n
    spread = total["ee"] / n - mean_e * mean_e
    slope = (total[f"e{outcome}"] / n - mean_e * mean_y) / spread if spread > 1e-12 * (1.0 + mean_e * mean_e) else 0.0
    return _Line(mean_y - slope * mean_e, slope)
