"""Fits the encoders on the training split: two aggregations for the numbers, one for the words."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ptofa_spark.features.columns import feature_names, is_categorical
from ptofa_spark.features.encoders import Encoders, Scale
from ptofa_spark.reproducible.exact_sums import grid_exponents, off_grid, sum_on_grid
from ptofa_spark.reproducible.splits import TRAIN
from ptofa_spark.tables.names import quoted

MAX_WORDS = 10_000


def fit_encoders(examples: DataFrame, max_words: int = MAX_WORDS) -> Encoders:
    """Encoders of all u_*, f_* and p_* columns, from the rows whose split is `train`.

    A vocabulary keeps at most `max_words` words, the most frequent ones, ties by word. They are sorted by word.
    """
    rows = examples.where(F.col("split") == TRAIN)
    names = feature_names(examples.schema)
    words = [name for name in names if is_categorical(examples.schema, name)]
    numbers = [name for name in names if name not in words]
    return Encoders(_vocabularies(rows, words, max_words), _scales(rows, numbers))


def _vocabularies(rows: DataFrame, names: list[str], max_words: int) -> dict[str, tuple[str, ...]]:
    if not names:
        return {}
    entries = F.array(*[F.struct(F.lit(name).alias("name"), F.col(quoted(name)).alias("word")) for name in names])
    counts = rows.select(F.inline(entries)).where(F.col("word").isNotNull()).groupBy("name", "word").count()
    by_frequency = Window.partitionBy("name").orderBy(F.desc("count"), "word")
    kept = counts.withColumn("place", F.row_number().over(by_frequency)).where(F.col("place") <= max_words)
    found: dict[str, list[str]] = {name: [] for name in names}
    for row in kept.select("name", "word").collect():
        found[row["name"]].append(row["word"])
    return {name: tuple(sorted(words)) for name, words in found.items()}


def _scales(rows: DataFrame, names: list[str]) -> dict[str, Scale]:
    """Means and deviations, from sums that no order of the rows changes: first the largest values, then the sums."""
    if not names:
        return {}
    values = [F.col(quoted(name)).cast("double") for name in names]
    sizes = [F.array(F.count(value), F.coalesce(F.max(F.abs(value)), F.lit(0.0))) for value in values]
    first = rows.agg(F.count("*").alias("rows"), F.array(*sizes).alias("sizes")).collect()[0]
    known, largest = np.array(first["sizes"]).T
    grids = grid_exponents(largest, first["rows"]), grid_exponents(largest * largest, first["rows"])
    sums = [
        F.array(sum_on_grid(value, grids[0][place]), sum_on_grid(value * value, grids[1][place]))
        for place, value in enumerate(values)
    ]
    units = np.array(rows.agg(F.array(*sums).alias("sums")).collect()[0]["sums"], dtype=np.int64)
    total, square = off_grid(units[:, 0], grids[0]), off_grid(units[:, 1], grids[1])
    scales = {}
    for place, name in enumerate(names):
        count, total_of, square_of = float(known[place]), float(total[place]), float(square[place])
        mean = total_of / count if count else 0.0
        variance = square_of / count - mean * mean if count else 0.0
        # A constant column needs no scale; rounding may leave its variance slightly above 0.
        deviation = variance**0.5 if variance > 1e-9 * (1.0 + mean * mean) else 1.0
        scales[name] = Scale(mean, deviation, count < first["rows"])
    return scales
