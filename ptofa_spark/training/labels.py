"""Label statistics of the splits: rows, clicks, conversions and revenue."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.models.parts.heads import LabelMoments
from ptofa_spark.reproducible.splits import TRAIN, VALIDATION


@dataclass(frozen=True)
class SplitLabels:
    """One split. revenue: total money; log_revenue_mean, log_revenue_sd: of rows with revenue, None if too few."""

    rows: int
    clicks: int
    conversions: int
    revenue: float
    log_revenue_mean: float | None
    log_revenue_sd: float | None

    def moments(self) -> LabelMoments:
        """The starting values of the heads. Half a conversion is added, so that a logit without any is finite.

        Without a conversion, log revenue starts at mean 0 and standard deviation 1. With a single conversion, it starts
        at the conversion's own mean.
        """
        return LabelMoments(
            rate=(self.conversions + 0.5) / (self.rows + 1.0),
            log_revenue_mean=self.log_revenue_mean or 0.0,
            log_revenue_sd=self.log_revenue_sd or 1.0,
            click_rate=(max(self.clicks, self.conversions) + 0.5) / (self.rows + 1.0),
        )


def split_labels(examples: DataFrame, table: str) -> dict[str, SplitLabels]:
    """Computes the statistics of each split in one pass.

    Args:
        examples: split, click, conversion and revenue (money), one row per exposure.
        table: the name of their table in error messages.

    Raises:
        TableError: the training split or the validation split has no row.
    """
    log_revenue = F.when(F.col("revenue") > 0, F.log("revenue"))
    rows = (
        examples.groupBy("split")
        .agg(
            F.count("*").alias("rows"),
            F.count(F.when(F.col("click") > 0, 1)).alias("clicks"),
            F.count(F.when(F.col("conversion") > 0, 1)).alias("conversions"),
            F.sum("revenue").alias("revenue"),
            F.avg(log_revenue).alias("mean"),
            F.stddev_samp(log_revenue).alias("sd"),
        )
        .collect()
    )
    columns = ("rows", "clicks", "conversions", "revenue", "mean", "sd")
    found = {row["split"]: SplitLabels(*[row[column] for column in columns]) for row in rows}
    for split in (TRAIN, VALIDATION):
        if split not in found:
            held = ", ".join(f"{name}: {labels.rows:,}" for name, labels in sorted(found.items())) or "no row at all"
            raise TableError(
                f"table {table} has no rows of split {split!r} (it holds {held}): build features from more users, or "
                "with another test_share or validation_share"
            )
    return found
