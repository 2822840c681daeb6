"""Fits the encoders to the training split: one aggregation for the numbers, one for the words."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType

from ptofa_spark.features.columns import feature_names, is_categorical
from ptofa_spark.features.encoders import Encoders, Scale
from ptofa_spark.splits import TRAIN

MAX_WORDS = 10_000
# Decimal sums are exact in any order, so the scales do not depend on how the table is cut into partitions.
_EXACT = DecimalType(38, 10)


def fit_encoders(examples: DataFrame, max_words: int = MAX_WORDS) -> Encoders:
    """Encoders of all u_*, f_* and p_* columns, from the rows whose split is `train`.

    A vocabulary keeps the most frequent words, ties by word, at most `max_words`; they stand sorted by word.
    """
    rows = examples.where(F.col("split") == TRAIN)
    names = feature_names(examples.schema)
    words = [name for name in names if is_categorical(examples.schema, name)]
    numbers = [name for name in names if name not in words]
    return Encoders(_vocabularies(rows, words, max_words), _scales(rows, numbers))


def _vocabularies(rows: DataFrame, names: list[str], max_words: int) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        counts = rows.where(F.col(f"`{name}`").isNotNull()).groupBy(F.col(f"`{name}`").alias("word")).count()
        kept = counts.orderBy(F.desc("count"), "word").limit(max_words).collect()
        found[name] = tuple(sorted(row["word"] for row in kept))
    return found


def _scales(rows: DataFrame, names: list[str]) -> dict[str, Scale]:
    if not names:
        return {}
    sums = []
    for place, name in enumerate(names):
        value = F.col(f"`{name}`")
        sums += [
            F.count(value).alias(f"known_{place}"),
            F.sum(value.cast(_EXACT)).cast("double").alias(f"sum_{place}"),
            F.sum((value * value).cast(_EXACT)).cast("double").alias(f"square_{place}"),
        ]
    row = rows.agg(F.count("*").alias("rows"), *sums).collect()[0]
    scales = {}
    for place, name in enumerate(names):
        known = row[f"known_{place}"]
        mean = row[f"sum_{place}"] / known if known else 0.0
        variance = row[f"square_{place}"] / known - mean * mean if known else 0.0
        # A constant column has nothing to scale; rounding may leave a variance a little off 0.
        deviation = variance**0.5 if variance > 1e-9 * (1.0 + mean * mean) else 1.0
        scales[name] = Scale(mean, deviation, known < row["rows"])
    return scales
