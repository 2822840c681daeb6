"""Rejects scores that are not finite before anything is written."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ptofa_spark.errors import UserError
from ptofa_spark.tables.contracts.not_finite import holds_not_finite

_MARK = "score is not finite"
_NAMED_USERS = 5


def finite_or_fail(scores: DataFrame) -> DataFrame:
    """Adds a check to the rows: a query that computes a score that is not finite fails, and so does its transaction.

    Args:
        scores: user_id, expected_revenue array<double>.
    """
    failure = F.raise_error(F.concat(F.lit(f"{_MARK}: user "), F.col("user_id").cast("string")))
    checked = F.when(not_finite("expected_revenue"), failure.cast("array<double>")).otherwise(F.col("expected_revenue"))
    return scores.withColumn("expected_revenue", checked)


def is_not_finite_failure(error: Exception) -> bool:
    """Whether a query failed because of `finite_or_fail`."""
    return _MARK in str(error)


def not_finite_error(scores: DataFrame) -> UserError:
    """The error that names the first users whose scores are not finite. It needs a second pass over the scores.

    Args:
        scores: user_id, expected_revenue, before `finite_or_fail`.
    """
    rows = scores.where(not_finite("expected_revenue")).select("user_id").orderBy("user_id").take(_NAMED_USERS)
    users = ", ".join(str(row["user_id"]) for row in rows)
    return UserError(
        f"scores are NaN or infinite for users {users} (the first {len(rows)}): look at their feature columns and at "
        "the model's metrics.json, then train again; no score was written"
    )


def not_finite(scores: str) -> Column:
    """Whether an array is null or holds NaN, an infinity or null.

    pandas passes NaN to Arrow as null. Null would mean "not eligible", but a model scores every pair.
    """
    return holds_not_finite(scores, null=True)
