"""Scores with one row per user, as `score` writes them: checked, met by user and profiled in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
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
from ptofa_spark.allocation.scores.score_rows import SAMPLE_USERS, ArrowKernel, ScoreRows
from ptofa_spark.allocation.scores.user_classes import ProfileSums, profile_of
from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.errors import TableError
from ptofa_spark.tables.contracts.nulls import null_counts, require_no_null
from ptofa_spark.tables.contracts.schemas import COMPACT_SCORES

_FAULTS = (
    "nulls_user_id",
    "nulls_risk_tolerance",
    "nulls_fund_ids",
    "nulls_expected_revenue",
    "other_funds",
    "wrong_size",
    "not_finite",
)
# A row per user, to meet others of the same id, and one row per partition of what was found in it.
_MET = pa.schema([("user_id", pa.int64()), ("found", pa.binary())])


def read_compact(
    rows: DataFrame, table: str, campaign_id: str, funds: Funds, users: int, left_out: int, look: Look
) -> Scores:
    """The scores of a campaign, checked.

    Args:
        rows: of the campaign, COMPACT_SCORES, at least one; nulls are not checked yet.
        table: the argument, for messages.
        campaign_id: the campaign, for messages.
        funds: its funds.
        users: how many rows there are.
        left_out: rows of other campaigns.
        look: what the first pass is asked for.

    Raises:
        TableError: see `read_scores`.
    """
    layout = _layout(rows, table)
    position = {fund: place for place, fund in enumerate(layout)}
    places = np.array([position.get(fund, -1) for fund in funds.ids])
    same = F.col("fund_ids") == F.array(*[F.lit(fund) for fund in layout])
    seen = rows.select("user_id", "risk_tolerance", "expected_revenue", same.alias("same"))
    on_driver = look.fits_the_driver(users, max(len(layout), len(funds)))
    share = 0.0 if on_driver else SAMPLE_USERS / users
    kernel = _looking(len(layout), places, funds.risk_levels, share, look)
    if on_driver:
        brought = seen.toArrow()
        met = pa.Table.from_batches(list(_repeated(kernel(brought.to_batches()))), schema=_MET)
    else:
        # Users meet by a hash, sorted by no one but NumPy: Spark's own count of ten million keys takes twice as long.
        by_user = seen.mapInArrow(kernel, from_arrow_schema(_MET)).repartition(
            F.coalesce("user_id", F.xxhash64("found"))
        )
        met = by_user.mapInArrow(_repeated, from_arrow_schema(_MET)).toArrow()
    counts, _, found = unpacked(met["found"].drop_null().to_pylist(), _FAULTS)
    _require_sound(rows, table, campaign_id, layout, counts)
    twice = pc.min(met["user_id"]).as_py()
    if twice is not None:
        times = rows.where(F.col("user_id") == twice).count()
        raise TableError(f"table {table}: user {twice} stands there {times} times: keep one row per user")
    held = _in_order(brought, len(layout), places) if on_driver else None
    others = [fund for fund in layout if fund not in funds.ids]
    by_name = dict.fromkeys(others[:MOST_NAMES], users)
    read = ScoresRead(table, users, users + left_out, left_out, users * len(layout), users * len(others), by_name)
    frame = rows.select("user_id", "risk_tolerance", _of_funds(layout, places).alias("expected_revenue"))
    profile = profile_of(found, len(funds), look.max_classes, look.seed)
    return Scores(ScoreRows(frame, held, users), read, profile)


def _layout(rows: DataFrame, table: str) -> list[str]:
    """The funds in the order of the scores, as the first row that Spark comes upon has them."""
    first = rows.select("fund_ids").first()
    layout = None if first is None else first["fund_ids"]
    if layout is None:
        counts = rows.agg(*null_counts(COMPACT_SCORES)).first()
        assert counts is not None  # an aggregate without groups is one row
        require_no_null(table, COMPACT_SCORES, counts.asDict())
    assert layout is not None  # a null was just refused
    return list(layout)


def _looking(width: int, places: Ints, risk_levels: Ints, share: float, look: Look) -> ArrowKernel:
    """Rows of _MET, of batches of user_id, risk_tolerance, expected_revenue, and whether the funds are the layout's.

    Args:
        width: funds of the layout.
        places: (funds,), the campaign's funds in the layout, -1 where a fund has no score.
        risk_levels: (funds,).
        share: of the users that are brought, 0 to 1.
        look: what else is asked for.
    """

    def kernel(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counts, sums = np.zeros(len(_FAULTS), dtype=np.int64), ProfileSums(risk_levels, look.max_classes, look.seed)
        for batch in batches:
            faults = _faults(batch, width)
            counts += faults
            user_id = batch.column("user_id")
            if not faults.any():
                expected_revenue = _matrix(batch.column("expected_revenue"), width, places)
                tolerance = batch.column("risk_tolerance").to_numpy()
                sums.add(user_id.to_numpy(), tolerance, expected_revenue, share)
            yield pa.record_batch([user_id, pa.nulls(len(user_id), pa.binary())], schema=_MET)
        found = packed(counts.tolist(), {}, sums)
        yield pa.record_batch([pa.nulls(1, pa.int64()), pa.array([found], pa.binary())], schema=_MET)

    return kernel


def _matrix(column: pa.Array, width: int, places: Ints) -> Floats:
    """Scores in the order of the layout as (users, funds) in that of the campaign's funds."""
    values = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), width)
    scored = places >= 0
    expected_revenue = np.full((len(values), len(places)), np.nan)
    expected_revenue[:, scored] = values[:, places[scored]]
    return expected_revenue


