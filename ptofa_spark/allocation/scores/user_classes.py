"""The first pass over the scores: the classes of users, and how large their expected revenues get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ptofa_spark.allocation.problem.eligibility import eligible_pairs, set_keys
from ptofa_spark.allocation.problem.problem import Classes, Funds
from ptofa_spark.allocation.scores.arrow_lists import lists
from ptofa_spark.allocation.scores.score_rows import SAMPLE_USERS, Draw, DrawnRows, ScoreRows
from ptofa_spark.allocation.scores.score_table import revenue_matrix
from ptofa_spark.allocation.scores.spectrum import Spectrum, SpectrumSum
from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.arrow_tables import padded
from ptofa_spark.errors import TableError

_CLASSES = [
    ("users", pa.int64()),
    ("eligible", pa.binary()),
    ("tolerance_low", pa.int64()),
    ("tolerance_high", pa.int64()),
]
_OF_FUNDS = [("largest", pa.list_(pa.float64())), ("scored", pa.list_(pa.int64())), ("share", pa.float64())]
_SPECTRUM = [("bin", pa.int64()), ("pairs", pa.int64()), ("least", pa.float64()), ("most", pa.float64())]
_DRAWN = [("user_id", pa.int64()), ("risk_tolerance", pa.int64()), ("expected_revenue", pa.list_(pa.float64()))]
# A row for each class that a partition holds, one row of the funds, a row for each bin of the spectrum, and a row for
# each user who is drawn. Each kind leaves the other columns null.
PROFILE = pa.schema([*_CLASSES, *_OF_FUNDS, *_SPECTRUM, *_DRAWN])


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


class ProfileSums:
    """What a pass sums up over the users of a partition: PROFILE."""

    def __init__(self, risk_levels: Ints, max_classes: int | None, seed: int) -> None:
        """risk_levels: (funds,); max_classes: distinct sets, at most, None: not counted; seed: of the sample."""
        funds = len(risk_levels)
        self._risk_levels, self._max_classes, self._seed = risk_levels, max_classes, seed
        self._classes, self._sizes = _ClassCounts(), SpectrumSum()
        self._largest, self._scored = np.zeros(funds), np.zeros(funds, dtype=np.int64)
        self._drawn: list[pa.Table] = []
        self._share = 1.0

    def add(self, user_id: Ints, tolerance: Ints, expected_revenue: Floats, share: float) -> None:
        """Adds users, and brings about a share of them. Of all users, those of the least share are drawn.

        Args:
            user_id: (users,).
            tolerance: (users,), what risk they declared to bear.
            expected_revenue: (users, funds), NaN where the score is absent.
            share: 0 to 1.
        """
        eligible = eligible_pairs(tolerance, self._risk_levels, expected_revenue)
        if self._max_classes is not None:
            self._classes.add(eligible, tolerance)
            # Beyond what is allowed, each partition tells that it is so, and holds no more.
            self._classes.keep(self._max_classes + 1)
        largest = np.where(eligible, np.abs(expected_revenue), 0.0).max(axis=0, initial=0.0)
        self._largest = np.maximum(self._largest, largest)
        self._scored += (~np.isnan(expected_revenue)).sum(axis=0)
        self._sizes.add(np.where(eligible, expected_revenue, np.nan))
        if share > 0.0:
            self._share = min(self._share, share)
            rows = np.flatnonzero(Draw(self._seed, share).of(user_id))
            columns = (pa.array(user_id[rows]), pa.array(tolerance[rows]), lists(expected_revenue[rows]))
            self._drawn.append(pa.table(dict(zip((name for name, _ in _DRAWN), columns, strict=True))))

    def table(self) -> pa.Table:
        """The sums, and the users drawn, as rows of PROFILE."""
        of_funds = {"largest": [self._largest.tolist()], "scored": [self._scored.tolist()], "share": [self._share]}
        parts = [pa.table(self._classes.columns()), pa.table(of_funds), pa.table(_spectrum_columns(self._sizes))]
        return pa.concat_tables([padded(part, PROFILE) for part in (*parts, *self._drawn)])


def profile_of(found: pa.Table, funds: int, max_classes: int | None, seed: int) -> Profile:
    """The profile of all partitions' rows of PROFILE.

    Raises:
        TableError: there are no users, or more distinct sets than `max_classes`.
    """
    by_class = _ClassCounts()
    of_class = found.filter(pc.is_valid(found["eligible"]))
    for row in of_class.select([name for name, _ in _CLASSES]).to_pylist():
        by_class.merge(row["eligible"], row["users"], row["tolerance_low"], row["tolerance_high"])
    if max_classes is not None and not by_class.found:
        raise TableError("the table of scores has no users: score the campaign's users first")
    if max_classes is not None and len(by_class.found) > max_classes:
        raise TableError(
            f"users have more than {max_classes:,} distinct sets of eligible funds: leave fewer pairs absent, "
            "or raise --max-classes"
        )
    largest = np.array(found["largest"].drop_null().to_pylist(), dtype=np.float64).reshape(-1, funds)
    scored = np.array(found["scored"].drop_null().to_pylist(), dtype=np.int64).reshape(-1, funds)
    sizes = SpectrumSum()
    bins = found.filter(pc.is_valid(found["bin"]))
    sizes.merge(Spectrum(*(bins[name].to_numpy() for name, _ in _SPECTRUM)))
    drawn = found.filter(pc.is_valid(found["user_id"])).select([name for name, _ in _DRAWN])
    rows = pa.RecordBatch.from_arrays([column.combine_chunks() for column in drawn.columns], schema=drawn.schema)
    # Whoever is drawn by the least share is drawn in every partition.
    share = pc.min(found["share"]).as_py() if drawn.num_rows else 0.0
    classes, drawn_rows = by_class.classes(funds), DrawnRows(Draw(seed, share), rows)
    return Profile(classes, largest.max(axis=0, initial=0.0), sizes.total(), scored.sum(axis=0), drawn_rows)


def profile(scores: ScoreRows, funds: Funds, max_classes: int | None, seed: int = 0) -> Profile:
    """Counts the users by their set of eligible funds, in one pass. Where they are many, it brings a sample of them.

    Args:
        scores: of the campaign's funds.
        funds: the campaign's.
        max_classes: distinct sets, at most; None if they are not counted.
        seed: of the sample.

    Raises:
        TableError: there are no users, or more distinct sets than `max_classes`.
    """
    levels, count = funds.risk_levels, len(funds)
    share = 0.0 if scores.held is not None or not scores.users else SAMPLE_USERS / scores.users

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = ProfileSums(levels, max_classes, seed)
        for batch in batches:
            user_id, tolerance = (batch.column(name).to_numpy() for name in ("user_id", "risk_tolerance"))
            sums.add(user_id, tolerance, revenue_matrix(batch.column("expected_revenue"), count), share)
        yield from sums.table().to_batches()

    return profile_of(scores.collect(kernel, PROFILE), count, max_classes, seed)


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
        if not keys:
            nobody = np.zeros(0, dtype=np.int64)
            return Classes(np.zeros((0, funds), dtype=bool), nobody, nobody, nobody)
        bits = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -1)
        users, low, high = np.array([self.found[key] for key in keys], dtype=np.int64).T.copy()
        return Classes(np.unpackbits(bits, axis=1)[:, :funds].astype(bool), users, low, high)


def _spectrum_columns(sizes: SpectrumSum) -> dict[str, pa.Array]:
    total = sizes.total()
    columns = (total.bins, total.pairs, total.least, total.most)
    return {name: pa.array(column) for (name, _), column in zip(_SPECTRUM, columns, strict=True)}
