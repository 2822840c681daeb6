"""Reads what `allocate` is given, in any of its forms, and refuses what cannot be allocated, naming it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from ptofa_spark.allocation.problem.problem import Funds
from ptofa_spark.allocation.scores.account import ScoresRead
from ptofa_spark.errors import TableError
from ptofa_spark.tables.campaigns import names_campaigns, of_campaign, require_campaign
from ptofa_spark.tables.contracts.nulls import null_counts, require_no_null
from ptofa_spark.tables.contracts.schemas import CAMPAIGN_ID, COMPACT_SCORES, DEMANDS, FUNDS, LONG_SCORES
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.near_names import instead, listed

# Names that come to the driver, to be compared with those of the demands.
_MOST_NAMES = 10_000

# Squares of it, and sums of squares over all pairs, stay far below the largest float, 1.8e308.
_MOST_REVENUE = 1e100
# Up to here floats count exposures one by one, and no sum over funds leaves an int64.
_MOST_EXPOSURES = 2**53


def read_campaign_funds(tables: PinnedTables, funds: str, demands: str, campaign_id: str | None) -> tuple[str, Funds]:
    """The campaign and its funds: those with a demand, sorted by id.

    Args:
        tables: of the run.
        funds: table of fund_id, risk_level: a catalog name, a path or a URI.
        demands: table of campaign_id, fund_id, demand (exposures).
        campaign_id: the campaign; None for the only one in the demands.

    Raises:
        TableError: no such campaign, a fund twice, an unknown fund, a negative demand, or more than can be counted.
    """
    asked = tables.read(demands, DEMANDS).collect()
    campaign = _campaign({row["campaign_id"] for row in asked}, demands, campaign_id)
    # Sorted here: a sort of a few rows would be a Spark job of its own.
    rows = sorted((row for row in asked if row["campaign_id"] == campaign), key=lambda row: str(row["fund_id"]))
    levels = _risk_levels(tables.read(funds, FUNDS), funds)
    seen: set[str] = set()
    for row in rows:
        if row["fund_id"] in seen:
            raise TableError(f"table {demands}: fund {row['fund_id']!r} has two demands in {campaign!r}: keep one")
        if row["fund_id"] not in levels:
            raise TableError(
                f"table {demands}: fund {row['fund_id']!r} is not in {funds}; "
                f"{instead(row['fund_id'], levels, 'fund')}: name it the same way, add it there, or drop the demand"
            )
        if row["demand"] < 0:
            raise TableError(f"table {demands}: fund {row['fund_id']!r} has demand {row['demand']}: give 0 or more")
        seen.add(row["fund_id"])
    _require_countable(rows, demands)
    return campaign, Funds(
        ids=tuple(row["fund_id"] for row in rows),
        risk_levels=np.array([levels[row["fund_id"]] for row in rows], dtype=np.int64),
        demand=np.array([row["demand"] for row in rows], dtype=np.int64),
        others=tuple(sorted(levels.keys() - seen)),
    )


def read_scores(tables: PinnedTables, argument: str, campaign_id: str, funds: Funds) -> tuple[DataFrame, ScoresRead]:
    """The scores, one row per user: user_id, risk_tolerance, expected_revenue array<double> in the order of `funds`.

    Rows of other campaigns are left out; a table without the column campaign_id is of the campaign. Funds without a
    demand in the campaign are left out; a fund that no row scores is ineligible for everyone. Beside the scores stands
    what was left out, counted in the jobs that check the table.

    Args:
        tables: of the run.
        argument: the table, money per exposure, in either form: one row per user-fund pair, or COMPACT_SCORES.
        campaign_id: the campaign.
        funds: its funds.

    Raises:
        TableError: a user or pair twice, two tolerances for one user, a score that is not finite or above 1e100 in
            size, no row of the campaign, or rows whose campaign is null or nearly meets it.
    """
    columns = tables.columns(argument)
    if "fund_id" not in columns and "fund_ids" in columns:
        rows, left_out = of_campaign(tables.read(argument, COMPACT_SCORES, allow_null=True), argument, campaign_id)
        return _from_compact(rows, argument, campaign_id, funds, left_out)
    if not names_campaigns(columns):
        return _from_long(tables.read(argument, LONG_SCORES, allow_null=True), argument, funds, 0)
    several = tables.read(argument, StructType([CAMPAIGN_ID, *LONG_SCORES]), allow_null=True)
    pairs, left_out = of_campaign(several, argument, campaign_id)
    return _from_long(pairs, argument, funds, left_out)


def _require_countable(rows: list[Row], table: str) -> None:
    largest = max(rows, key=lambda row: int(row["demand"]))
    total = sum(int(row["demand"]) for row in rows)
    if total > _MOST_EXPOSURES:
        raise TableError(
            f"table {table}: the demands add up to {total:,} exposures, fund {largest['fund_id']!r} has the largest "
            f"demand, {largest['demand']:,}: give at most {_MOST_EXPOSURES:,} in all"
        )


def _campaign(known: set[str], table: str, campaign_id: str | None) -> str:
    if not known:
        raise TableError(f"table {table} is empty: give each fund of the campaign a demand")
    if campaign_id is None and len(known) > 1:
        raise TableError(f"table {table} holds several campaigns ({listed(known)}): choose one by --campaign-id")
    campaign = next(iter(known)) if campaign_id is None else campaign_id
    require_campaign(known, table, campaign)
    return campaign


def _risk_levels(funds: DataFrame, table: str) -> dict[str, int]:
    levels: dict[str, int] = {}
    for row in sorted(funds.select("fund_id", "risk_level").collect()):
        if row["fund_id"] in levels:
            raise TableError(f"table {table}: fund {row['fund_id']!r} stands there more than once: keep one row")
        levels[row["fund_id"]] = row["risk_level"]
    return levels


def _from_long(pairs: DataFrame, table: str, funds: Funds, left_out: int) -> tuple[DataFrame, ScoresRead]:
    entry = F.struct("fund_id", "expected_revenue")
    users = pairs.groupBy("user_id").agg(
        F.min("risk_tolerance").alias("risk_tolerance"),
        F.max("risk_tolerance").alias("highest"),
        F.collect_list(entry).alias("entries"),
        F.array_sort(F.collect_list("fund_id")).alias("scored"),
        *null_counts(LONG_SCORES),
    )
    twice = F.size("scored") != F.size(F.array_distinct("scored"))
    # A doubled pair would break the map, so its user gets none, and is refused below.
    by_fund = F.map_from_entries(F.when(~twice, F.col("entries")))
    wanted = [F.try_element_at(by_fund, F.lit(fund)) for fund in funds.ids]
    nulls = [name for name in users.columns if name.startswith("nulls_")]
    one_a_user = users.select(
        "user_id",
        "risk_tolerance",
        F.array(*wanted).alias("expected_revenue"),
        (F.col("risk_tolerance") != F.col("highest")).alias("torn"),
        F.when(twice, F.col("scored")).alias("doubled"),
        F.size("scored").alias("pairs"),
        F.array_except("scored", F.array(*[F.lit(fund) for fund in funds.ids])).alias("others"),
        *nulls,
    )
    # Every pass would shuffle the pairs again; the caller unpersists.
    kept = one_a_user.persist(StorageLevel.DISK_ONLY)
    is_bad = F.col("torn") | F.col("doubled").isNotNull() | _not_finite()
    counts = kept.agg(
        F.min(F.when(is_bad, F.struct("user_id", "torn", "doubled", "expected_revenue"))).alias("bad"),
        F.count("*").alias("users"),
        F.coalesce(F.sum("pairs"), F.lit(0)).alias("pairs"),
        F.coalesce(F.sum(F.size("others")), F.lit(0)).alias("others"),
        *[F.sum(name).alias(name) for name in nulls],
    ).first()
    assert counts is not None  # an aggregate without groups is one row
    bad = counts["bad"]
    if bad is not None or any(counts[name] for name in nulls):
        kept.unpersist()
        require_no_null(table, LONG_SCORES, counts.asDict())
        if bad["torn"]:
            raise TableError(
                f"table {table}: user {bad['user_id']} has more than one risk_tolerance: give each user one"
            )
        if bad["doubled"] is not None:
            fund = next(a for a, b in itertools.pairwise(bad["doubled"]) if a == b)
            raise TableError(
                f"table {table}: user {bad['user_id']} and fund {fund!r} stand there more than once: keep one row"
            )
        raise _not_finite_error(bad, table, funds.ids)
    others = _by_name(kept.select(F.explode("others").alias("fund_id"))) if counts["others"] else {}
    rows = counts["pairs"] + left_out
    read = ScoresRead(table, counts["users"], rows, left_out, counts["pairs"], counts["others"], others)
    return kept.select("user_id", "risk_tolerance", "expected_revenue"), read


def _by_name(pairs: DataFrame) -> dict[str, int]:
    most = pairs.groupBy("fund_id").count().orderBy(F.desc("count"), "fund_id").take(_MOST_NAMES)
    return {row["fund_id"]: row["count"] for row in most}


def _from_compact(
    rows: DataFrame, table: str, campaign_id: str, funds: Funds, left_out: int
) -> tuple[DataFrame, ScoresRead]:
    seen = rows.agg(
        F.count("*").alias("users"),
        F.min("fund_ids").alias("layout"),
        F.max("fund_ids").alias("other"),
        F.max(F.size("expected_revenue") != F.size("fund_ids")).alias("wrong_size"),
        F.max(_not_finite()).alias("not_finite"),
        *null_counts(COMPACT_SCORES),
    ).first()
    assert seen is not None  # an aggregate without groups is one row
    require_no_null(table, COMPACT_SCORES, seen.asDict())
    if seen["layout"] != seen["other"]:
        raise TableError(
            f"table {table}: rows of {campaign_id!r} differ in fund_ids: score the campaign again as a whole"
        )
    position = {fund: index for index, fund in enumerate(seen["layout"])}
    if seen["wrong_size"]:
        bad = rows.where(F.size("expected_revenue") != len(position)).orderBy("user_id").first()
        assert bad is not None  # it was just seen
        raise TableError(
            f"table {table}: user {bad['user_id']} has {len(bad['expected_revenue'])} scores for "
            f"{len(position)} funds: score the campaign again"
        )
    if seen["not_finite"]:
        bad = rows.where(_not_finite()).orderBy("user_id").first()
        assert bad is not None  # it was just seen
        raise _not_finite_error(bad, table, tuple(position))
    _require_one_row_a_user(rows, table)
    users, others = seen["users"], [fund for fund in position if fund not in funds.ids]
    by_name = dict.fromkeys(others[:_MOST_NAMES], users)
    read = ScoresRead(table, users, users + left_out, left_out, users * len(position), users * len(others), by_name)
    if tuple(position) == funds.ids:
        return rows.select("user_id", "risk_tolerance", "expected_revenue"), read
    absent = F.lit(None).cast("double")
    wanted = [F.col("expected_revenue")[position[fund]] if fund in position else absent for fund in funds.ids]
    return rows.select("user_id", "risk_tolerance", F.array(*wanted).alias("expected_revenue")), read


def _require_one_row_a_user(rows: DataFrame, table: str) -> None:
    """Users meet by a hash, sorted by no one but NumPy: Spark's own count of ten million keys takes twice as long."""

    def repeated(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = [batch.column(0).to_numpy() for batch in batches]
        users = np.sort(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.int64)
        yield pa.record_batch([pa.array(users[1:][users[1:] == users[:-1]][:1])], names=["user_id"])

    twice = rows.select("user_id").repartition("user_id").mapInArrow(repeated, "user_id bigint")
    first = twice.agg(F.min("user_id").alias("user_id")).first()
    if first is not None and first["user_id"] is not None:
        times = rows.where(F.col("user_id") == first["user_id"]).count()
        raise TableError(f"table {table}: user {first['user_id']} stands there {times} times: keep one row per user")


def _not_finite() -> Column:
    """Whether an expected revenue is NaN, which Spark takes for the greatest number, infinite, or too large."""
    greatest, least = F.array_max("expected_revenue"), F.array_min("expected_revenue")
    return F.coalesce((greatest > _MOST_REVENUE) | (least < -_MOST_REVENUE), F.lit(False))


def _not_finite_error(bad: Row, table: str, fund_ids: tuple[str, ...]) -> TableError:
    scores = zip(fund_ids, bad["expected_revenue"], strict=False)
    fund, value = next((f, e) for f, e in scores if e is not None and not abs(e) <= _MOST_REVENUE)
    wanted = f"a number of at most {_MOST_REVENUE:g} in size" if np.isfinite(value) else "a finite number"
    return TableError(
        f"table {table}: user {bad['user_id']}, fund {fund!r}: expected_revenue is {value}; "
        f"give {wanted}, or null for a pair that must not be allocated"
    )
