"""Scores of several campaigns and forms: which rows count, what is refused, and which version a run reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.allocation.problem.problem import Funds
from ptofa_spark.allocation.scores.reading import long_form
from ptofa_spark.allocation.scores.reading.account import ScoresRead, inputs_used, require_scored
from ptofa_spark.allocation.scores.reading.campaign_funds import read_campaign_funds
from ptofa_spark.allocation.scores.reading.first_pass import Look, Scores
from ptofa_spark.allocation.scores.reading.scores import read_scores
from ptofa_spark.errors import TableError
from ptofa_spark.tables.contracts.schemas import COMPACT_SCORES, DEMANDS, FUNDS, LONG_SCORES
from ptofa_spark.tables.delta.pinned import PinnedTables

# In Spark, and on the driver.
BOTH = pytest.mark.parametrize("driver_users", [0, 1_000])
TWO = Funds(("a", "b"), np.array([1, 1]), np.array([1, 1]))
GOOD = [("c", 1, 3, ["a", "b"], [1.0, None]), ("c", 2, 3, ["a", "b"], [2.0, 0.5])]
FAULTS = {
    "rows of 'c' differ in fund_ids: score the campaign again": ("c", 3, 3, ["b", "a"], [1.0, 2.0]),
    "user 3 has 3 scores for 2 funds: score the campaign again": ("c", 3, 3, ["a", "b"], [1.0, 2.0, 3.0]),
    "user 3, fund 'b': expected_revenue is inf; give a finite": ("c", 3, 3, ["a", "b"], [1.0, float("inf")]),
    "user 2 stands there 2 times: keep one row per user": ("c", 2, 3, ["a", "b"], [1.0, 2.0]),
    "user 3, fund 'a': expected_revenue is nan; give a finite": ("c", 3, 3, ["a", "b"], [float("nan"), None]),
}


def compact(spark: SparkSession, place: Path, rows: list[Any]) -> str:
    spark.createDataFrame(rows, COMPACT_SCORES).coalesce(1).write.mode("overwrite").parquet(str(place))
    return str(place)


@BOTH
@pytest.mark.parametrize("message", FAULTS)
def test_a_faulty_row_of_compact_scores_is_named(
    spark: SparkSession, tmp_path: Path, message: str, driver_users: int
) -> None:
    place = compact(spark, tmp_path / "scores", [*GOOD, FAULTS[message]])
    with pytest.raises(TableError, match=message):
        read_scores(PinnedTables(spark), place, "c", TWO, Look(driver_users))


def test_a_layout_that_names_a_fund_twice_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    for funds in (["a", "a"], ["a", None]):
        place = compact(spark, tmp_path / "scores", [("c", 1, 3, funds, [1.0, 2.0])])
        with pytest.raises(TableError, match="rows of 'c' name a fund twice, or none, in fund_ids"):
            read_scores(PinnedTables(spark), place, "c", TWO)


@BOTH
def test_a_campaign_may_have_no_score_at_all(spark: SparkSession, tmp_path: Path, driver_users: int) -> None:
    place = compact(spark, tmp_path / "scores", [("c", 1, 3, [], [])])
    scores = read_scores(PinnedTables(spark), place, "c", TWO, Look(driver_users, max_classes=9))
    assert (scores.read.users, scores.read.pairs, scores.profile.scored.tolist()) == (1, 0, [0, 0])
    assert scores.profile.classes.eligible.tolist() == [[False, False]]


@BOTH
def test_compact_scores_are_read_in_the_order_of_the_demands(
    spark: SparkSession, tmp_path: Path, driver_users: int
) -> None:
    """A fund without a demand is left out. A fund without a score is open to nobody. Other campaigns do not count."""
    place = compact(spark, tmp_path / "scores", [*GOOD, ("other", 1, 3, ["z"], [9.0])])
    asked = Funds(("b", "c"), np.array([1, 1]), np.array([1, 1]))
    scores = read_scores(PinnedTables(spark), place, "c", asked, Look(driver_users))
    read = scores.read
    rows = scores.rows.frame.orderBy("user_id").collect()
    assert [tuple(row) for row in rows] == [(1, 3, [None, None]), (2, 3, [0.5, None])]
    assert held_rows(scores) in (None, [tuple(row) for row in rows])
    assert (read.rows, read.of_other_campaigns, read.pairs) == (3, 1, 4)
    assert (read.pairs_without_demand, read.without_demand) == (2, {"a": 2})
    assert (read.users, scores.profile.scored.tolist()) == (2, [1, 0])
    with pytest.raises(TableError, match=r"has no campaign 'autumn'; the campaigns there are 'c', 'other': name it"):
        read_scores(PinnedTables(spark), place, "autumn", asked)


def held_rows(scores: Scores) -> list[Any] | None:
    """The driver's copy, if there is one."""
    held = scores.rows.held
    return None if held is None else sorted(tuple(row.values()) for row in held.to_pylist())


