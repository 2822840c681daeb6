"""The table user_features: users before a campaign, with their attributes and the declared features of their past."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from ptofa_spark.features.columns import USER, attributes
from ptofa_spark.features.facts.raw import Raw
from ptofa_spark.features.facts.records import map_users
from ptofa_spark.features.history import USER_COLUMNS, History
from ptofa_spark.features.pair import TALLIES
from ptofa_spark.features.user import DECLARED_USER_FEATURES
from ptofa_spark.tables.contracts.schemas import USER_FEATURES


def user_features(records: DataFrame, history: History, raw: Raw, split: Column) -> DataFrame:
    """One row per user, as of the target campaign: USER_FEATURES columns, u_*, and the tallies of pair features.

    Args:
        records: from `records.user_records`.
        history: of the same raw tables.
        raw: the raw tables.
        split: the split of a user, computed from user_id.
    """
    past = map_users(records, USER_COLUMNS, history.users, history.users_schema())
    columns = {name: F.col(name) for name in (*DECLARED_USER_FEATURES, *TALLIES)}
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
    """The u_* columns made of the struct `user`, a user's raw row, by name; the tolerance is a feature too."""
    tolerance = {"u_risk_tolerance": F.col("user.risk_tolerance").cast("double")}
    return tolerance | attributes(_raw_user(records), ("risk_tolerance",), USER, "user.")


def _raw_user(records: StructType) -> StructType:
    raw_user = records["user"].dataType
    if not isinstance(raw_user, StructType):
        raise TypeError(f"column user is {raw_user.simpleString()}, not a struct")
    return raw_user
