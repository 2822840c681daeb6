"""Scores with one row per user-fund pair: gathered by user, checked and profiled in one pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import StorageLevel
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from ptofa_spark.allocation.problem.problem import Funds
from ptofa_spark.allocation.scores.arrow_lists import lists
from ptofa_spark.allocation.scores.reading.account import ScoresRead
from ptofa_spark.allocation.scores.reading.first_pass import (
    MOST_NAMES,
    Look,
    Scores,
    is_not_finite,
    not_finite,
    not_finite_error,
    packed,
    unpacked,
)
from ptofa_spark.allocation.scores.score_rows import (
    PAIRS_A_BATCH,
    SAMPLE_USERS,
    ArrowKernel,
    ScoreRows,
)
from ptofa_spark.allocation.scores.user_classes import ProfileSums, profile_of
from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.arrow_tables import one_chunk
from ptofa_spark.errors import TableError
from ptofa_spark.tables.contracts.nulls import require_no_null
from ptofa_spark.tables.contracts.schemas import LONG_SCORES

# Some 100 MB, which is what a task holds at once.
_PAIRS_A_PARTITION = 1_000_000
# A partition's users tell only about how many there are in all.
_MARGIN = 1.2
_FAULTS = (
    "nulls_user_id",
    "nulls_risk_tolerance",
    "nulls_fund_id",
    "torn",
    "doubled",
    "not_finite",
    "users",
    "pairs_of_others",
    "names_lost",
)
_USER = [("user_id", pa.int64()), ("risk_tolerance", pa.int32())]
_PAIRS = pa.schema([*_USER, ("fund_id", pa.string()), ("expected_revenue", pa.float64())])
# A row per user, and one row per partition of what was found in it.
_GATHERED = pa.schema([*_USER, ("expected_revenue", pa.list_(pa.float64())), ("found", pa.binary())])


def read_long(pairs: DataFrame, table: str, funds: Funds, count: int, left_out: int, look: Look) -> Scores:
    """The scores of a campaign, checked, one row per user.

    Args:
        pairs: of the campaign, LONG_SCORES; nulls are not checked yet.
        table: the argument, for messages.
        funds: the campaign's.
        count: how many pairs there are.
        left_out: rows of other campaigns.
        look: what the first pass is asked for.

    Raises:
        TableError: see `read_scores`.
    """
    pairs = pairs.select("user_id", "risk_tolerance", "fund_id", "expected_revenue")
    on_driver = look.fits_the_driver(count, len(funds))
    kernel = gathering(funds, count, look, draw=not on_driver)
    if on_driver:
        return _scores(pairs, table, funds, count, left_out, look, list(kernel(pairs.toArrow().to_batches())))
    by_user = pairs.repartition(count // _PAIRS_A_PARTITION + 1, "user_id")
    # Every pass would shuffle the pairs again.
    kept = by_user.mapInArrow(kernel, from_arrow_schema(_GATHERED)).persist(StorageLevel.DISK_ONLY)
    try:
        return _scores(pairs, table, funds, count, left_out, look, kept)
    except BaseException:
        kept.unpersist()
        raise


def _scores(
    pairs: DataFrame,
    table: str,
    funds: Funds,
    count: int,
    left_out: int,
    look: Look,
    gathered: DataFrame | list[pa.RecordBatch],
) -> Scores:
    """The scores as they were gathered, checked. gathered: rows of _GATHERED, kept or on the driver."""
    kept = gathered if isinstance(gathered, DataFrame) else None
    if kept is not None:
        frame = kept.where(F.col("found").isNull()).drop("found")
        held = None
        parts = kept.where(F.col("found").isNotNull()).select("found").toArrow()["found"]
    else:
        rows = pa.Table.from_batches(gathered, schema=_GATHERED)
        held = one_chunk(rows.filter(rows["found"].is_null()).drop_columns(["found"]))
        frame = pairs.sparkSession.createDataFrame(held)
        parts = rows["found"].drop_null()
    counts, names, found = unpacked(parts.to_pylist(), _FAULTS)
    _require_sound(pairs, table, funds, counts)
    profile = profile_of(found, len(funds), look.max_classes, look.seed)
    users = counts["users"]
    if held is None and look.fits_the_driver(users, len(funds)):
        held = frame.toArrow()
    by_name = _by_name(pairs, funds) if counts["names_lost"] else _most(names)
    read = ScoresRead(table, users, count + left_out, left_out, count, counts["pairs_of_others"], by_name)
    return Scores(ScoreRows(frame, held, users), read, profile, kept)


@dataclass(frozen=True)
class _Users:
    """Pairs gathered by user. user_id, risk_tolerance: (users,), by rising id.

    row, fund, revenue: (pairs of the campaign's funds,), by rising row: the user's row, the fund and the money. torn,
    doubled, not_finite: how many pairs are at fault; others: pairs of funds without a demand, by name.
    """

    user_id: Ints
    risk_tolerance: Ints
    row: Ints
    fund: Ints
    revenue: Floats
    torn: int
    doubled: int
    not_finite: int
    others: dict[str, int]

    def expected_revenue(self, part: slice, funds: int) -> Floats:
        """The money of some users, (users, funds), NaN where a pair is absent."""
        first, end = np.searchsorted(self.row, [part.start, part.stop])
        matrix = np.full((len(self.user_id[part]), funds), np.nan)
        matrix[self.row[first:end] - part.start, self.fund[first:end]] = self.revenue[first:end]
        return matrix


def gathering(funds: Funds, count: int, look: Look, *, draw: bool) -> ArrowKernel:
    """Rows of _GATHERED, of all pairs of some users. count: pairs of all users; draw: whether a sample is brought."""

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        pairs = pa.Table.from_batches([_plain(batch) for batch in batches], schema=_PAIRS)
        nulls = [pairs[name].null_count for name in ("user_id", "risk_tolerance", "fund_id")]
        users = _gathered(pairs.slice(0, 0) if any(nulls) else pairs, funds)
        sums = ProfileSums(funds.risk_levels, look.max_classes, look.seed)
        # As many users have so many pairs here, about so many users have all pairs.
        about_all = len(users.user_id) * count / max(len(pairs), 1)
        share = min(1.0, _MARGIN * SAMPLE_USERS / max(about_all, 1.0)) if draw else 0.0
        size = max(1, PAIRS_A_BATCH // max(1, len(funds)))
        for start in range(0, len(users.user_id), size):
            part = slice(start, start + size)
            user_id, tolerance = users.user_id[part], users.risk_tolerance[part]
            expected_revenue = users.expected_revenue(part, len(funds))
            sums.add(user_id, tolerance, expected_revenue, share)
            rows = [pa.array(user_id), pa.array(tolerance), lists(expected_revenue, nan_as_null=True)]
            yield pa.record_batch([*rows, pa.nulls(len(user_id), pa.binary())], schema=_GATHERED)
        names = dict(itertools.islice(users.others.items(), MOST_NAMES))
        others, lost = sum(users.others.values()), len(users.others) - len(names)
        counts = [*nulls, users.torn, users.doubled, users.not_finite, len(users.user_id), others, lost]
        found = packed(counts, names, sums)
        nothing = [pa.array([0], field.type) for field in list(_GATHERED)[:2]]
        nobody = pa.array([[]], _GATHERED.field("expected_revenue").type)
        yield pa.record_batch([*nothing, nobody, pa.array([found], pa.binary())], schema=_GATHERED)

    return kernel


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch as _PAIRS, whatever its source says of nulls or of the lengths of strings."""
    return pa.record_batch([batch.column(field.name).cast(field.type) for field in _PAIRS], schema=_PAIRS)


def _gathered(pairs: pa.Table, funds: Funds) -> _Users:
    """Pairs of _PAIRS, without a null but in the expected revenue."""
    fund_id = pairs["fund_id"].combine_chunks().dictionary_encode()
    code, names = fund_id.indices.to_numpy(), fund_id.dictionary
    fund_of = pc.fill_null(pc.index_in(names, pa.array(funds.ids, pa.string())), -1).to_numpy()
    user_id, first, row = np.unique(pairs["user_id"].to_numpy(), return_index=True, return_inverse=True)
    tolerance = pairs["risk_tolerance"].to_numpy()
    pair = np.sort(row * len(names) + code)
    is_other = fund_of[code] < 0
    wanted = np.flatnonzero(~is_other)
    wanted = wanted[np.argsort(row[wanted], kind="stable")]
    revenue = pairs["expected_revenue"].combine_chunks()
    others = np.bincount(code[is_other], minlength=len(names))
    return _Users(
        user_id,
        tolerance[first],
        row[wanted],
        fund_of[code[wanted]].astype(np.int64),
        revenue.to_numpy(zero_copy_only=False)[wanted],
        int((tolerance != tolerance[first][row]).sum()),
        int((pair[1:] == pair[:-1]).sum()),
        not_finite(revenue.take(pa.array(wanted))),
        {names[int(place)].as_py(): int(others[place]) for place in np.flatnonzero(others)},
    )


def _require_sound(pairs: DataFrame, table: str, funds: Funds, counts: dict[str, int]) -> None:
    require_no_null(table, LONG_SCORES, counts)
    if not (counts["torn"] or counts["doubled"] or counts["not_finite"]):
        return
    bad = _first_bad(pairs, funds)
    if bad["torn"]:
        raise TableError(f"table {table}: user {bad['user_id']} has more than one risk_tolerance: give each user one")
    if bad["doubled"] is not None:
        fund = next(a for a, b in itertools.pairwise(bad["doubled"]) if a == b)
        raise TableError(
            f"table {table}: user {bad['user_id']} and fund {fund!r} stand there more than once: keep one row"
        )
    raise not_finite_error(bad, table, funds.ids)


def _first_bad(pairs: DataFrame, funds: Funds) -> Row:
    """The first user by id with a fault, and what it is."""
    users = pairs.groupBy("user_id").agg(
        (F.min("risk_tolerance") != F.max("risk_tolerance")).alias("torn"),
        F.collect_list(F.struct("fund_id", "expected_revenue")).alias("entries"),
        F.array_sort(F.collect_list("fund_id")).alias("scored"),
    )
    twice = F.size("scored") != F.size(F.array_distinct("scored"))
    # A doubled pair would break the map, so its user gets none.
    by_fund = F.map_from_entries(F.when(~twice, F.col("entries")))
    expected_revenue = F.array(*[F.try_element_at(by_fund, F.lit(fund)) for fund in funds.ids])
    said = users.select(
        "user_id", "torn", F.when(twice, F.col("scored")).alias("doubled"), expected_revenue.alias("expected_revenue")
    )
    is_bad = F.col("torn") | F.col("doubled").isNotNull() | is_not_finite("expected_revenue")
    first = said.where(is_bad).orderBy("user_id").first()
    assert first is not None  # it was just seen
    return first


def _by_name(pairs: DataFrame, funds: Funds) -> dict[str, int]:
    """Pairs by name, of the names without a demand that have the most."""
    others = pairs.where(~F.col("fund_id").isin([*funds.ids])).groupBy("fund_id").count()
    return {row["fund_id"]: row["count"] for row in others.orderBy(F.desc("count"), "fund_id").take(MOST_NAMES)}


def _most(names: dict[str, int]) -> dict[str, int]:
    """Those that have the most pairs, ties by name."""
    return dict(sorted(names.items(), key=lambda each: (-each[1], each[0]))[:MOST_NAMES])