def long(place: Path, rows: list[Any]) -> str:
    columns = ["campaign_id", "user_id", "risk_tolerance", "fund_id", "expected_revenue"]
    frame = pd.DataFrame(rows, columns=columns).astype({"risk_tolerance": "int32", "expected_revenue": "float64"})
    frame.to_parquet(place, index=False)
    return str(place)


LONG = [
    ("c", 1, 3, "a", 1.0),
    ("c", 1, 3, "b", None),
    ("c", 2, 3, "b", 0.5),
    ("c", 2, 3, "z", 7.0),
    # The same users and pairs in another campaign, with another tolerance.
    ("other", 1, 5, "a", 9.0),
    ("other", 3, 5, "b", 9.0),
    ("other", 2, 5, "q", 9.0),
]


FAULTS_OF_PAIRS = {
    "user 2 has more than one risk_tolerance: give each user one": ("c", 2, 4, "a", 1.0),
    "user 1 and fund 'b' stand there more than once: keep one row": ("c", 1, 3, "b", 1.0),
    "user 2 and fund 'z' stand there more than once: keep one row": ("c", 2, 3, "z", 1.0),
    "user 3, fund 'a': expected_revenue is -inf; give a finite": ("c", 3, 3, "a", -float("inf")),
    r"column fund_id is null in 1 row\(s\)": ("c", 3, 3, None, 1.0),
}


@BOTH
@pytest.mark.parametrize("message", FAULTS_OF_PAIRS)
def test_a_faulty_pair_is_named(spark: SparkSession, tmp_path: Path, message: str, driver_users: int) -> None:
    place = long(tmp_path / "scores.parquet", [*LONG, FAULTS_OF_PAIRS[message]])
    with pytest.raises(TableError, match=message):
        read_scores(PinnedTables(spark), place, "c", TWO, Look(driver_users))


@BOTH
def test_names_beyond_those_that_a_partition_may_bring_are_counted_all_the_same(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver_users: int
) -> None:
    monkeypatch.setattr(long_form, "MOST_NAMES", 2)
    more = [("c", user, 3, name, 1.0) for user in (8, 9) for name in ("q", "r", "s")[: user - 6]]
    place = long(tmp_path / "scores.parquet", [*LONG, *more])
    read = read_scores(PinnedTables(spark), place, "c", TWO, Look(driver_users)).read
    assert (read.pairs_without_demand, read.without_demand) == (6, {"q": 2, "r": 2})


@BOTH
def test_only_the_campaigns_rows_of_long_scores_count(spark: SparkSession, tmp_path: Path, driver_users: int) -> None:
    place = long(tmp_path / "scores.parquet", LONG)
    scores = read_scores(PinnedTables(spark), place, "c", TWO, Look(driver_users, max_classes=10))
    read = scores.read
    rows = scores.rows.frame.orderBy("user_id").collect()
    assert [tuple(row) for row in rows] == [(1, 3, [1.0, None]), (2, 3, [None, 0.5])]
    assert held_rows(scores) in (None, [tuple(row) for row in rows])
    assert (read.rows, read.of_other_campaigns, read.pairs) == (7, 3, 4)
    assert (read.pairs_without_demand, read.without_demand) == (1, {"z": 1})
    found = scores.profile
    assert found.scored.tolist() == [1, 1]
    used = inputs_used(read, TWO, found.classes, found.scored, 0)
    assert (used.users, used.users_used, used.pairs_used, used.pairs_without_score) == (2, 2, 2, 1)
    assert used.line() == (
        "read 7 rows: 2 pairs of 2 users used, left out 3 row(s) of other campaigns, 1 pair(s) of funds without a "
        "demand, 1 pair(s) without a score"
    )
    scores.release()


@BOTH
def test_columns_that_cannot_be_null_are_read(spark: SparkSession, tmp_path: Path, driver_users: int) -> None:
    place = str(tmp_path / "scores")
    spark.createDataFrame([(7, 3, "a", 1.5), (8, 3, "b", None)], LONG_SCORES).write.format("delta").save(place)
    scores = read_scores(PinnedTables(spark), place, "c", TWO, Look(driver_users, max_classes=9))
    rows = scores.rows.frame.orderBy("user_id").collect()
    assert [tuple(row) for row in rows] == [(7, 3, [1.5, None]), (8, 3, [None, None])]
    scores.release()


def test_few_pairs_of_many_funds_are_gathered_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_form, "PAIRS_A_BATCH", 60)  # 20 users of 3 funds
    rng = np.random.default_rng(5)
    user, fund = (grid.ravel() for grid in np.meshgrid(np.arange(70) * 3 - 9, np.arange(4)))
    there = rng.permutation(len(user))[:170]
    user, fund, money = user[there], fund[there], rng.normal(size=170)
    names = np.array(["a", "b", "c", "z"])
    pairs = pa.table(
        {"user_id": user, "risk_tolerance": pa.array([3] * 170, pa.int32()), "fund_id": names[fund].tolist()}
        | {"expected_revenue": money}
    )
    funds = Funds(("a", "b", "c"), np.array([1, 1, 1]), np.array([1, 1, 1]))
    kernel = long_form.gathering(funds, 170, Look(max_classes=9), draw=True)
    gathered = pa.Table.from_batches(list(kernel(pairs.to_batches(max_chunksize=13))))
    rows = gathered.filter(gathered["found"].is_null())
    assert rows["user_id"].to_pylist() == np.unique(user).tolist()
    held = dict(zip(zip(user.tolist(), fund.tolist(), strict=True), money.tolist(), strict=True))
    for row in rows.to_pylist():
        assert row["expected_revenue"] == [held.get((row["user_id"], place)) for place in range(3)]


