"""The table examples: each logged exposure with what was known before its campaign, and its outcome."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ptofa_spark.features.columns import FUND, feature_names
from ptofa_spark.features.facts.raw import Raw
from ptofa_spark.features.facts.records import map_users, name_of
from ptofa_spark.features.history import EXAMPLE_COLUMNS, History
from ptofa_spark.features.pair import PAST_FACTS, pair_columns
from ptofa_spark.features.user import DECLARED_USER_FEATURES
from ptofa_spark.features.user_table import user_attributes
from ptofa_spark.tables.contracts.schemas import EXAMPLES
from ptofa_spark.tables.names import quoted


def examples(records: DataFrame, history: History, raw: Raw, funds: DataFrame, split: Column) -> DataFrame:
    """One row per exposure: EXAMPLES columns, then u_*, f_* and p_*, point-in-time correct.

    Args:
        records: from `records.user_records`.
        history: of the same raw tables.
        raw: the raw tables.
        funds: from `fund_table.fund_features`, as of each campaign.
        split: the split of a row, computed from user_id and campaign_id.
    """
    past = map_users(records, EXAMPLE_COLUMNS, history.examples, history.examples_schema())
    user = {name: F.col(name) for name in DECLARED_USER_FEATURES} | user_attributes(past.schema)
    named = past.select(
        "user_id",
        name_of("campaign", [campaign for campaign, _ in raw.campaigns]).alias("campaign_id"),
        name_of("fund", raw.funds).alias("fund_id"),
        "propensity",
        *[F.col(name).cast("double").alias(name) for name in ("click", "conversion", "revenue")],
        F.col("user.risk_tolerance").alias("risk_tolerance"),
        *PAST_FACTS,
        *[user[name].alias(name) for name in sorted(user)],
    )
    whole = named.join(F.broadcast(funds), on=["campaign_id", "fund_id"], how="inner")
    made = {"split": split, "snapshot_date": F.lit(raw.snapshot_date)}
    return whole.select(
        *[made.get(name, F.col(name)).alias(name) for name in EXAMPLES.names],
        *[F.col(quoted(name)) for name in (*sorted(user), *feature_names(funds.schema, FUND))],
        *pair_columns(),
    )
