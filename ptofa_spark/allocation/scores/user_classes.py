"""The first pass over the scores: the classes of users, and how large their expected revenues get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.allocation.problem.eligibility import eligible_pairs, set_keys
from ptofa_spark.allocation.problem.problem import Classes, Funds
from ptofa_spark.allocation.scores.score_table import revenue_matrix
from ptofa_spark.allocation.scores.spectrum import Spectrum, merged, spectrum
from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.errors import TableError

# A row for each class that a batch holds, and a row for each bin of its spectrum; each leaves the other's columns null.
_CLASS = [
    ("eligible", pa.binary()),
    ("tolerance_low", pa.int64()),
    ("tolerance_high", pa.int64()),
    ("largest", pa.list_(pa.float64())),
    ("scored", pa.list_(pa.int64())),
]
_SPECTRUM = [("bin", pa.int64()), ("least", pa.float64()), ("most", pa.float64())]
_PROFILE = pa.schema([("number", pa.int64()), *_CLASS, *_SPECTRUM])
_MOST_BINS = 4_300


@dataclass(frozen=True)
class Profile:
    """What one pass says of the scores.

    largest: (funds,), largest |E| of an eligible pair, money; spectrum: the sizes of all eligible pairs; scored:
    (funds,), users with a score for the fund, be it too risky for them or not.
    """

    classes: Classes
    largest: Floats
    spectrum: Spectrum
    scored: Ints


def profile(scores: DataFrame, funds: Funds, max_classes: int) -> Profile:
    """Counts the users by their set of eligible funds, in one pass.

    Args:
        scores: user_id, risk_tolerance, expected_revenue array<double> in the order of `funds`, money.
        funds: the campaign's.
        max_classes: distinct sets, at most.

    Raises:
        TableError: there are no users, or more distinct sets than `max_classes`.
    """
    levels, count = funds.risk_levels, len(funds)

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            expected_revenue = revenue_matrix(batch.column("expected_revenue"), count)
            tolerance = batch.column("risk_tolerance").to_numpy(zero_copy_only=False).astype(np.int64)
            eligible = eligible_pairs(tolerance, levels, expected_revenue)
            keys, inverse = np.unique(set_keys(eligible), return_inverse=True)
            size = np.where(eligible, np.abs(expected_revenue), 0.0)
            low, high = np.full(len(keys), np.iinfo(np.int64).max), np.full(len(keys), np.iinfo(np.int64).min)
            np.minimum.at(low, inverse, tolerance)
            np.maximum.at(high, inverse, tolerance)
            largest = size.max(axis=0, initial=0.0).tolist()
            # They are added up over all rows, so one of the batch's rows has them all.
            scored = [(~np.isnan(expected_revenue)).sum(axis=0).tolist(), *[[0] * count] * (len(keys) - 1)]
            by_class = [
                pa.array(np.bincount(inverse, minlength=len(keys))),
                pa.array([key.tobytes() for key in keys], pa.binary()),
                pa.array(low),
                pa.array(high),
                pa.array([largest] * len(keys), pa.list_(pa.float64())),
                pa.array(scored[: len(keys)], pa.list_(pa.int64())),
            ]
            yield _rows(by_class + [pa.nulls(len(keys), kind) for _, kind in _SPECTRUM])
            yield _spectrum_rows(np.where(eligible, expected_revenue, np.nan))

    parts = scores.select("risk_tolerance", "expected_revenue").mapInArrow(kernel, from_arrow_schema(_PROFILE))
    largest = [F.max(F.col("largest")[fund]) for fund in range(count)]
    scored = [F.sum(F.col("scored")[fund]) for fund in range(count)]
    rows = (
        parts.groupBy("eligible", "bin")
        .agg(
            F.sum("number").alias("number"),
            F.min("tolerance_low").alias("low"),
            F.max("tolerance_high").alias("high"),
            F.array(*largest).alias("largest"),
            F.array(*scored).alias("scored"),
            F.min("least").alias("least"),
            F.max("most").alias("most"),
        )
        .orderBy(F.col("eligible").asc_nulls_first())
        .take(_MOST_BINS + max_classes + 1)
    )
    sizes = merged([(row["bin"], row["number"], row["least"], row["most"]) for row in rows if row["bin"] is not None])
    rows = [row for row in rows if row["bin"] is None]
    if not rows:
        raise TableError("the table of scores has no users: score the campaign's users first")
    if len(rows) > max_classes:
        raise TableError(
            f"users have more than {max_classes:,} distinct sets of eligible funds: leave fewer pairs absent, "
            "or raise --max-classes"
        )
    bits = np.frombuffer(b"".join(bytes(row["eligible"]) for row in rows), dtype=np.uint8).reshape(len(rows), -1)
    classes = Classes(
        eligible=np.unpackbits(bits, axis=1)[:, :count].astype(bool),
        users=np.array([row["number"] for row in rows], dtype=np.int64),
        tolerance_low=np.array([row["low"] for row in rows], dtype=np.int64),
        tolerance_high=np.array([row["high"] for row in rows], dtype=np.int64),
    )
    largest_of = np.array([row["largest"] for row in rows]).max(axis=0)
    scored_of = np.array([row["scored"] for row in rows], dtype=np.int64).sum(axis=0)
    return Profile(classes, largest_of, sizes, scored_of)


def sizes_of(scores: DataFrame, funds: Funds) -> Spectrum:
    """The sizes of all eligible pairs alone, in one pass; arguments as in `profile`."""
    levels, count = funds.risk_levels, len(funds)

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            expected_revenue = revenue_matrix(batch.column("expected_revenue"), count)
            tolerance = batch.column("risk_tolerance").to_numpy(zero_copy_only=False).astype(np.int64)
            yield _spectrum_rows(
                np.where(eligible_pairs(tolerance, levels, expected_revenue), expected_revenue, np.nan)
            )

    parts = scores.select("risk_tolerance", "expected_revenue").mapInArrow(kernel, from_arrow_schema(_PROFILE))
    by_bin = parts.groupBy("bin").agg(F.sum("number"), F.min("least"), F.max("most"))
    return merged([tuple(row) for row in by_bin.collect()])


def _spectrum_rows(expected_revenue: Floats) -> pa.RecordBatch:
    sizes_by_bin = spectrum(expected_revenue)
    nothing = [pa.nulls(len(sizes_by_bin.bins), kind) for _, kind in _CLASS]
    sizes = [pa.array(each) for each in (sizes_by_bin.bins, sizes_by_bin.least, sizes_by_bin.most)]
    return _rows([pa.array(sizes_by_bin.pairs), *nothing, *sizes])


def _rows(columns: list[pa.Array]) -> pa.RecordBatch:
    return pa.record_batch(columns, schema=_PROFILE)
