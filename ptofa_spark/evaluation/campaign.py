"""What an allocation is worth: under the simulator's truth where there is one, else by randomised exposures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType

from ptofa_spark.errors import TableError
from ptofa_spark.evaluation.off_policy import PER_MILLE, LoggedUsers
from ptofa_spark.evaluation.oracle import true_revenue

# Sums of decimals do not depend on the order of the rows.
_EXACT = DecimalType(38, 12)


@dataclass(frozen=True)
class TrueWorth:
    """Expected conversions and revenue per mille exposures under the truth (paper, eq. 8), and the exposures."""

    cpme: float
    rpme: float
    exposures: int

    @property
    def revenue(self) -> float:
        """Expected revenue of all exposures, money."""
        return self.rpme * self.exposures / PER_MILLE


def true_worth(allocation: DataFrame, truth: DataFrame) -> TrueWorth:
    """Sum p_c and sum p_c * exp(mu + sigma^2 / 2) over the allocated pairs, per mille.

    Raises:
        TableError: a pair of the allocation has no truth.
    """
    row = (
        allocation.select("user_id", "fund_id")
        .join(truth, on=["user_id", "fund_id"], how="left")
        .agg(
            F.count("*").alias("exposures"),
            F.count("p_c").alias("known"),
            F.sum(F.col("p_c").cast(_EXACT)).cast("double").alias("conversions"),
            F.sum(true_revenue().cast(_EXACT)).cast("double").alias("revenue"),
        )
        .collect()[0]
    )
    if row["known"] < row["exposures"]:
        raise TableError(
            f"table truth lacks {row['exposures'] - row['known']} allocated pair(s): it is of another platform; "
            "generate, score and allocate again"
        )
    if row["exposures"] == 0:
        return TrueWorth(0.0, 0.0, 0)
    exposures = int(row["exposures"])
    return TrueWorth(PER_MILLE * row["conversions"] / exposures, PER_MILLE * row["revenue"] / exposures, exposures)


def logged_users(logged: DataFrame, allocation: DataFrame, k: int) -> LoggedUsers:
    """Logged exposures against an allocation, added up by user on Spark.

    Args:
        logged: user_id, fund_id, propensity, conversion, revenue of the test users' exposures.
        allocation: ALLOCATION rows.
        k: funds a user was to get.
    """
    held = allocation.select("user_id", "fund_id", F.lit(True).alias("held"))
    weight = F.when(F.col("held"), 1.0 / (F.lit(float(k)) * F.col("propensity"))).otherwise(0.0)
    rows = logged.join(held, on=["user_id", "fund_id"], how="left").withColumn("w", weight)
    table = (
        rows.groupBy("user_id")
        .agg(
            F.count("*").cast("double").alias("exposures"),
            F.sum("conversion").alias("conversions"),
            F.sum("revenue").alias("revenue"),
            F.sum("w").alias("weight"),
            F.sum(F.col("w") * F.col("w")).alias("squared_weight"),
            F.sum(F.col("w") * F.col("conversion")).alias("weighted_conversions"),
            F.sum(F.col("w") * F.col("revenue")).alias("weighted_revenue"),
            F.sum(F.when(F.col("w") > 0, F.col("conversion")).otherwise(0.0)).alias("matched"),
        )
        .orderBy("user_id")
        .drop("user_id")
        .toArrow()
    )
    return LoggedUsers(**{name: table[name].to_numpy().astype(np.float64) for name in table.column_names})
