"""The expected revenue of each user-fund pair under the simulator's truth, as a column and as a score table."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# Name, in tables and settings, of the predictor that knows the truth.
ORACLE = "oracle"


def true_revenue() -> Column:
    """Expected revenue E = p_c * exp(mu + sigma^2 / 2) of a row of `truth`, money per exposure (paper, equation 2).

    p_c: probability of conversion; mu, sigma: parameters of the log-normal distribution of a conversion's revenue.
    """
    return F.col("p_c") * F.exp(F.col("mu") + F.col("sigma") * F.col("sigma") / 2)


def true_scores(users: DataFrame, truth: DataFrame) -> DataFrame:
    """Rows of COMPACT_SCORES whose expected revenue is that of the truth.

    Args:
        users: campaign_id, user_id, risk_tolerance, one row per user; users without a truth are left out.
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
