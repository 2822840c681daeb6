"""Sums by user of randomised exposures and an allocation, made on Spark. The off-policy estimates use them."""

from __future__ import annotations

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ptofa_spark.evaluation.logged.off_policy import LoggedUsers
from ptofa_spark.evaluation.logged.robust import FOLDS, Predicted, robust_sums


def logged_users(logged: DataFrame, allocation: DataFrame, scores: DataFrame, k: int) -> LoggedUsers:
    """Sums by user, with those of the doubly robust estimate. They are bit-identical for any order of the rows.

    Args:
        logged: user_id, fund_id, propensity, conversion, revenue of the test users' exposures.
        allocation: ALLOCATION rows.
        scores: COMPACT_SCORES rows of the campaign; an absent pair has expected revenue E = 0.
        k: funds per user (K).
    """
    rows = _rows(logged, allocation, scores, k)
    w, e = F.col("w"), F.col("e")
    terms = {
        "weight": w,
        "squared_weight": w * w,
        "weighted_e": w * e,
        "e": e,
        "squared_e": e * e,
        "matched": F.when(w > 0, F.col("conversion")).otherwise(0.0),
    }
    for outcome in ("conversion", "revenue"):
        terms |= {outcome: F.col(outcome), f"e_{outcome}": e * F.col(outcome), f"w_{outcome}": w * F.col(outcome)}
    table = (
        rows.groupBy("user_id")
        .agg(
            F.count("*").cast("double").alias("exposures"),
            *[F.any_value(name).alias(name) for name in ("fold", "e_held", "served")],
            *[_sum(term).alias(name) for name, term in terms.items()],
        )
        .orderBy("user_id")
        .drop("user_id")
        .toArrow()
    )
    # For a user without a fund, e_held and served are null in the table: NaN here.
    sums = {name: table[name].to_numpy().astype(np.float64) for name in table.column_names}
    predicted = Predicted(
        **{
            name: sums[name]
            for name in ("exposures", "fold", "e_held", "served", "weight", "weighted_e", "e", "squared_e")
        }
    )
    robust = {
        outcome: robust_sums(predicted, sums[outcome], sums[f"e_{outcome}"], sums[f"w_{outcome}"])
        for outcome in ("conversion", "revenue")
    }
    return LoggedUsers(
        exposures=sums["exposures"],
        conversions=sums["conversion"],
        revenue=sums["revenue"],
        weight=sums["weight"],
        squared_weight=sums["squared_weight"],
        weighted_conversions=sums["w_conversion"],
        weighted_revenue=sums["w_revenue"],
        robust_conversions=robust["conversion"],
        robust_revenue=robust["revenue"],
        matched=sums["matched"],
    )


def _rows(logged: DataFrame, allocation: DataFrame, scores: DataFrame, k: int) -> DataFrame:
    """The exposures with their user's allocation.

    w: weight (off_policy.py); e: E of the fund shown; fold: of the user; e_held: mean E of the allocated funds; served:
    number of allocated funds divided by K. e_held and served are null for a user without a fund.
    """
    of_user = scores.select("user_id", F.map_from_arrays("fund_ids", "expected_revenue").alias("by_fund"))
    held = allocation.groupBy("user_id").agg(
        F.collect_set("fund_id").alias("held"),
        (_sum(F.col("expected_revenue")) / F.count("*")).alias("e_held"),
        (F.count("*") / F.lit(float(k))).alias("served"),
    )
    is_held = F.coalesce(F.array_contains("held", F.col("fund_id")), F.lit(False))
    return (
        logged.select("user_id", "fund_id", "propensity", "conversion", "revenue")
        .join(held, on="user_id", how="left")
        .join(of_user, on="user_id", how="left")
        .select(
            "user_id",
            "conversion",
            "revenue",
            F.when(is_held, 1.0 / (F.lit(float(k)) * F.col("propensity"))).otherwise(0.0).alias("w"),
            F.coalesce(F.try_element_at("by_fund", F.col("fund_id")), F.lit(0.0)).alias("e"),
            "e_held",
            "served",
            F.pmod(F.xxhash64(F.lit("fold"), "user_id"), F.lit(FOLDS)).alias("fold"),
        )
    )


def _sum(term: Column) -> Column:
    """The sum of a user's terms, added in ascending order, so that it does not depend on the order of the rows."""
    return F.aggregate(F.array_sort(F.collect_list(term)), F.lit(0.0), lambda total, value: total + value)
