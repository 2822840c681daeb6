"""Features of users before a campaign: attributes, declared tolerance, and what they did."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from ptofa_spark.features.columns import USER, attributes
from ptofa_spark.features.facts.history import USER_COLUMNS, WINDOW_COLUMNS, History
from ptofa_spark.features.facts.raw import Raw
from ptofa_spark.features.facts.records import map_users
from ptofa_spark.tables.contracts.schemas import USER_FEATURES

_TALLIES = ("purchases_by_fund", "purchases_by_type")


def user_features(records: DataFrame, history: History, raw: Raw, split: Column) -> DataFrame:
    """One row per user, as of the target campaign: USER_FEATURES columns, u_*, and the purchases by fund and by type.

    Args:
        records: from `records.user_records`.
        history: of the same raw tables.
        raw: the raw tables.
        split: the split of a user, of user_id.
    """
    past = map_users(records, USER_COLUMNS, history.users, history.users_schema())
    columns = {name: F.col(name) for name in (*WINDOW_COLUMNS, *_TALLIES)}
    columns |= user_attributes(past.schema)
    fixed = {
        "snapshot_date": F.lit(raw.snapshot_date),
        "campaign_id": F.lit(raw.target),
        "user_id": F.col("user_id"),
        "risk_tolerance": F.col("user.risk_tolerance"),
        "split": split,
    }
    return past.select(
        *[fixed[name].alias(name) for name in USER_FEATURES.names],
        *[columns[name].alias(name) for name in sorted(columns)],
    )


def user_attributes(records: StructType) -> dict[str, Column]:
    """The u_* columns of the struct `user`, a user's raw row, by name; the tolerance is a feature too."""
    tolerance = {"u_risk_tolerance": F.col("user.risk_tolerance").cast("double")}
    return tolerance | attributes(_raw_user(records), ("risk_tolerance",), USER, "user.")


def _raw_user(records: StructType) -> StructType:
    kind = records["user"].dataType
    if not isinstance(kind, StructType):
        raise TypeError(f"column user is {kind.simpleString()}, no struct")
    return kind
