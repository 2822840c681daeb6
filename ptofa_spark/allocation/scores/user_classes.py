"""The first pass over the scores: the classes of users, and how large their expected revenues get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ptofa_spark.allocation.problem.eligibility import set_keys
from ptofa_spark.allocation.problem.problem import Classes, Funds
from ptofa_spark.allocation.scores.arrow_lists import lists
from ptofa_spark.allocation.scores.score_rows import SAMPLE_USERS, Draw, DrawnRows, ScoreRows
from ptofa_spark.allocation.scores.score_table import scored_pairs
from ptofa_spark.allocation.scores.spectrum import Spectrum, SpectrumSum
from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.errors import TableError

_CLASSES = [
    ("users", pa.int64()),
    ("eligible", pa.binary()),
    ("tolerance_low", pa.int64()),
    ("tolerance_high", pa.int64()),
]
_OF_FUNDS = [("largest", pa.list_(pa.float64())), ("scored", pa.list_(pa.int64()))]
_SPECTRUM = [("bin", pa.int64()), ("pairs", pa.int64()), ("least", pa.float64()), ("most", pa.float64())]
_DRAWN = [("user_id", pa.int64()), ("risk_tolerance", pa.int64()), ("expected_revenue", pa.list_(pa.float64()))]
# A row for each class that a partition holds, one row of the funds, a row for each bin of the spectrum, and a row for
# each user who is drawn. Each kind leaves the other columns null.
_PROFILE = pa.schema([*_CLASSES, *_OF_FUNDS, *_SPECTRUM, *_DRAWN])


@dataclass(frozen=True)
class Profile:
    """What one pass says of the scores.

    largest: (funds,), largest |E| of an eligible pair, money; spectrum: the sizes of all eligible pairs; scored:
    (funds,), users with a score for the fund, be it too risky for them or not. drawn: a sample of the rows.
    """

    classes: Classes
    largest: Floats
    spectrum: Spectrum
    scored: Ints
    drawn: DrawnRows


def profile(scores: ScoreRows, funds: Funds, max_classes: int, seed: int = 0) -> Profile:
    """Counts the users by their set of eligible funds, in one pass. Where they are many, it brings a sample of them.

    Args:
        scores: of the campaign's funds.
        funds: the campaign's.
        max_classes: distinct sets, at most.
        seed: of the sample.

    Raises:
        TableError: there are no users, or more distinct sets than `max_classes`.
    """
    levels, count = funds.risk_levels, len(funds)
    draw = Draw(seed, 0.0 if scores.held is not None or not scores.users else SAMPLE_USERS / scores.users)

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        classes = _ClassCounts()
        largest, scored = np.zeros(count), np.zeros(count, dtype=np.int64)
        sizes = SpectrumSum()
        for batch in batches:
            tolerance, expected_revenue, eligible = scored_pairs(batch, levels)
            classes.add(eligible, tolerance)
            # Beyond what is allowed, each partition tells that it is so, and holds no more.
            classes.keep(max_classes + 1)
            largest = np.maximum(largest, np.where(eligible, np.abs(expected_revenue), 0.0).max(axis=0, initial=0.0))
            scored += (~np.isnan(expected_revenue)).sum(axis=0)
            sizes.add(np.where(eligible, expected_revenue, np.nan))
            if draw.share > 0.0:
                yield _rows(_drawn_columns(draw, batch, tolerance, expected_revenue))
        yield _rows(classes.columns())
        yield _rows({"largest": pa.array([largest.tolist()]), "scored": pa.array([scored.tolist()])})
        yield _rows(_spectrum_columns(sizes))

    found = scores.collect(kernel, _PROFILE)
    by_class = _ClassCounts()
    of_class = found.filter(pc.is_valid(found["eligible"]))
    for row in of_class.select([name for name, _ in _CLASSES]).to_pylist():
        by_class.merge(row["eligible"], row["users"], row["tolerance_low"], row["tolerance_high"])
    if not by_class.found:
        raise TableError("the table of scores has no users: score the campaign's users first")
    if len(by_class.found) > max_classes:
        raise TableError(
            f"users have more than {max_classes:,} distinct sets of eligible funds: leave fewer pairs absent, "
            "or raise --max-classes"
        )
    largest = np.array(found["largest"].drop_null().to_pylist(), dtype=np.float64).reshape(-1, count).max(axis=0)
    drawn = found.filter(pc.is_valid(found["user_id"])).select([name for name, _ in _DRAWN])
    rows = DrawnRows(
        draw, pa.RecordBatch.from_arrays([column.combine_chunks() for column in drawn.columns], schema=drawn.schema)
    )
    return Profile(by_class.classes(count), largest, _merged_spectrum(found), _scored(found, count), rows)


def sizes_of(scores: ScoreRows, funds: Funds) -> tuple[Spectrum, Ints]:
    """The sizes of all eligible pairs, and (funds,) users with a score for the fund, without a count of classes.

    Arguments as in `profile`.
    """
    levels, count = funds.risk_levels, len(funds)

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sizes, scored = SpectrumSum(), np.zeros(count, dtype=np.int64)
        for batch in batches:
            _, expected_revenue, eligible = scored_pairs(batch, levels)
            scored += (~np.isnan(expected_revenue)).sum(axis=0)
            sizes.add(np.where(eligible, expected_revenue, np.nan))
        yield _rows({"scored": pa.array([scored.tolist()])})
        yield _rows(_spectrum_columns(sizes))

    found = scores.collect(kernel, _PROFILE)
    return _merged_spectrum(found), _scored(found, count)


class _ClassCounts:
    """What is known of each set of eligible funds: users, the least and the highest tolerance, by the set's bits."""

    def __init__(self) -> None:
        self.found: dict[bytes, tuple[int, int, int]] = {}

    def add(self, eligible: Bools, tolerance: Ints) -> None:
        """Adds users: eligible (users, funds), tolerance (users,)."""
        keys, inverse = np.unique(set_keys(eligible), return_inverse=True)
        low, high = np.full(len(keys), np.iinfo(np.int64).max), np.full(len(keys), np.iinfo(np.int64).min)
        np.minimum.at(low, inverse, tolerance)
        np.maximum.at(high, inverse, tolerance)
        counts = np.bincount(inverse, minlength=len(keys))
        for index, key in enumerate(keys):
            self.merge(key.tobytes(), int(counts[index]), int(low[index]), int(high[index]))

    def merge(self, key: bytes, users: int, low: int, high: int) -> None:
        """Adds users of one set."""
        others, lowest, highest = self.found.get(key, (0, low, high))
        self.found[key] = (others + users, min(lowest, low), max(highest, high))

    def keep(self, most: int) -> None:
        """Forgets all sets but the first ones, at most so many."""
        for key in list(self.found)[most:]:
            del self.found[key]

    def columns(self) -> dict[str, pa.Array]:
        """The columns of _CLASSES."""
        rows = [(users, key, low, high) for key, (users, low, high) in self.found.items()]
        return {name: pa.array([row[at] for row in rows], kind) for at, (name, kind) in enumerate(_CLASSES)}

    def classes(self, funds: int) -> Classes:
        """The classes, sorted by their set."""
        keys = sorted(self.found)
        bits = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -1)
        users, low, high = np.array([self.found[key] for key in keys], dtype=np.int64).T.copy()
        return Classes(np.unpackbits(bits, axis=1)[:, :funds].astype(bool), users, low, high)


