"""Features of funds before each campaign: attributes, risk level, trailing sales and conversion."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.features.columns import FUND, attributes
from ptofa_spark.features.windows import CONVERSION, EXPOSURE, PURCHASE

KEYS = ("fund_id", "risk_level")
TRAILING_DAYS = 90
# A fund without exposures starts at one conversion in a thousand, worth a thousand exposures of evidence.
_PRIOR_CONVERSIONS, _PRIOR_EXPOSURES = 1.0, 1_000.0


def fund_types(funds: DataFrame) -> DataFrame:
    """fund_id and fund_type; null where the platform has no types."""
    kind = F.col("fund_type").cast("string") if "fund_type" in funds.columns else F.lit(None).cast("string")
    return funds.select("fund_id", kind.alias("fund_type"))


def fund_features(funds: DataFrame, campaigns: DataFrame, events: DataFrame) -> DataFrame:
    """One row a (campaign_id, fund_id): f_* columns, from events of the 90 days before the campaign's start."""
    starts = campaigns.select("campaign_id", F.col("start_date").cast("timestamp").alias("start"))
    recent = (F.col("at") < F.col("start")) & (
        F.col("at") >= F.col("start") - F.make_interval(days=F.lit(TRAILING_DAYS))
    )
    trailing = (
        events.join(F.broadcast(starts), on=recent, how="inner")
        .groupBy("campaign_id", "fund_id")
        .agg(*[F.count(F.when(F.col("kind") == kind, 1)).alias(kind) for kind in (PURCHASE, EXPOSURE, CONVERSION)])
    )
    rate = (F.coalesce(CONVERSION, F.lit(0)) + _PRIOR_CONVERSIONS) / (F.coalesce(EXPOSURE, F.lit(0)) + _PRIOR_EXPOSURES)
    every = funds.crossJoin(campaigns.select("campaign_id")).join(trailing, on=["campaign_id", "fund_id"], how="left")
    return every.select(
        "campaign_id",
        "fund_id",
        "risk_level",
        F.col("fund_id").alias("f_fund_id"),
        F.col("risk_level").cast("double").alias("f_risk_level"),
        F.log1p(F.coalesce(PURCHASE, F.lit(0)).cast("double")).alias("f_purchases_90d"),
        F.log(rate).alias("f_log_conversion_rate"),
        *attributes(funds, KEYS, FUND),
    )
