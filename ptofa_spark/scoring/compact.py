"""The compact score table: one row per user, an array with the expected revenue of each fund."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ptofa_spark.tables.contracts.schemas import COMPACT_SCORES


def compact(users: DataFrame, expected_revenue: Column, fund_ids: tuple[str, ...]) -> DataFrame:
    """Makes rows of COMPACT_SCORES.

    Args:
        users: one row per user: campaign_id, user_id, risk_tolerance and the columns that `expected_revenue` needs.
        expected_revenue: array<double>, expected revenue in the order of fund_ids, money per exposure.
        fund_ids: the campaign's funds, sorted.
    """
    columns = {
        "fund_ids": F.array(*[F.lit(fund) for fund in fund_ids]),
        "expected_revenue": expected_revenue,
    }
    # Not `DataFrame.to`: it rebuilds every array element by element. It also rejects a frame read from Delta, whose
    # columns are always nullable. The features were checked for nulls when they were read.
    return users.select(
        *[
            columns.get(field.name, F.col(field.name)).cast(field.dataType).alias(field.name, metadata=field.metadata)
            for field in COMPACT_SCORES
        ]
    )