def test_a_campaign_that_is_not_certain_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    place = long(tmp_path / "scores.parquet", LONG)
    with pytest.raises(TableError, match=r"has no campaign 'C'; the nearest campaign there is 'c' \(it"):
        read_scores(PinnedTables(spark), place, "C", TWO)
    near = long(tmp_path / "near.parquet", [*LONG, ("c\u00a0", 9, 3, "a", 1.0)])
    with pytest.raises(TableError, match=r"campaign 'c' and campaign 'c\\xa0' \(it differs by a no-break space"):
        read_scores(PinnedTables(spark), near, "c", TWO)
    null = long(tmp_path / "null.parquet", [*LONG, (None, 9, 3, "a", 1.0)])
    with pytest.raises(TableError, match=r"column campaign_id is null in 1 row\(s\)"):
        read_scores(PinnedTables(spark), null, "c", TWO)


def a_read(**without_demand: int) -> ScoresRead:
    return ScoresRead("scores", 3, 9, 0, 9, sum(without_demand.values()), without_demand)


def funds_of(demand: list[int], others: tuple[str, ...] = ()) -> Funds:
    return Funds(("a", "b"), np.array([1, 1]), np.array(demand), others)


@pytest.mark.parametrize(
    ("read", "funds", "scored", "said"),
    [
        (a_read(**{"b ": 4}), funds_of([1, 3]), [5, 0], r"'b' has a demand of 3, but no score; .* 'b ' \(.*trailing"),
        (a_read(bb=4), funds_of([1, 3]), [5, 0], r"the funds in the scores are 'a', 'bb': name"),
        (a_read(), funds_of([1, 3]), [5, 0], r"no score; the funds in the scores are 'a': name each fund .* score it"),
        (a_read(), funds_of([1, 3]), [0, 0], r"fund 'a' .* no fund is in the scores; fund 'b' has"),
        (a_read(B=4), funds_of([1, 3]), [5, 5], r"fund 'B' has 4 pair\(s\) and no demand; fund 'b' has one"),
        (a_read(**{"b ": 4}), funds_of([1, 3], ("b ",)), [5, 5], r"fund 'b ' has 4 pair\(s\) and no demand"),
    ],
)
def test_a_fund_that_has_another_name_in_the_scores_is_refused(
    read: ScoresRead, funds: Funds, scored: list[int], said: str
) -> None:
    with pytest.raises(TableError, match=said) as refused:
        require_scored(read, funds, np.array(scored))
    assert "--allow-unscored" in str(refused.value)


def test_a_fund_with_a_demand_of_0_needs_no_score() -> None:
    require_scored(a_read(c=4), funds_of([1, 0]), np.array([5, 0]))
    with pytest.raises(TableError, match="'b' has a demand of 1, but no score"):
        require_scored(a_read(c=4), funds_of([1, 1]), np.array([5, 0]))


def test_two_funds_of_the_funds_table_may_have_near_names() -> None:
    require_scored(a_read(B=4), funds_of([1, 3], ("B",)), np.array([5, 5]))  # the funds table knows b and B


def test_a_run_reads_the_versions_that_it_began_with(spark: SparkSession, tmp_path: Path) -> None:
    """Another run replaces every table in the meantime."""
    places = [str(tmp_path / name) for name in ("scores", "funds", "demands")]

    def write(scores: list[Any], level: int, demand: int) -> None:
        frames: list[DataFrame] = [
            spark.createDataFrame(scores, COMPACT_SCORES),
            spark.createDataFrame([("a", level), ("b", level)], FUNDS),
            spark.createDataFrame([("c", "a", demand), ("c", "b", demand)], DEMANDS),
        ]
        for frame, place in zip(frames, places, strict=True):
            frame.coalesce(1).write.format("delta").mode("overwrite").save(place)

    write(GOOD, 1, 1)
    tables = PinnedTables(spark).pin(*places)
    write([("c", 7, 3, ["a", "b"], [0.0, 0.0])], 5, 9)
    campaign, funds = read_campaign_funds(tables, places[1], places[2], None)
    scores = read_scores(tables, places[0], campaign, funds).rows.frame
    write([("c", 7, 3, ["a", "b"], [0.0, 0.0])], 5, 9)
    assert sorted(row["user_id"] for row in scores.collect()) == [1, 2]
    assert funds.demand.tolist() == [1, 1]
    assert funds.risk_levels.tolist() == [1, 1]
    assert read_campaign_funds(PinnedTables(spark), places[1], places[2], None)[1].demand.tolist() == [9, 9]
