"""The table fund_features: funds before each campaign, with their attributes and their declared features."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.features.columns import FUND, attributes
from ptofa_spark.features.facts.raw import FUND_TYPE, Raw, type_name
from ptofa_spark.features.fund import DECLARED_FUND_FEATURES, RECENT_COUNTS
from ptofa_spark.features.history import History
from ptofa_spark.tables.contracts.schemas import FUND_FEATURES

_KEYS = ("fund_id", "risk_level")


def fund_features(days: pa.Table, history: History, raw: Raw) -> DataFrame:
    """One row per (campaign_id, fund_id): FUND_FEATURES columns, then f_*, from events before the campaign's start.

    Args:
        days: rows of FUND_DAYS, from `counted.count_records`.
        history: of the same raw tables.
        raw: the raw tables.
    """
    funds = raw.good("funds")
    spark = funds.sparkSession
    counted = spark.createDataFrame(days, from_arrow_schema(days.schema))
    ids = spark.createDataFrame(list(enumerate(raw.funds)), "fund bigint, fund_id string")
    starts = spark.createDataFrame(
        [
            (campaign, start, int(seconds) // 86_400)
            for (campaign, start), seconds in zip(raw.campaigns, history.starts, strict=True)
        ],
        "campaign_id string, start_date date, start_day bigint",
    )
    recent = (
        counted.join(F.broadcast(starts), on=F.col("day") < F.col("start_day"), how="inner")
        .join(F.broadcast(ids), on="fund", how="inner")
        .groupBy("campaign_id", "fund_id")
        .agg(
            *[
                F.sum(F.when(F.col("day") >= F.col("start_day") - count.days, F.col(count.name))).alias(column)
                for column, count in RECENT_COUNTS.items()
            ]
        )
    )
    every = funds.crossJoin(starts.select("campaign_id")).join(recent, on=["campaign_id", "fund_id"], how="left")
    counts = {column: F.coalesce(F.col(column), F.lit(0)) for column in RECENT_COUNTS}
    features = {
        name: feature.value(*[counts[count.column] for count in feature.counts])
        for name, feature in DECLARED_FUND_FEATURES.items()
    }
    features |= attributes(funds.schema, (*_KEYS, FUND_TYPE), FUND)
    if FUND_TYPE in funds.columns:
        features[FUND + FUND_TYPE] = type_name(funds)
    fixed = {"snapshot_date": F.lit(raw.snapshot_date)}
    return every.select(
        *[fixed.get(name, F.col(name)).alias(name) for name in FUND_FEATURES.names],
        *[column.alias(name) for name, column in features.items()],
    )