def _faults(batch: pa.RecordBatch, width: int) -> Ints:
    """The counts of _FAULTS."""
    same, expected_revenue = batch.column("same"), batch.column("expected_revenue")
    columns = (batch.column("user_id"), batch.column("risk_tolerance"), same, expected_revenue)
    of_others = pc.sum(pc.invert(same)).as_py() or 0
    wrong_size = pc.sum(pc.not_equal(pc.list_value_length(expected_revenue), width)).as_py() or 0
    nulls = [column.null_count for column in columns]
    return np.array([*nulls, of_others, wrong_size, not_finite(expected_revenue.flatten())], dtype=np.int64)


def _repeated(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """What was found, as it is, and the first user who stands there more than once."""
    users = [np.zeros(0, dtype=np.int64)]
    for batch in batches:
        found = batch.filter(batch.column("found").is_valid())
        if found.num_rows:
            yield found
        users.append(batch.column("user_id").drop_null().to_numpy())
    in_order = np.sort(np.concatenate(users))
    twice = pa.array(in_order[1:][in_order[1:] == in_order[:-1]][:1], pa.int64())
    yield pa.record_batch([twice, pa.nulls(len(twice), pa.binary())], schema=_MET)


def _require_sound(rows: DataFrame, table: str, campaign_id: str, layout: list[str], counts: dict[str, int]) -> None:
    require_no_null(table, COMPACT_SCORES, counts)
    if counts["other_funds"]:
        raise TableError(
            f"table {table}: rows of {campaign_id!r} differ in fund_ids: score the campaign again as a whole"
        )
    if len(set(layout)) < len(layout) or None in layout:
        raise TableError(
            f"table {table}: rows of {campaign_id!r} name a fund twice, or none, in fund_ids: score the campaign again"
        )
    if counts["wrong_size"]:
        bad = rows.where(F.size("expected_revenue") != len(layout)).orderBy("user_id").first()
        assert bad is not None  # it was just seen
        raise TableError(
            f"table {table}: user {bad['user_id']} has {len(bad['expected_revenue'])} scores for "
            f"{len(layout)} funds: score the campaign again"
        )
    if counts["not_finite"]:
        bad = rows.where(is_not_finite("expected_revenue")).orderBy("user_id").first()
        assert bad is not None  # it was just seen
        raise not_finite_error(bad, table, tuple(layout))


def _of_funds(layout: list[str], places: Ints) -> Column:
    """The scores in the order of the campaign's funds, null where a fund has none."""
    if places.tolist() == list(range(len(layout))):
        return F.col("expected_revenue")
    absent = F.lit(None).cast("double")
    return F.array(*[F.col("expected_revenue")[place] if place >= 0 else absent for place in places.tolist()])


def _in_order(brought: pa.Table, width: int, places: Ints) -> pa.Table:
    """The same on the driver: rows of `ScoreRows`."""
    if places.tolist() == list(range(width)):
        return brought.drop_columns(["same"])
    expected_revenue = lists(_matrix(brought["expected_revenue"].combine_chunks(), width, places), nan_as_null=True)
    columns = [brought["user_id"], brought["risk_tolerance"], expected_revenue]
    return pa.table(columns, names=["user_id", "risk_tolerance", "expected_revenue"])
