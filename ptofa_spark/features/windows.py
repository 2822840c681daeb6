"""What a user did before a campaign: counts and sums over windows, by kind of event, in one aggregation by user."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType

WINDOW_DAYS = (7, 30, 90, 365)
PURCHASE, EXPOSURE, CLICK, CONVERSION = "purchase", "exposure", "click", "conversion"
# Sums of decimals do not depend on the order of the rows, sums of doubles do.
_MONEY = DecimalType(24, 4)
_LOG = DecimalType(18, 8)


def events(transactions: DataFrame, exposures: DataFrame, campaigns: DataFrame, fund_types: DataFrame) -> DataFrame:
    """Everything that happened: user_id, at (timestamp), kind, fund_id, fund_type, amount (money; purchases only).

    Args:
        transactions: TRANSACTIONS rows.
        exposures: EXPOSURES rows; an exposure happens at the start of its campaign, its click and conversion with it.
        campaigns: CAMPAIGNS rows.
        fund_types: fund_id, fund_type.
    """
    starts = campaigns.select("campaign_id", F.col("start_date").cast("timestamp").alias("at"))
    shown = exposures.join(F.broadcast(starts), on="campaign_id", how="inner")
    nothing = F.lit(None).cast("double")
    purchases = transactions.select(
        "user_id", F.col("transacted_at").alias("at"), F.lit(PURCHASE).alias("kind"), "fund_id", "amount"
    )
    kinds = F.array(
        F.lit(EXPOSURE), F.when(F.col("click"), F.lit(CLICK)), F.when(F.col("conversion"), F.lit(CONVERSION))
    )
    responses = shown.select(
        "user_id", "at", F.explode(F.array_compact(kinds)).alias("kind"), "fund_id", nothing.alias("amount")
    )
    return purchases.unionByName(responses).join(F.broadcast(fund_types), on="fund_id", how="left")


def user_windows(events: DataFrame, campaigns: DataFrame) -> DataFrame:
    """One row a (campaign_id, user_id) with an event before the campaign's start, by one shuffle for all windows.

    An event counts for every campaign that starts after it; events at the start or later move nothing. Counts and sums
    enter as log(1 + x), since their tails are long. purchases_by_fund, purchases_by_type: how often, for the pairs.
    """
    starts = campaigns.select("campaign_id", F.col("start_date").cast("timestamp").alias("start"))
    before = F.broadcast(starts)
    seen = events.join(before, on=F.col("at") < F.col("start"), how="inner").withColumn(
        "age_days", (F.col("start").cast("long") - F.col("at").cast("long")) / F.lit(86_400.0)
    )
    return seen.groupBy("campaign_id", "user_id").agg(
        *[_count(kind, days) for kind in (PURCHASE, EXPOSURE, CLICK, CONVERSION) for days in WINDOW_DAYS],
        *[_amount(days) for days in WINDOW_DAYS],
        F.log1p(F.min(F.when(_is(PURCHASE), F.col("age_days")))).alias("u_purchase_recency"),
        *_log_amount_moments(),
        F.size(F.collect_set(F.when(_is(PURCHASE), F.col("fund_type")))).cast("double").alias("u_types_bought"),
        _tally("fund_id").alias("purchases_by_fund"),
        _tally("fund_type").alias("purchases_by_type"),
    )


def _is(kind: str) -> Column:
    return F.col("kind") == kind


def _within(days: int) -> Column:
    return F.col("age_days") <= days


def _count(kind: str, days: int) -> Column:
    counted = F.count(F.when(_is(kind) & _within(days), 1))
    return F.log1p(counted.cast("double")).alias(f"u_{kind}s_{days}d")


def _amount(days: int) -> Column:
    total = F.sum(F.when(_is(PURCHASE) & _within(days), F.col("amount").cast(_MONEY)))
    return F.log1p(F.coalesce(total.cast("double"), F.lit(0.0))).alias(f"u_amount_{days}d")


def _log_amount_moments() -> list[Column]:
    """Mean and standard deviation of log amount; null without a purchase, the deviation 0 with one."""
    log = F.when(_is(PURCHASE), F.log("amount"))
    count = F.count(log)
    mean = F.sum(log.cast(_LOG)).cast("double") / count
    square = F.sum((log * log).cast(_LOG)).cast("double") / count
    return [
        F.when(count > 0, mean).alias("u_log_amount_mean"),
        F.when(count > 0, F.sqrt(F.greatest(square - mean * mean, F.lit(0.0)))).alias("u_log_amount_sd"),
    ]


def _tally(column: str) -> Column:
    """A map from each value among the purchases to how often it stands there."""
    values = F.collect_list(F.when(_is(PURCHASE), F.col(column)))
    keys = F.array_sort(F.array_distinct(values))
    counts = F.transform(keys, lambda key: F.size(F.filter(values, lambda value: value == key)).cast("double"))
    return F.map_from_arrays(keys, counts)