def _scored(found: pa.Table, funds: int) -> Ints:
    total: Ints = np.array(found["scored"].drop_null().to_pylist(), dtype=np.int64).reshape(-1, funds).sum(axis=0)
    return total


def _drawn_columns(draw: Draw, batch: pa.RecordBatch, tolerance: Ints, expected_revenue: Floats) -> dict[str, pa.Array]:
    user_id = batch.column("user_id").to_numpy()
    rows = np.flatnonzero(draw.of(user_id))
    columns = (pa.array(user_id[rows]), pa.array(tolerance[rows]), lists(expected_revenue[rows]))
    return {name: column for (name, _), column in zip(_DRAWN, columns, strict=True)}


def _spectrum_columns(sizes: SpectrumSum) -> dict[str, pa.Array]:
    total = sizes.total()
    columns = (total.bins, total.pairs, total.least, total.most)
    return {name: pa.array(column) for (name, _), column in zip(_SPECTRUM, columns, strict=True)}


def _merged_spectrum(found: pa.Table) -> Spectrum:
    sizes = SpectrumSum()
    rows = found.filter(pc.is_valid(found["bin"]))
    sizes.merge(Spectrum(*(rows[name].to_numpy() for name, _ in _SPECTRUM)))
    return sizes.total()


def _rows(columns: dict[str, pa.Array]) -> pa.RecordBatch:
    """Rows of some columns; the others are null."""
    count = len(next(iter(columns.values())))
    return pa.record_batch(
        [columns.get(field.name, pa.nulls(count, field.type)) for field in _PROFILE], schema=_PROFILE
    )
