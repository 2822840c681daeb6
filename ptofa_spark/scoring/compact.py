"""The compact score table: one row a user, an array with the expected revenue of each fund."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from ptofa_spark.tables.schemas import COMPACT_SCORES


def compact(users: DataFrame, expected_revenue: Column, fund_ids: tuple[str, ...]) -> DataFrame:
    """Rows of COMPACT_SCORES.

    Args:
        users: campaign_id, user_id, risk_tolerance and the columns that `expected_revenue` needs, a row a user.
        expected_revenue: array<double>, E in the order of fund_ids.
        fund_ids: the campaign's funds, sorted.
    """
    funds = F.array(*[F.lit(fund) for fund in fund_ids])
    # A frame read from Delta is nullable whatever it holds, and `to` refuses it for a NOT NULL column: the names and
    # the types are the contract here, that no value is null was checked when the features were read.
    nullable = StructType([StructField(f.name, f.dataType, True, f.metadata) for f in COMPACT_SCORES])
    return users.select(
        "campaign_id",
        "user_id",
        "risk_tolerance",
        funds.alias("fund_ids"),
        expected_revenue.alias("expected_revenue"),
    ).to(nullable)
