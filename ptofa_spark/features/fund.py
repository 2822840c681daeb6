"""Features of funds before each campaign: attributes, risk level, trailing sales and conversion."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType

from ptofa_spark.features.columns import FUND, attributes
from ptofa_spark.features.facts.history import EVENT_COLUMNS, FUND_DAYS, History
from ptofa_spark.features.facts.raw import Raw
from ptofa_spark.features.facts.records import map_users

KEYS = ("fund_id", "risk_level")
_TYPE = "fund_type"
TRAILING_DAYS = 90
# A fund without exposures starts at one conversion in a thousand, worth a thousand exposures of evidence.
_PRIOR_CONVERSIONS, _PRIOR_EXPOSURES = 1.0, 1_000.0
_COUNTS = ("purchases", "exposures", "conversions")


def fund_types(funds: DataFrame) -> list[str | None]:
    """The type of each fund, by fund_id; None where the platform has no types."""
    return [row[0] for row in funds.orderBy("fund_id").select(_type_name(funds)).collect()]


def _type_name(funds: DataFrame) -> Column:
    """A name, whatever the platform numbers its types by: purchases of a type are looked up by it."""
    if _TYPE not in funds.columns:
        return F.lit(None).cast("string")
    kind = F.col(_TYPE)
    if isinstance(funds.schema[_TYPE].dataType, NumericType):
        kind = F.when(F.abs(kind) < float("inf"), kind)  # NaN, above all numbers to Spark, is no type
    return kind.cast("string")


def fund_features(records: DataFrame, history: History, raw: Raw) -> DataFrame:
    """One row a (campaign_id, fund_id): f_* columns, from events of the 90 days before the campaign's start.

    Args:
        records: from `records.user_records`.
        history: of the same raw tables.
        raw: the raw tables.
    """
    spark, funds = records.sparkSession, raw.good("funds")
    days = map_users(records, EVENT_COLUMNS, history.fund_days, FUND_DAYS).groupBy("fund", "day")
    # Fund, day and three counts: some thousand rows whatever the number of users.
    counted = days.agg(*[F.sum(name).alias(name) for name in _COUNTS])
    ids = spark.createDataFrame(list(enumerate(raw.funds)), "fund bigint, fund_id string")
    starts = spark.createDataFrame(
        [
            (campaign, start, int(seconds) // 86_400)
            for (campaign, start), seconds in zip(raw.campaigns, history.starts, strict=True)
        ],
        "campaign_id string, start_date date, start_day bigint",
    )
    recent = (F.col("day") < F.col("start_day")) & (F.col("day") >= F.col("start_day") - TRAILING_DAYS)
    trailing = (
        counted.join(F.broadcast(starts), on=recent, how="inner")
        .join(F.broadcast(ids), on="fund", how="inner")
        .groupBy("campaign_id", "fund_id")
        .agg(*[F.sum(name).alias(f"_{name}") for name in _COUNTS])
    )
    kind = {FUND + _TYPE: _type_name(funds)} if _TYPE in funds.columns else {}
    every = funds.crossJoin(starts.select("campaign_id")).join(trailing, on=["campaign_id", "fund_id"], how="left")
    purchases, exposures, conversions = (F.coalesce(F.col(f"_{name}"), F.lit(0)) for name in _COUNTS)
    return every.select(
        F.lit(raw.snapshot_date).alias("snapshot_date"),
        "campaign_id",
        "fund_id",
        "risk_level",
        F.col("fund_id").alias("f_fund_id"),
        F.col("risk_level").cast("double").alias("f_risk_level"),
        F.log1p(purchases.cast("double")).alias("f_purchases_90d"),
        F.log((conversions + _PRIOR_CONVERSIONS) / (exposures + _PRIOR_EXPOSURES)).alias("f_log_conversion_rate"),
        *[column.alias(name) for name, column in (attributes(funds.schema, (*KEYS, _TYPE), FUND) | kind).items()],
    )
