"""What the simulator's truth says of the revenue of each pair, as columns and as a score table."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# The predictor that knows the truth, as tables and settings name it.
ORACLE = "oracle"


def true_revenue() -> Column:
    """E = p_c * exp(mu + sigma^2 / 2) (paper, equation 2), money per exposure, of a row of `truth`."""
    return F.col("p_c") * F.exp(F.col("mu") + F.col("sigma") * F.col("sigma") / 2)


def true_scores(users: DataFrame, truth: DataFrame) -> DataFrame:
    """Rows of COMPACT_SCORES whose expected revenue is the truth's own.

    Args:
        users: campaign_id, user_id, risk_tolerance, a row per user; those without a truth are left out.
        truth: rows of `truth`.
    """
    pairs = truth.groupBy("user_id").agg(
        F.sort_array(F.collect_list(F.struct("fund_id", true_revenue().alias("revenue")))).alias("pairs")
    )
    return users.join(pairs, on="user_id", how="inner").select(
        "campaign_id",
        "user_id",
        "risk_tolerance",
        F.col("pairs.fund_id").alias("fund_ids"),
        F.col("pairs.revenue").alias("expected_revenue"),
    )
