"""The worth of an allocation under the simulator's truth."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType

from ptofa_spark.errors import TableError
from ptofa_spark.evaluation.logged.off_policy import PER_MILLE
from ptofa_spark.evaluation.truth.oracle import true_revenue

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
    """Sums of p_c and p_c * exp(mu + sigma^2 / 2) over the allocated pairs, per mille exposures (paper, eq. 2 and 8).

    Args:
        allocation: user_id and fund_id, one row per exposure.
        truth: rows of `truth`, one row per user-fund pair.

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
            f"table truth lacks {row['exposures'] - row['known']} allocated pair(s): it belongs to another "
            "platform; generate, score and allocate again"
        )
    if row["exposures"] == 0:
        return TrueWorth(0.0, 0.0, 0)
    exposures = int(row["exposures"])
    return TrueWorth(PER_MILLE * row["conversions"] / exposures, PER_MILLE * row["revenue"] / exposures, exposures)
