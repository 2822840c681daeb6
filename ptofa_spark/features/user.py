"""Features of users before a campaign: attributes, declared tolerance, and what they did."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, MapType

from ptofa_spark.features.columns import USER, attributes

KEYS = ("user_id", "risk_tolerance")
# Known only of users who bought; the others' are null, not 0.
_NULL_WITHOUT_PURCHASE = ("u_purchase_recency", "u_log_amount_mean", "u_log_amount_sd")


def user_attributes(users: DataFrame) -> DataFrame:
    """user_id, risk_tolerance and the attributes as u_*; the tolerance is a feature too."""
    tolerance = F.col("risk_tolerance").cast("double").alias("u_risk_tolerance")
    return users.select(*KEYS, tolerance, *attributes(users, KEYS, USER))


def with_history(rows: DataFrame, windows: DataFrame) -> DataFrame:
    """Rows of (campaign_id, user_id, ...) with the windows' columns; a user without events has counts of 0."""
    joined = rows.join(windows, on=["campaign_id", "user_id"], how="left")
    names = [name for name in windows.columns if name not in ("campaign_id", "user_id")]
    kinds = {field.name: field.dataType for field in windows.schema}
    filled = [
        (F.col(name) if name in _NULL_WITHOUT_PURCHASE else F.coalesce(name, _nothing(kinds[name]))).alias(name)
        for name in names
    ]
    return joined.select(*[name for name in rows.columns], *filled)


def _nothing(kind: object) -> Column:
    if isinstance(kind, MapType):
        return F.create_map().cast("map<string,double>")
    if isinstance(kind, DoubleType):
        return F.lit(0.0)
    raise TypeError(f"a window column of type {kind} has no neutral value")
