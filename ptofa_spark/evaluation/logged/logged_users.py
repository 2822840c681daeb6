"""Sums by user of randomised exposures and an allocation, made on Spark. The off-policy estimates use them."""

from __future__ import annotations

import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.evaluation.logged.off_policy import LoggedUsers
from ptofa_spark.evaluation.logged.robust import FOLDS, Predicted, robust_sums
from ptofa_spark.evaluation.logged.user_sums import OF_EXPOSURE, OF_USER, SUMS, sums_of_users


def logged_users(logged: DataFrame, allocation: DataFrame, scores: DataFrame, k: int) -> LoggedUsers:
    """Sums by user, with those of the doubly robust estimate. They are bit-identical for any order of the rows.

    Args:
        logged: user_id, fund_id, propensity, conversion, revenue of the test users' exposures.
        allocation: ALLOCATION rows.
        scores: COMPACT_SCORES rows of the campaign; an absent pair has expected revenue E = 0.
        k: funds per user (K).
    """
    by_user = (
        _rows(logged, allocation, scores, k)
        .groupBy("user_id")
        .agg(
            *[F.any_value(name).cast("double").alias(name) for name in OF_USER],
            F.collect_list(F.struct(*[F.col(name).cast("double").alias(name) for name in OF_EXPOSURE])).alias("shown"),
        )
    )
    table = by_user.mapInArrow(sums_of_users, from_arrow_schema(SUMS)).toArrow()
    order = pc.sort_indices(table["user_id"]).to_numpy()
    # For a user without a fund, e_held and served are null in the table: NaN here.
    sums = {name: table[name].to_numpy()[order] for name in SUMS.names}
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
    # The revenues of a user's funds are added in ascending order, so the sum does not depend on that of the rows.
    revenues = F.sort_array(F.collect_list("expected_revenue"))
    ascending = F.aggregate(revenues, F.lit(0.0), lambda total, revenue: total + revenue)
    held = allocation.groupBy("user_id").agg(
        F.collect_set("fund_id").alias("held"),
        (ascending / F.count("*")).alias("e_held"),
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
