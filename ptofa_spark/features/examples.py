"""The training examples: each logged exposure with what was known before its campaign, and what came of it."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ptofa_spark.features.columns import FUND, USER, feature_names
from ptofa_spark.features.pair import PAIR_FEATURES, pair_columns
from ptofa_spark.features.user import with_history
from ptofa_spark.tables.schemas import EXAMPLES


def examples(exposures: DataFrame, users: DataFrame, windows: DataFrame, funds: DataFrame, split: Column) -> DataFrame:
    """One row an exposure: EXAMPLES columns, then u_*, f_* and p_*, point-in-time correct.

    Args:
        exposures: EXPOSURES rows.
        users: from `user.user_attributes`.
        windows: from `windows.user_windows`, as of each campaign.
        funds: from `fund.fund_features`, as of each campaign.
        split: the split of a row, of its user_id and campaign_id.
    """
    with_users = exposures.join(users, on="user_id", how="inner")
    with_past = with_history(with_users, windows)
    whole = with_past.join(F.broadcast(funds), on=["campaign_id", "fund_id"], how="inner")
    if "f_fund_type" not in whole.columns:
        whole = whole.withColumn("_fund_type", F.lit(None).cast("string"))
    fund_type = "f_fund_type" if "f_fund_type" in whole.columns else "_fund_type"
    labels = {name: F.col(name).cast("double") for name in ("click", "conversion", "revenue")}
    made = {"split": split, **labels}
    fixed = [made.get(name, F.col(name)).alias(name) for name in EXAMPLES.names]
    features = [*feature_names(whole.schema, USER), *feature_names(whole.schema, FUND)]
    return whole.select(*fixed, *[F.col(f"`{name}`") for name in features], *pair_columns(fund_type))


def laid_out(rows: DataFrame, files: int) -> DataFrame:
    """The rows spread over files by a hash of split and user, each file sorted: the same files for any partitioning.

    Training reads the files in order, so the same rows in the same files give the same weights.
    """
    keys = ["split", "user_id", "campaign_id", "fund_id"]
    return rows.repartition(files, "split", F.pmod(F.xxhash64("user_id"), F.lit(files))).sortWithinPartitions(*keys)


def feature_columns(rows: DataFrame) -> list[str]:
    """All features of the examples, in their order in the table."""
    user_and_fund = feature_names(rows.schema, USER) + feature_names(rows.schema, FUND)
    return user_and_fund + list(PAIR_FEATURES)
